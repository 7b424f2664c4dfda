/* The console. All of it is in windows.h. */
#ifndef WHARF_WIN32_CONSOLEAPI_H
#define WHARF_WIN32_CONSOLEAPI_H

#include "windows.h"

#endif
