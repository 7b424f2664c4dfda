/* Another spelling. */
#include "afxmt.h"
