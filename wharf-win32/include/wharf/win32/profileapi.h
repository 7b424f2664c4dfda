/* Clocks. All of it is in windows.h. */
#ifndef WHARF_WIN32_PROFILEAPI_H
#define WHARF_WIN32_PROFILEAPI_H

#include "windows.h"

#endif
