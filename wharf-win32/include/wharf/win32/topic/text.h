/* Text: between UTF-8 and WCHAR, and the `lstr` functions. Every code page is UTF-8 here. */
#ifndef WHARF_WIN32_TEXT_H
#define WHARF_WIN32_TEXT_H

#include "console.h"

#include <strings.h>
#include <wctype.h>

#define MB_PRECOMPOSED 0x1
#define MB_ERR_INVALID_CHARS 0x8
#define WC_NO_BEST_FIT_CHARS 0x400

/* The next character of UTF-8 and how many bytes it takes; a byte that begins none is U+FFFD. */
static inline int wharf_decode(const unsigned char *text, int left, unsigned *character) {
    int more = text[0] < 0x80 ? 0 : text[0] >= 0xc2 && text[0] < 0xe0 ? 1 : (text[0] & 0xf0) == 0xe0 ? 2 : text[0] >= 0xf0 && text[0] < 0xf5 ? 3 : -1;
    *character = more == 0 ? text[0] : text[0] & (0x3fU >> (more > 0 ? more : 0));
    for (int i = 1; i <= more; i++) {
        if (i >= left || (text[i] & 0xc0) != 0x80)
            more = -1;
        else
            *character = *character << 6 | (text[i] & 0x3fU);
    }
    if (more >= 0)
        return more + 1;
    *character = 0xfffd;
    return 1;
}

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

/* Lengths in characters, with the end's 0 if the given length is -1; a size of 0 asks for the length. */
static inline int MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR wide, int size) {
    int from = 0, to = 0, whole = length < 0 ? (int)strlen(text) + 1 : length;
    (void)page;
    (void)flags;
    while (from < whole) {
        unsigned character;
        from += wharf_decode((const unsigned char *)text + from, whole - from, &character);
        if (size > 0 && to >= size) {
            SetLastError(ERROR_INSUFFICIENT_BUFFER);
            return 0;
        }
        if (size > 0)
            wide[to] = (WCHAR)character;
        to++;
    }
    return to;
}

static inline int WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR wide, int length, LPSTR text, int size, LPCSTR other, LPBOOL used) {
    int from, to = 0, whole = length < 0 ? (int)wcslen(wide) + 1 : length;
    (void)page;
    (void)flags;
    (void)other;
    if (used != NULL)
        *used = FALSE;
    for (from = 0; from < whole; from++) {
        char bytes[4];
        int count = wharf_encode((unsigned)wide[from], bytes);
        if (size > 0 && to + count > size) {
            SetLastError(ERROR_INSUFFICIENT_BUFFER);
            return 0;
        }
        if (size > 0)
            memcpy(text + to, bytes, (size_t)count);
        to += count;
    }
    return to;
}

static inline int lstrlenA(LPCSTR text) { return text == NULL ? 0 : (int)strlen(text); }
static inline int lstrlenW(LPCWSTR text) { return text == NULL ? 0 : (int)wcslen(text); }
static inline LPSTR lstrcpyA(LPSTR to, LPCSTR from) { return strcpy(to, from); }
static inline LPWSTR lstrcpyW(LPWSTR to, LPCWSTR from) { return wcscpy(to, from); }
static inline LPSTR lstrcatA(LPSTR to, LPCSTR from) { return strcat(to, from); }
static inline LPWSTR lstrcatW(LPWSTR to, LPCWSTR from) { return wcscat(to, from); }
static inline LPSTR lstrcpynA(LPSTR to, LPCSTR from, int size) {
    snprintf(to, (size_t)size, "%s", from);
    return to;
}
static inline int lstrcmpA(LPCSTR one, LPCSTR other) { return strcmp(one, other); }
static inline int lstrcmpW(LPCWSTR one, LPCWSTR other) { return wcscmp(one, other); }
static inline int lstrcmpiA(LPCSTR one, LPCSTR other) { return strcasecmp(one, other); }

#ifdef UNICODE
#define lstrlen lstrlenW
#define lstrcpy lstrcpyW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#else
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#endif

#endif
