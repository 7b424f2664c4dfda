/* Socket types. All of it is in windows.h. */
#ifndef WHARF_WIN32_WS2DEF_H
#define WHARF_WIN32_WS2DEF_H

#include "windows.h"

#endif
