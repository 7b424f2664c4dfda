/* Another spelling. */
#include "mswsock.h"
