/* AcceptEx and the other extensions. All of it is in windows.h. */
#ifndef WHARF_WIN32_MSWSOCK_H
#define WHARF_WIN32_MSWSOCK_H

#include "windows.h"

#endif
