/* Types. All of it is in windows.h. */
#ifndef WHARF_WIN32_MINWINDEF_H
#define WHARF_WIN32_MINWINDEF_H

#include "windows.h"

#endif
