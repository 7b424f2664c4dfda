/* Types. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINDEF_H
#define WHARF_WIN32_WINDEF_H

#include "windows.h"

#endif
