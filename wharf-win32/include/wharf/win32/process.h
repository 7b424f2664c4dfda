/* _beginthreadex and its like. */
#ifndef WHARF_WIN32_PROCESS_H
#define WHARF_WIN32_PROCESS_H

#include "windows.h"

#endif
