/* Another spelling. */
#include "timeapi.h"
