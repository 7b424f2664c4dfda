/* Statuses. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINTERNL_H
#define WHARF_WIN32_WINTERNL_H

#include "windows.h"

#endif
