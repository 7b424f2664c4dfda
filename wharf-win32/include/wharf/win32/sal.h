/* Annotations. All of it is in windows.h. */
#ifndef WHARF_WIN32_SAL_H
#define WHARF_WIN32_SAL_H

#include "windows.h"

#endif
