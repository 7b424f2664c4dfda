/* Another spelling. */
#include "winnt.h"
