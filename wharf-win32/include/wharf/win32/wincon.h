/* The console. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINCON_H
#define WHARF_WIN32_WINCON_H

#include "windows.h"

#endif
