/* Microsoft's debug heap, which is left to valgrind and AddressSanitizer here: nothing is checked. */
#ifndef WHARF_WIN32_CRTDBG_H
#define WHARF_WIN32_CRTDBG_H

#include "topic/types.h"

#include <assert.h>

#define _CRTDBG_ALLOC_MEM_DF 0x01
#define _CRTDBG_CHECK_ALWAYS_DF 0x04
#define _CRTDBG_LEAK_CHECK_DF 0x20
#define _CRTDBG_REPORT_FLAG (-1)
#define _CRTDBG_MODE_FILE 0x1
#define _CRTDBG_MODE_DEBUG 0x2
#define _CRTDBG_FILE_STDOUT ((HANDLE)(LONG_PTR)-4)
#define _CRTDBG_FILE_STDERR ((HANDLE)(LONG_PTR)-5)
#define _CRT_WARN 0
#define _CRT_ERROR 1
#define _CRT_ASSERT 2
#define _CrtSetDbgFlag(flags) ((int)0)
#define _CrtSetReportMode(kind, mode) ((int)0)
#define _CrtSetReportFile(kind, file) ((HANDLE)0)
#define _CrtDumpMemoryLeaks() ((int)0)
#define _CrtCheckMemory() ((int)1)
#define _CrtSetBreakAlloc(number) ((long)0)
#define _ASSERT(condition) assert(condition)
#define _ASSERTE(condition) assert(condition)
#define _RPT0(kind, text) ((void)0)

#endif
