/* System information. All of it is in windows.h. */
#ifndef WHARF_WIN32_SYSINFOAPI_H
#define WHARF_WIN32_SYSINFOAPI_H

#include "windows.h"

#endif
