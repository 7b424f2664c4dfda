/* CreateFile and the others on files. */
#ifndef WHARF_WIN32_FILEAPI_H
#define WHARF_WIN32_FILEAPI_H

#include "windows.h"

#endif
