/* Types. All of it is in windows.h. */
#ifndef WHARF_WIN32_BASETSD_H
#define WHARF_WIN32_BASETSD_H

#include "windows.h"

#endif
