/* _mkdir and the others on folders. */
#ifndef WHARF_WIN32_DIRECT_H
#define WHARF_WIN32_DIRECT_H

#include "windows.h"

#endif
