/* Another spelling. */
#include "synchapi.h"
