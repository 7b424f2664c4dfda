/* Error numbers. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINERROR_H
#define WHARF_WIN32_WINERROR_H

#include "windows.h"

#endif
