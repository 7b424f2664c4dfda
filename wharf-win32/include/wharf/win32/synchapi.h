/* Locks and waits. All of it is in windows.h. */
#ifndef WHARF_WIN32_SYNCHAPI_H
#define WHARF_WIN32_SYNCHAPI_H

#include "windows.h"

#endif
