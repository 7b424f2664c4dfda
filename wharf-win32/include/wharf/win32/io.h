/* _access and the others on files. */
#ifndef WHARF_WIN32_IO_H
#define WHARF_WIN32_IO_H

#include "windows.h"

#endif
