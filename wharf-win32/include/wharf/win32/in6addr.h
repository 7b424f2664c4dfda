/* Socket types. All of it is in windows.h. */
#ifndef WHARF_WIN32_IN6ADDR_H
#define WHARF_WIN32_IN6ADDR_H

#include "windows.h"

#endif
