/* Another spelling. */
#include "winsock.h"
