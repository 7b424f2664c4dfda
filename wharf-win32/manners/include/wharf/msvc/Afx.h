/* Another spelling. */
#include "afx.h"
