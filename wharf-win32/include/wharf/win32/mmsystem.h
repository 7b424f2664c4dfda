/* timeGetTime and its like. All of it is in windows.h. */
#ifndef WHARF_WIN32_MMSYSTEM_H
#define WHARF_WIN32_MMSYSTEM_H

#include "windows.h"

#endif
