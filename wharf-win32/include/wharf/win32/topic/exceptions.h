/* What handlers of faults are written with, so that they build. A fault is no exception here: no filter is ever called, and the system
 * ends the program, with a core file if `ulimit -c` allows one. */
#ifndef WHARF_WIN32_EXCEPTIONS_H
#define WHARF_WIN32_EXCEPTIONS_H

#include "types.h"

#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)
#define EXCEPTION_MAXIMUM_PARAMETERS 15
#define EXCEPTION_ACCESS_VIOLATION ((DWORD)0xC0000005)
#define EXCEPTION_INT_DIVIDE_BY_ZERO ((DWORD)0xC0000094)
#define EXCEPTION_STACK_OVERFLOW ((DWORD)0xC00000FD)

typedef struct _CONTEXT CONTEXT, *PCONTEXT, *LPCONTEXT;
typedef struct _EXCEPTION_RECORD {
    DWORD ExceptionCode;
    DWORD ExceptionFlags;
    struct _EXCEPTION_RECORD *ExceptionRecord;
    PVOID ExceptionAddress;
    DWORD NumberParameters;
    ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD, *PEXCEPTION_RECORD;
typedef struct _EXCEPTION_POINTERS {
    PEXCEPTION_RECORD ExceptionRecord;
    PCONTEXT ContextRecord;
} EXCEPTION_POINTERS, *PEXCEPTION_POINTERS, *LPEXCEPTION_POINTERS;
typedef LONG(WINAPI *PTOP_LEVEL_EXCEPTION_FILTER)(EXCEPTION_POINTERS *fault);
typedef PTOP_LEVEL_EXCEPTION_FILTER LPTOP_LEVEL_EXCEPTION_FILTER;
typedef void (*_purecall_handler)(void);
typedef void (*_invalid_parameter_handler)(const wchar_t *expression, const wchar_t *function, const wchar_t *file, unsigned line, uintptr_t reserved);

/* The filter that was set before: none ever is. */
static inline LPTOP_LEVEL_EXCEPTION_FILTER SetUnhandledExceptionFilter(LPTOP_LEVEL_EXCEPTION_FILTER filter) {
    (void)filter;
    return NULL;
}
static inline UINT SetErrorMode(UINT mode) {
    (void)mode;
    return 0;
}
static inline _purecall_handler _set_purecall_handler(_purecall_handler handler) {
    (void)handler;
    return NULL;
}
static inline _invalid_parameter_handler _set_invalid_parameter_handler(_invalid_parameter_handler handler) {
    (void)handler;
    return NULL;
}
static inline unsigned _set_abort_behavior(unsigned flags, unsigned mask) {
    (void)flags, (void)mask;
    return 0;
}
#define _CALL_REPORTFAULT 0x2
#define _WRITE_ABORT_MSG 0x1

#endif
