/* Another spelling. */
#include "ws2tcpip.h"
