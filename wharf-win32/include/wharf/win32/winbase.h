/* Threads, waits, the port. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINBASE_H
#define WHARF_WIN32_WINBASE_H

#include "windows.h"

#endif
