/* Another spelling. */
#include "processthreadsapi.h"
