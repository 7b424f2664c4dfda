/* Another spelling. */
#include "sal.h"
