/* Another spelling. */
#include "tchar.h"
