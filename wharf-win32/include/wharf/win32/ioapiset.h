/* The port. All of it is in windows.h. */
#ifndef WHARF_WIN32_IOAPISET_H
#define WHARF_WIN32_IOAPISET_H

#include "windows.h"

#endif
