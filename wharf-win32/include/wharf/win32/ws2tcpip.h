/* Names and addresses of hosts, IPv6, multicast. All of it is in windows.h. */
#ifndef WHARF_WIN32_WS2TCPIP_H
#define WHARF_WIN32_WS2TCPIP_H

#include "windows.h"

#endif
