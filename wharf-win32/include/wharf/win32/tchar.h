/* Text that is wide if UNICODE is defined: the `_t` names. */
#ifndef WHARF_WIN32_TCHAR_H
#define WHARF_WIN32_TCHAR_H

#include "windows.h"

typedef TCHAR _TCHAR, _TSCHAR;
#ifdef UNICODE
typedef wint_t _TINT;
typedef unsigned int _TUCHAR;
#else
typedef int _TINT;
typedef unsigned char _TUCHAR;
#endif
#define _T(text) TEXT(text)
#define _TEXT(text) TEXT(text)

#ifdef UNICODE
#define _tmain wmain
#define _tprintf wprintf_s
#define _tprintf_s wprintf_s
#define _ftprintf fwprintf_s
#define _ftprintf_s fwprintf_s
#define _vtprintf(format, arguments) vfwprintf_s(stdout, (format), (arguments))
#define _vftprintf vfwprintf_s
#define _stprintf_s swprintf_s
#define _vstprintf_s vswprintf_s
#define _sntprintf _snwprintf
#define _vsntprintf _vsnwprintf
#define _sntprintf_s _snwprintf_s
#define _vsntprintf_s _vsnwprintf_s
#define _stprintf wharf_swprintf
#define _sctprintf _scwprintf
#define _vsctprintf _vscwprintf
#define _itot _itow
#define _itot_s _itow_s
#define _ltot_s _ltow_s
#define _ultot_s _ultow_s
#define _i64tot_s _i64tow_s
#define _tsplitpath _wsplitpath
#define _tsplitpath_s _wsplitpath_s
#define _tmakepath _wmakepath
#define _tmakepath_s _wmakepath_s
#define _tcslen wcslen
#define _tcsnlen wcsnlen_s
#define _tcscpy wcscpy
#define _tcscpy_s wcscpy_s
#define _tcsncpy wcsncpy
#define _tcsncpy_s wcsncpy_s
#define _tcscat wcscat
#define _tcscat_s wcscat_s
#define _tcsncat wcsncat
#define _tcscmp wcscmp
#define _tcsncmp wcsncmp
#define _tcsicmp _wcsicmp
#define _tcsnicmp _wcsnicmp
#define _tcschr wcschr
#define _tcsrchr wcsrchr
#define _tcsstr wcsstr
#define _tcsdup _wcsdup
#define _tcstol wcstol
#define _tcstoul wcstoul
#define _tcstod wcstod
#define _ttoi _wtoi
#define _tstoi _wtoi
#define _ttol(text) wcstol((text), NULL, 10)
#define _istdigit iswdigit
#define _istspace iswspace
#define _istalpha iswalpha
#define _totlower towlower
#define _totupper towupper
#define _fgetts fgetws
#define _fputts fputws
#define _gettc getwc
#define _getts_s _getws_s
#define _putts(text) wprintf_s(L"%s\n", (text))
#define _tcout wcout
#define _tstring wstring
#else
#define _tmain main
#define _tprintf printf_s
#define _tprintf_s printf_s
#define _ftprintf fprintf_s
#define _ftprintf_s fprintf_s
#define _vtprintf(format, arguments) vfprintf_s(stdout, (format), (arguments))
#define _vftprintf vfprintf_s
#define _stprintf_s sprintf_s
#define _vstprintf_s vsprintf_s
#define _sntprintf _snprintf
#define _vsntprintf _vsnprintf
#define _sntprintf_s _snprintf_s
#define _vsntprintf_s _vsnprintf_s
#define _stprintf wharf_sprintf
#define _sctprintf _scprintf
#define _vsctprintf _vscprintf
#define _itot _itoa
#define _itot_s _itoa_s
#define _ltot_s _ltoa_s
#define _ultot_s _ultoa_s
#define _i64tot_s _i64toa_s
#define _tsplitpath _splitpath
#define _tsplitpath_s _splitpath_s
#define _tmakepath _makepath
#define _tmakepath_s _makepath_s
#define _tcslen strlen
#define _tcsnlen strnlen_s
#define _tcscpy strcpy
#define _tcscpy_s strcpy_s
#define _tcsncpy strncpy
#define _tcsncpy_s strncpy_s
#define _tcscat strcat
#define _tcscat_s strcat_s
#define _tcsncat strncat
#define _tcscmp strcmp
#define _tcsncmp strncmp
#define _tcsicmp _stricmp
#define _tcsnicmp _strnicmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcsdup _strdup
#define _tcstol strtol
#define _tcstoul strtoul
#define _tcstod strtod
#define _ttoi atoi
#define _tstoi atoi
#define _ttol atol
#define _istdigit isdigit
#define _istspace isspace
#define _istalpha isalpha
#define _totlower tolower
#define _totupper toupper
#define _fgetts fgets
#define _fputts fputs
#define _gettc getc
#define _getts_s gets_s
#define _putts puts
#define _tcout cout
#define _tstring string
#endif
#define _gettch _getch

#ifdef UNICODE
/* A line of standard input, which may be read by narrow functions as well. */
static inline wchar_t *_getws_s(wchar_t *text, size_t size) {
    char *line = (char *)malloc(size * 4 + 1);
    wchar_t *result = NULL;
    if (line != NULL && gets_s(line, size * 4 + 1) != NULL && MultiByteToWideChar(CP_UTF8, 0, line, -1, text, (int)size) > 0)
        result = text;
    free(line);
    return result;
}
#endif

/* Without a bound, as there; with Microsoft's formats. */
static inline WHARF_VARIADIC(int, wharf_sprintf, (char *to, const char *format, ...), _vsnprintf(to, (size_t)INT_MAX, format, arguments))
static inline WHARF_VARIADIC(int, wharf_swprintf, (wchar_t *to, const wchar_t *format, ...), _vsnwprintf(to, (size_t)INT_MAX, format, arguments))

#endif
