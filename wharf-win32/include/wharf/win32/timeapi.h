/* Clocks. All of it is in windows.h. */
#ifndef WHARF_WIN32_TIMEAPI_H
#define WHARF_WIN32_TIMEAPI_H

#include "windows.h"

#endif
