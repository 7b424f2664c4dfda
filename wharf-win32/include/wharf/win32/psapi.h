/* How much memory the program has. */
#ifndef WHARF_WIN32_PSAPI_H
#define WHARF_WIN32_PSAPI_H

#include "windows.h"

typedef struct _PROCESS_MEMORY_COUNTERS {
    DWORD cb;
    DWORD PageFaultCount;
    SIZE_T PeakWorkingSetSize;
    SIZE_T WorkingSetSize;
    SIZE_T QuotaPeakPagedPoolUsage;
    SIZE_T QuotaPagedPoolUsage;
    SIZE_T QuotaPeakNonPagedPoolUsage;
    SIZE_T QuotaNonPagedPoolUsage;
    SIZE_T PagefileUsage;
    SIZE_T PeakPagefileUsage;
} PROCESS_MEMORY_COUNTERS, *PPROCESS_MEMORY_COUNTERS;
typedef struct _PROCESS_MEMORY_COUNTERS_EX {
    DWORD cb;
    DWORD PageFaultCount;
    SIZE_T PeakWorkingSetSize;
    SIZE_T WorkingSetSize;
    SIZE_T QuotaPeakPagedPoolUsage;
    SIZE_T QuotaPagedPoolUsage;
    SIZE_T QuotaPeakNonPagedPoolUsage;
    SIZE_T QuotaNonPagedPoolUsage;
    SIZE_T PagefileUsage;
    SIZE_T PeakPagefileUsage;
    SIZE_T PrivateUsage;
} PROCESS_MEMORY_COUNTERS_EX, *PPROCESS_MEMORY_COUNTERS_EX;

/* A line of /proc/self/status, which counts in KiB; 0 if there is none. */
static inline SIZE_T wharf_memory(const char *name) {
    char line[128];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoul(line + strlen(name), NULL, 10);
    }
    if (status != NULL)
        fclose(status);
    return (SIZE_T)kib * 1024;
}

/* Of the program itself. The working set is what is resident; private and page file are its data, resident or swapped. */
static inline BOOL GetProcessMemoryInfo(HANDLE process, PPROCESS_MEMORY_COUNTERS counters, DWORD size) {
    if (process != GetCurrentProcess() || counters == NULL || size < sizeof(*counters)) {
        SetLastError(process != GetCurrentProcess() ? ERROR_INVALID_HANDLE : ERROR_INSUFFICIENT_BUFFER);
        return FALSE;
    }
    memset(counters, 0, sizeof(*counters));
    counters->cb = size;
    counters->WorkingSetSize = wharf_memory("VmRSS:");
    counters->PeakWorkingSetSize = wharf_memory("VmHWM:");
    counters->PagefileUsage = wharf_memory("RssAnon:") + wharf_memory("VmSwap:");
    counters->PeakPagefileUsage = counters->PagefileUsage;
    if (size >= sizeof(PROCESS_MEMORY_COUNTERS_EX))
        ((PPROCESS_MEMORY_COUNTERS_EX)(void *)counters)->PrivateUsage = counters->PagefileUsage;
    return TRUE;
}

#endif
