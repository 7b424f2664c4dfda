/* Sockets. All of windows.h comes with them. */
#ifndef WHARF_WIN32_WINSOCK2_H
#define WHARF_WIN32_WINSOCK2_H

#include "windows.h"

#endif
