/* Another spelling. */
#include "afxsock.h"
