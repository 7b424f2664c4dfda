/* Another spelling. */
#include "afxwin.h"
