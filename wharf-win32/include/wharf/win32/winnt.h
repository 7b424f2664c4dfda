/* Types, Interlocked. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINNT_H
#define WHARF_WIN32_WINNT_H

#include "windows.h"

#endif
