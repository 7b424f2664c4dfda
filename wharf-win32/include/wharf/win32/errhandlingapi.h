/* Last errors. All of it is in windows.h. */
#ifndef WHARF_WIN32_ERRHANDLINGAPI_H
#define WHARF_WIN32_ERRHANDLINGAPI_H

#include "windows.h"

#endif
