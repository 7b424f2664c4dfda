/* Another spelling. */
#include "afxtempl.h"
