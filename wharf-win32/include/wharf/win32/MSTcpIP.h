/* Another spelling. */
#include "mstcpip.h"
