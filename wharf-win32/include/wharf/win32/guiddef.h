/* GUID. */
#ifndef WHARF_WIN32_GUIDDEF_H
#define WHARF_WIN32_GUIDDEF_H

#include "windows.h"

#endif
