/* Another spelling. */
#include "crtdbg.h"
