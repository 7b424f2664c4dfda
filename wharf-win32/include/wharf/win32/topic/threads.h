/* Threads and the process. */
#ifndef WHARF_WIN32_THREADS_H
#define WHARF_WIN32_THREADS_H

#include "handles.h"
#include "overloads.h"

#define CREATE_SUSPENDED 0x00000004
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x00010000
#define STILL_ACTIVE 259
#define THREAD_PRIORITY_IDLE (-15)
#define THREAD_PRIORITY_LOWEST (-2)
#define THREAD_PRIORITY_BELOW_NORMAL (-1)
#define THREAD_PRIORITY_NORMAL 0
#define THREAD_PRIORITY_ABOVE_NORMAL 1
#define THREAD_PRIORITY_HIGHEST 2
#define THREAD_PRIORITY_TIME_CRITICAL 15
#define THREAD_PRIORITY_ERROR_RETURN 0x7fffffff
#define THREAD_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0xffff)
#define PROCESS_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0xffff)

#define TLS_OUT_OF_INDEXES ((DWORD)0xffffffff)
#define TLS_MINIMUM_AVAILABLE 64
#define FLS_OUT_OF_INDEXES ((DWORD)0xffffffff)
#define NORMAL_PRIORITY_CLASS 0x20
#define IDLE_PRIORITY_CLASS 0x40
#define HIGH_PRIORITY_CLASS 0x80
#define REALTIME_PRIORITY_CLASS 0x100

typedef DWORD(WINAPI *PTHREAD_START_ROUTINE)(LPVOID argument);
typedef PTHREAD_START_ROUTINE LPTHREAD_START_ROUTINE;
typedef void(WINAPI *PAPCFUNC)(ULONG_PTR argument);
/* Called for a value that a thread leaves behind. */
typedef void(WINAPI *PFLS_CALLBACK_FUNCTION)(PVOID value);

WHARF_BEGIN

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID argument, DWORD flags, LPDWORD id);
DECLSPEC_NORETURN void WINAPI ExitThread(DWORD code);
BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code);
DWORD WINAPI ResumeThread(HANDLE thread);
DWORD WINAPI SuspendThread(HANDLE thread);
BOOL WINAPI TerminateThread(HANDLE thread, DWORD code);
BOOL WINAPI SetThreadPriority(HANDLE thread, int priority);
int WINAPI GetThreadPriority(HANDLE thread);
DWORD_PTR WINAPI SetThreadAffinityMask(HANDLE thread, DWORD_PTR mask);
DWORD WINAPI GetCurrentThreadId(void);
DWORD WINAPI GetThreadId(HANDLE thread);
HANDLE WINAPI GetCurrentThread(void);
BOOL WINAPI SwitchToThread(void);
void WINAPI Sleep(DWORD milliseconds);
DWORD WINAPI SleepEx(DWORD milliseconds, BOOL alertable);
DWORD WINAPI QueueUserAPC(PAPCFUNC function, HANDLE thread, ULONG_PTR argument);

HANDLE WINAPI GetCurrentProcess(void);
DWORD WINAPI GetCurrentProcessId(void);
DECLSPEC_NORETURN void WINAPI ExitProcess(UINT code);
BOOL WINAPI TerminateProcess(HANDLE process, UINT code);
DWORD WINAPI GetProcessId(HANDLE process);
BOOL WINAPI GetExitCodeProcess(HANDLE process, LPDWORD code);
BOOL WINAPI SetPriorityClass(HANDLE process, DWORD priority);
DWORD WINAPI GetPriorityClass(HANDLE process);

DWORD WINAPI TlsAlloc(void);
BOOL WINAPI TlsFree(DWORD index);
LPVOID WINAPI TlsGetValue(DWORD index);
BOOL WINAPI TlsSetValue(DWORD index, LPVOID value);
DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION function);
BOOL WINAPI FlsFree(DWORD index);
PVOID WINAPI FlsGetValue(DWORD index);
BOOL WINAPI FlsSetValue(DWORD index, PVOID value);

WHARF_END

#ifdef __cplusplus
/* For programs that write `unsigned long` where DWORD is asked for. */
template <class Id, wharf_if_long<Id> = 0>
inline HANDLE CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID argument, DWORD flags, Id *id) {
    wharf_copy<DWORD, Id> number(id);
    return CreateThread(security, stack, start, argument, flags, number.address());
}
inline HANDLE CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, unsigned long (*start)(LPVOID), LPVOID argument, DWORD flags,
                           LPDWORD id) {
    return CreateThread(security, stack, reinterpret_cast<LPTHREAD_START_ROUTINE>(reinterpret_cast<ULONG_PTR>(start)), argument, flags, id);
}
template <class Code, wharf_if_long<Code> = 0>
inline BOOL GetExitCodeThread(HANDLE thread, Code *code) {
    wharf_copy<DWORD, Code> number(code);
    return GetExitCodeThread(thread, number.address());
}
#endif

#endif
