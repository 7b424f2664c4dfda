/* Another spelling. */
#include "windef.h"
