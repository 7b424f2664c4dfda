/* Sockets, by the name of the first version. All of it is in windows.h. */
#ifndef WHARF_WIN32_WINSOCK_H
#define WHARF_WIN32_WINSOCK_H

#include "windows.h"

#endif
