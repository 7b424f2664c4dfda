/* Message boxes. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINUSER_H
#define WHARF_WIN32_WINUSER_H

#include "windows.h"

#endif
