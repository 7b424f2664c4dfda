/* Another spelling. */
#include "windows.h"
