/* Another spelling. */
#include "strsafe.h"
