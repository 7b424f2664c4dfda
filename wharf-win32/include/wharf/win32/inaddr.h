/* Socket types. All of it is in windows.h. */
#ifndef WHARF_WIN32_INADDR_H
#define WHARF_WIN32_INADDR_H

#include "windows.h"

#endif
