/* Another spelling. */
#include "intrin.h"
