/* Text: between code pages and WCHAR, and the `lstr` functions. CP_ACP is UTF-8 here. */
#ifndef WHARF_WIN32_TEXT_H
#define WHARF_WIN32_TEXT_H

#include "console.h"

#include <strings.h>
#include <wctype.h>

#define MB_PRECOMPOSED 0x1
#define MB_ERR_INVALID_CHARS 0x8
#define WC_ERR_INVALID_CHARS 0x80
#define WC_NO_BEST_FIT_CHARS 0x400

/* A character in UTF-8, in up to four bytes; returns how many. */
static inline int wharf_encode(unsigned character, char *text) {
    int more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    if (more == 0) {
        text[0] = (char)character;
        return 1;
    }
    text[0] = (char)((0xf00U >> more & 0xf0U) | character >> 6 * more);
    for (int i = 1; i <= more; i++)
        text[i] = (char)(0x80U | (character >> 6 * (more - i) & 0x3fU));
    return more + 1;
}

WHARF_BEGIN

/* Lengths in characters, with the end's 0 if the given length is -1; a size of 0 asks for the length. */
int WINAPI MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR wide, int size);
int WINAPI WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR wide, int length, LPSTR text, int size, LPCSTR other, LPBOOL used);
int WINAPI lstrlenA(LPCSTR text);
int WINAPI lstrlenW(LPCWSTR text);

WHARF_END

static inline LPSTR lstrcpyA(LPSTR to, LPCSTR from) { return strcpy(to, from); }
static inline LPWSTR lstrcpyW(LPWSTR to, LPCWSTR from) { return wcscpy(to, from); }
static inline LPSTR lstrcatA(LPSTR to, LPCSTR from) { return strcat(to, from); }
static inline LPWSTR lstrcatW(LPWSTR to, LPCWSTR from) { return wcscat(to, from); }
static inline LPSTR lstrcpynA(LPSTR to, LPCSTR from, int size) {
    snprintf(to, (size_t)size, "%s", from);
    return to;
}
static inline LPWSTR lstrcpynW(LPWSTR to, LPCWSTR from, int size) {
    int at = 0;
    for (; at + 1 < size && from[at] != 0; at++)
        to[at] = from[at];
    if (size > 0)
        to[at] = 0;
    return to;
}
static inline int lstrcmpA(LPCSTR one, LPCSTR other) { return strcmp(one, other); }
static inline int lstrcmpW(LPCWSTR one, LPCWSTR other) { return wcscmp(one, other); }
static inline int lstrcmpiA(LPCSTR one, LPCSTR other) { return strcasecmp(one, other); }
static inline int lstrcmpiW(LPCWSTR one, LPCWSTR other) {
    while (*one != 0 && towlower((wint_t)*one) == towlower((wint_t)*other))
        one++, other++;
    return (int)towlower((wint_t)*one) - (int)towlower((wint_t)*other);
}

#ifdef UNICODE
#define lstrlen lstrlenW
#define lstrcpy lstrcpyW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#define lstrcpyn lstrcpynW
#define lstrcmpi lstrcmpiW
#else
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#endif

#endif
