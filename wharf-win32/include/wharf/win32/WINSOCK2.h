/* Another spelling. */
#include "winsock2.h"
