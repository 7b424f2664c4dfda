/* MFC, as far as it is served: mfc.h. */
#include "mfc.h"
