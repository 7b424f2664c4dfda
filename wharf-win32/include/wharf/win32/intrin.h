/* Interlocked by their underscored names. All of it is in windows.h. */
#ifndef WHARF_WIN32_INTRIN_H
#define WHARF_WIN32_INTRIN_H

#include "windows.h"

#endif
