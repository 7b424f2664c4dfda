/* The types of Windows, in their sizes there.
 *
 * LONG, ULONG and DWORD have 32 bits though `long` has 64 here: structures and protocols depend on it. */
#ifndef WHARF_WIN32_TYPES_H
#define WHARF_WIN32_TYPES_H

#include "compiler.h"
#include "sal.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <sys/types.h>

#define VOID void
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID, *PCVOID;

typedef char CHAR, CCHAR;
typedef signed char INT8, *PINT8;
typedef unsigned char UCHAR, BYTE, UINT8, BOOLEAN, *PUCHAR, *PBYTE, *LPBYTE, *PUINT8, *PBOOLEAN;
typedef short SHORT, INT16, *PSHORT, *PINT16;
typedef unsigned short USHORT, WORD, UINT16, ATOM, *PUSHORT, *PWORD, *LPWORD, *PUINT16;
typedef int INT, INT32, LONG, LONG32, BOOL, HRESULT, NTSTATUS, *PINT, *LPINT, *PINT32, *PLONG, *LPLONG, *PLONG32, *PBOOL, *LPBOOL;
typedef unsigned int UINT, UINT32, ULONG, ULONG32, DWORD, DWORD32, *PUINT, *LPUINT, *PUINT32, *PULONG, *LPULONG, *PULONG32, *PDWORD, *LPDWORD,
    *PDWORD32;
typedef long long LONGLONG, LONG64, INT64, *PLONGLONG, *PLONG64, *PINT64;
typedef unsigned long long ULONGLONG, ULONG64, DWORDLONG, DWORD64, UINT64, *PULONGLONG, *PULONG64, *PDWORDLONG, *PDWORD64, *PUINT64;
typedef float FLOAT, *PFLOAT;
typedef double DOUBLE;

/* As wide as a pointer, and one type with `size_t` and `uintptr_t`, as they are on Windows. */
typedef long INT_PTR, LONG_PTR, SSIZE_T, LPARAM, LRESULT, *PINT_PTR, *PLONG_PTR, *PSSIZE_T;
typedef unsigned long UINT_PTR, ULONG_PTR, DWORD_PTR, SIZE_T, WPARAM, KAFFINITY, *PUINT_PTR, *PULONG_PTR, *LPULONG_PTR, *PDWORD_PTR, *PSIZE_T;

typedef void *HANDLE, **PHANDLE, **LPHANDLE;
typedef HANDLE HINSTANCE, HMODULE, HWND, HLOCAL, HGLOBAL, HKEY, HICON, HCURSOR, HMENU, HDC;
typedef int (*FARPROC)(void);
typedef int (*PROC)(void);

typedef wchar_t WCHAR, *PWCHAR, *LPWCH, *PWCH, *LPWSTR, *PWSTR, *NWPSTR;
typedef const wchar_t *LPCWSTR, *PCWSTR, *LPCWCH, *PCWCH;
typedef CHAR *PCHAR, *LPCH, *PCH, *LPSTR, *PSTR;
typedef const CHAR *LPCSTR, *PCSTR, *LPCCH, *PCCH;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *LPTCH, *PTCH;
typedef LPWSTR LPTSTR, PTSTR;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define __TEXT(text) L##text
#else
typedef CHAR TCHAR, *PTCHAR, *LPTCH, *PTCH;
typedef LPSTR LPTSTR, PTSTR;
typedef LPCSTR LPCTSTR, PCTSTR;
#define __TEXT(text) text
#endif
#define TEXT(text) __TEXT(text)

#define TRUE 1
#define FALSE 0

typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        DWORD HighPart;
    };
    struct {
        DWORD LowPart;
        DWORD HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

typedef struct _GUID {
    ULONG Data1;
    USHORT Data2;
    USHORT Data3;
    UCHAR Data4[8];
} GUID, *LPGUID, IID, CLSID;
#ifdef __cplusplus
#define REFGUID const GUID &
static inline int IsEqualGUID(REFGUID one, REFGUID other) { return memcmp(&one, &other, sizeof(GUID)) == 0; }
static inline bool operator==(REFGUID one, REFGUID other) { return IsEqualGUID(one, other) != 0; }
#else
#define REFGUID const GUID *
static inline int IsEqualGUID(REFGUID one, REFGUID other) { return memcmp(one, other, sizeof(GUID)) == 0; }
#endif

typedef struct _LIST_ENTRY {
    struct _LIST_ENTRY *Flink;
    struct _LIST_ENTRY *Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define INFINITE 0xffffffffU
#define MAX_PATH 260

#define MAXCHAR 0x7f
#define MAXSHORT 0x7fff
#define MAXLONG 0x7fffffff
#define MAXBYTE 0xff
#define MAXWORD 0xffff
#define MAXDWORD 0xffffffffU
#define MAXUINT 0xffffffffU
#define MAXULONG 0xffffffffU
#define MAXINT 0x7fffffff

#endif
