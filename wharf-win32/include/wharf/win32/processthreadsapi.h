/* Threads. All of it is in windows.h. */
#ifndef WHARF_WIN32_PROCESSTHREADSAPI_H
#define WHARF_WIN32_PROCESSTHREADSAPI_H

#include "windows.h"

#endif
