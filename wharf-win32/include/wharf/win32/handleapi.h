/* CloseHandle. All of it is in windows.h. */
#ifndef WHARF_WIN32_HANDLEAPI_H
#define WHARF_WIN32_HANDLEAPI_H

#include "windows.h"

#endif
