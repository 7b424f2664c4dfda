/* _getch and _kbhit. */
#ifndef WHARF_WIN32_CONIO_H
#define WHARF_WIN32_CONIO_H

#include "windows.h"

#endif
