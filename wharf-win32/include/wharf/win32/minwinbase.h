/* OVERLAPPED. All of it is in windows.h. */
#ifndef WHARF_WIN32_MINWINBASE_H
#define WHARF_WIN32_MINWINBASE_H

#include "windows.h"

#endif
