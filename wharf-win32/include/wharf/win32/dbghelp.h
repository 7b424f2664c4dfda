/* Dumps of a program that failed: none is written here. `ulimit -c` and coredumpctl are Linux's way. */
#ifndef WHARF_WIN32_DBGHELP_H
#define WHARF_WIN32_DBGHELP_H

#include "windows.h"

typedef enum _MINIDUMP_TYPE {
    MiniDumpNormal = 0x0,
    MiniDumpWithDataSegs = 0x1,
    MiniDumpWithFullMemory = 0x2,
    MiniDumpWithHandleData = 0x4,
    MiniDumpWithIndirectlyReferencedMemory = 0x40,
    MiniDumpWithPrivateReadWriteMemory = 0x200,
    MiniDumpWithFullMemoryInfo = 0x800,
    MiniDumpWithThreadInfo = 0x1000
} MINIDUMP_TYPE;
typedef struct _MINIDUMP_EXCEPTION_INFORMATION {
    DWORD ThreadId;
    PEXCEPTION_POINTERS ExceptionPointers;
    BOOL ClientPointers;
} MINIDUMP_EXCEPTION_INFORMATION, *PMINIDUMP_EXCEPTION_INFORMATION;
typedef struct _MINIDUMP_USER_STREAM_INFORMATION MINIDUMP_USER_STREAM_INFORMATION, *PMINIDUMP_USER_STREAM_INFORMATION;
typedef struct _MINIDUMP_CALLBACK_INFORMATION MINIDUMP_CALLBACK_INFORMATION, *PMINIDUMP_CALLBACK_INFORMATION;
typedef BOOL(WINAPI *MINIDUMPWRITEDUMP)(HANDLE process, DWORD id, HANDLE file, MINIDUMP_TYPE type, const MINIDUMP_EXCEPTION_INFORMATION *exception,
                                        const MINIDUMP_USER_STREAM_INFORMATION *streams, const MINIDUMP_CALLBACK_INFORMATION *callback);

static inline BOOL MiniDumpWriteDump(HANDLE process, DWORD id, HANDLE file, MINIDUMP_TYPE type, const MINIDUMP_EXCEPTION_INFORMATION *exception,
                                     const MINIDUMP_USER_STREAM_INFORMATION *streams, const MINIDUMP_CALLBACK_INFORMATION *callback) {
    (void)process, (void)id, (void)file, (void)type, (void)exception, (void)streams, (void)callback;
    SetLastError(ERROR_CALL_NOT_IMPLEMENTED);
    return FALSE;
}

#endif
