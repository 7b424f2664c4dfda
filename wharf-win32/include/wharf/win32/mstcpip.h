/* Keep-alive values. All of it is in windows.h. */
#ifndef WHARF_WIN32_MSTCPIP_H
#define WHARF_WIN32_MSTCPIP_H

#include "windows.h"

#endif
