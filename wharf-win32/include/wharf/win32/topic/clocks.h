/* Clocks. */
#ifndef WHARF_WIN32_CLOCKS_H
#define WHARF_WIN32_CLOCKS_H

#include "handles.h"

typedef struct _SYSTEMTIME {
    WORD wYear;
    WORD wMonth;
    WORD wDayOfWeek;
    WORD wDay;
    WORD wHour;
    WORD wMinute;
    WORD wSecond;
    WORD wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;

typedef UINT MMRESULT;
#define TIMERR_NOERROR 0
#define TIMERR_NOCANDO 97

WHARF_BEGIN

DWORD WINAPI GetTickCount(void);
ULONGLONG WINAPI GetTickCount64(void);
DWORD WINAPI timeGetTime(void);
MMRESULT WINAPI timeBeginPeriod(UINT milliseconds);
MMRESULT WINAPI timeEndPeriod(UINT milliseconds);
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *count);
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *per_second);
void WINAPI GetSystemTime(LPSYSTEMTIME time);
void WINAPI GetLocalTime(LPSYSTEMTIME time);
void WINAPI GetSystemTimeAsFileTime(LPFILETIME time);
BOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *time, LPFILETIME file_time);
BOOL WINAPI FileTimeToLocalFileTime(const FILETIME *file_time, LPFILETIME local);
BOOL WINAPI LocalFileTimeToFileTime(const FILETIME *local, LPFILETIME file_time);
LONG WINAPI CompareFileTime(const FILETIME *one, const FILETIME *other);
void WINAPI GetSystemTimePreciseAsFileTime(LPFILETIME time);
BOOL WINAPI FileTimeToSystemTime(const FILETIME *file_time, LPSYSTEMTIME time);

WHARF_END

#endif
