/* Microsoft's functions on text: the secure ones, and those with an underscore.
 *
 * What does not fit: the text is left empty and ERANGE is returned; there the program is ended. */
#ifndef WHARF_WIN32_CRT_TEXT_H
#define WHARF_WIN32_CRT_TEXT_H

#include "types.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <wctype.h>

typedef int errno_t;
typedef size_t rsize_t;
#ifndef _TRUNCATE
#define _TRUNCATE ((size_t)-1)
#endif
#ifndef STRUNCATE
#define STRUNCATE 80
#endif

/* Copies behind what is there already: `count` characters at most, all of them if it is _TRUNCATE - 1. */
#define WHARF_COPIERS(character, length_of, append, copy, copy_count, concatenate, concatenate_count)                                                \
    static inline errno_t append(character *to, size_t size, size_t at, const character *from, size_t count) {                                      \
        size_t length = 0;                                                                                                                           \
        if (to == NULL || size == 0 || at >= size)                                                                                                  \
            return EINVAL;                                                                                                                           \
        if (from == NULL) {                                                                                                                          \
            to[0] = 0;                                                                                                                               \
            return EINVAL;                                                                                                                           \
        }                                                                                                                                            \
        while (length < count && length < size - at && from[length] != 0)                                                                           \
            length++;                                                                                                                                \
        if (length < size - at) {                                                                                                                    \
            memmove(to + at, from, length * sizeof(character));                                                                                      \
            to[at + length] = 0;                                                                                                                     \
            return 0;                                                                                                                                \
        }                                                                                                                                            \
        if (count == _TRUNCATE) {                                                                                                                    \
            memmove(to + at, from, (size - at - 1) * sizeof(character));                                                                             \
            to[size - 1] = 0;                                                                                                                        \
            return STRUNCATE;                                                                                                                        \
        }                                                                                                                                            \
        to[0] = 0;                                                                                                                                   \
        return ERANGE;                                                                                                                               \
    }                                                                                                                                                \
    static inline errno_t copy(character *to, size_t size, const character *from) { return append(to, size, 0, from, _TRUNCATE - 1); }              \
    static inline errno_t copy_count(character *to, size_t size, const character *from, size_t count) {                                             \
        return append(to, size, 0, from, count);                                                                                                     \
    }                                                                                                                                                \
    static inline errno_t concatenate(character *to, size_t size, const character *from) {                                                          \
        return to == NULL ? EINVAL : append(to, size, length_of(to, size), from, _TRUNCATE - 1);                                                    \
    }                                                                                                                                                \
    static inline errno_t concatenate_count(character *to, size_t size, const character *from, size_t count) {                                      \
        return to == NULL ? EINVAL : append(to, size, length_of(to, size), from, count);                                                            \
    }
static inline size_t strnlen_s(const char *text, size_t most) {
    const void *end = text == NULL ? NULL : memchr(text, 0, most);
    return text == NULL ? 0 : end == NULL ? most : (size_t)((const char *)end - text);
}
static inline size_t wcsnlen_s(const wchar_t *text, size_t most) {
    size_t length = 0;
    while (text != NULL && length < most && text[length] != 0)
        length++;
    return length;
}
WHARF_COPIERS(char, strnlen_s, wharf_append, strcpy_s, strncpy_s, strcat_s, strncat_s)
WHARF_COPIERS(wchar_t, wcsnlen_s, wharf_append_wide, wcscpy_s, wcsncpy_s, wcscat_s, wcsncat_s)
#undef WHARF_COPIERS

static inline errno_t memcpy_s(void *to, size_t size, const void *from, size_t count) {
    if (count == 0)
        return 0;
    if (to == NULL)
        return EINVAL;
    if (from == NULL || size < count) {
        memset(to, 0, size);
        return from == NULL ? EINVAL : ERANGE;
    }
    memcpy(to, from, count);
    return 0;
}
static inline errno_t memmove_s(void *to, size_t size, const void *from, size_t count) {
    if (count == 0)
        return 0;
    if (to == NULL || from == NULL)
        return EINVAL;
    if (size < count)
        return ERANGE;
    memmove(to, from, count);
    return 0;
}

static inline int _stricmp(const char *one, const char *other) { return strcasecmp(one, other); }
static inline int _strnicmp(const char *one, const char *other, size_t count) { return strncasecmp(one, other, count); }
static inline int _wcsnicmp(const wchar_t *one, const wchar_t *other, size_t count) {
    for (; count > 0; one++, other++, count--) {
        wint_t left = towlower((wint_t)*one), right = towlower((wint_t)*other);
        if (left != right || left == 0)
            return left < right ? -1 : left > right;
    }
    return 0;
}
static inline int _wcsicmp(const wchar_t *one, const wchar_t *other) { return _wcsnicmp(one, other, (size_t)-1); }
static inline int _memicmp(const void *one, const void *other, size_t count) {
    const unsigned char *left = (const unsigned char *)one, *right = (const unsigned char *)other;
    for (; count > 0; left++, right++, count--) {
        if (tolower(*left) != tolower(*right))
            return tolower(*left) - tolower(*right);
    }
    return 0;
}
#define stricmp _stricmp
#define strcmpi _stricmp
#define _strcmpi _stricmp
#define strnicmp _strnicmp
#define wcsicmp _wcsicmp

static inline char *_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = (char *)malloc(size);
    return copy == NULL ? NULL : (char *)memcpy(copy, text, size);
}
static inline wchar_t *_wcsdup(const wchar_t *text) {
    size_t size = (wcslen(text) + 1) * sizeof(wchar_t);
    wchar_t *copy = (wchar_t *)malloc(size);
    return copy == NULL ? NULL : (wchar_t *)memcpy(copy, text, size);
}
static inline char *_strlwr(char *text) {
    for (char *at = text; *at != 0; at++)
        *at = (char)tolower((unsigned char)*at);
    return text;
}
static inline char *_strupr(char *text) {
    for (char *at = text; *at != 0; at++)
        *at = (char)toupper((unsigned char)*at);
    return text;
}
static inline char *_strrev(char *text) {
    size_t left = 0, right = strlen(text);
    while (left + 1 < right) {
        char last = text[--right];
        text[right] = text[left];
        text[left++] = last;
    }
    return text;
}

/* strtok_r by another name, since C99 alone does not have it. */
static inline char *strtok_s(char *text, const char *separators, char **rest) {
    if (text == NULL)
        text = *rest;
    text += strspn(text, separators);
    if (*text == 0) {
        *rest = text;
        return NULL;
    }
    *rest = text + strcspn(text, separators);
    if (**rest != 0)
        *(*rest)++ = 0;
    return text;
}

/* Numbers to text. Only base 10 has a sign. */
static inline char *_ui64toa(unsigned long long number, char *text, int base) {
    char digits[65];
    int count = 0, i;
    do {
        digits[count++] = "0123456789abcdefghijklmnopqrstuvwxyz"[number % (unsigned)base];
        number /= (unsigned)base;
    } while (number != 0);
    for (i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    text[count] = 0;
    return text;
}
static inline char *_i64toa(long long number, char *text, int base) {
    if (number >= 0 || base != 10)
        return _ui64toa((unsigned long long)number, text, base);
    text[0] = '-';
    _ui64toa(0ULL - (unsigned long long)number, text + 1, base);
    return text;
}
static inline char *_itoa(int number, char *text, int base) {
    return base == 10 ? _i64toa(number, text, base) : _ui64toa((unsigned)number, text, base);
}
static inline char *_ltoa(long number, char *text, int base) { return base == 10 ? _i64toa(number, text, base) : _itoa((int)number, text, base); }
static inline char *_ultoa(unsigned long number, char *text, int base) { return _ui64toa(number, text, base); }
/* The same into room of a known size, and in wide characters; of each type of number. */
static inline wchar_t *wharf_widen_digits(wchar_t *to, const char *from) {
    size_t at = 0;
    do
        to[at] = (wchar_t)from[at];
    while (from[at++] != 0);
    return to;
}
#define WHARF_DIGITS(type, name, name_secure, wide, wide_secure)                                                                                     \
    static inline errno_t name_secure(type number, char *text, size_t size, int base) {                                                             \
        char digits[66];                                                                                                                             \
        return strcpy_s(text, size, name(number, digits, base));                                                                                     \
    }                                                                                                                                                \
    static inline wchar_t *wide(type number, wchar_t *text, int base) {                                                                             \
        char digits[66];                                                                                                                             \
        return wharf_widen_digits(text, name(number, digits, base));                                                                                 \
    }                                                                                                                                                \
    static inline errno_t wide_secure(type number, wchar_t *text, size_t size, int base) {                                                          \
        wchar_t digits[66];                                                                                                                          \
        return wcscpy_s(text, size, wide(number, digits, base));                                                                                     \
    }
WHARF_DIGITS(int, _itoa, _itoa_s, _itow, _itow_s)
WHARF_DIGITS(long, _ltoa, _ltoa_s, _ltow, _ltow_s)
WHARF_DIGITS(unsigned long, _ultoa, _ultoa_s, _ultow, _ultow_s)
WHARF_DIGITS(long long, _i64toa, _i64toa_s, _i64tow, _i64tow_s)
WHARF_DIGITS(unsigned long long, _ui64toa, _ui64toa_s, _ui64tow, _ui64tow_s)
#undef WHARF_DIGITS
static inline long long _atoi64(const char *text) { return strtoll(text, NULL, 10); }
#define _strtoi64 strtoll
#define _strtoui64 strtoull
static inline int _wtoi(const wchar_t *text) { return (int)wcstol(text, NULL, 10); }

/* Text of the one kind to the other, in the encoding of the program's locale. `converted` is with the 0, `count` the most without it; to
 * NULL, only the room is told. */
#define WHARF_CONVERTER(name, convert, character, other)                                                                                             \
    static inline errno_t name(size_t *converted, character *to, size_t size, const other *from, size_t count) {                                    \
        size_t length = from == NULL ? 0 : convert(NULL, from, 0);                                                                                   \
        errno_t status = 0;                                                                                                                          \
        if (converted != NULL)                                                                                                                       \
            *converted = 0;                                                                                                                          \
        if (to != NULL && size > 0)                                                                                                                  \
            to[0] = 0;                                                                                                                               \
        if (from == NULL || (to == NULL) != (size == 0))                                                                                            \
            return EINVAL;                                                                                                                           \
        if (length == (size_t)-1)                                                                                                                    \
            return EILSEQ;                                                                                                                           \
        if (to != NULL) {                                                                                                                            \
            size_t most = length < count ? length : count;                                                                                           \
            if (most >= size && count != _TRUNCATE)                                                                                                  \
                return ERANGE;                                                                                                                       \
            status = most >= size ? STRUNCATE : 0;                                                                                                   \
            length = convert(to, from, most >= size ? size - 1 : most);                                                                              \
            to[length] = 0;                                                                                                                          \
        }                                                                                                                                            \
        if (converted != NULL)                                                                                                                       \
            *converted = length + 1;                                                                                                                 \
        return status;                                                                                                                               \
    }
WHARF_CONVERTER(mbstowcs_s, mbstowcs, wchar_t, char)
WHARF_CONVERTER(wcstombs_s, wcstombs, char, wchar_t)
#undef WHARF_CONVERTER

#ifdef __cplusplus
/* The size of an array need not be said. */
template <size_t size>
inline errno_t strcpy_s(char (&to)[size], const char *from) {
    return strcpy_s(to, size, from);
}
template <size_t size>
inline errno_t strncpy_s(char (&to)[size], const char *from, size_t count) {
    return strncpy_s(to, size, from, count);
}
template <size_t size>
inline errno_t strcat_s(char (&to)[size], const char *from) {
    return strcat_s(to, size, from);
}
template <size_t size>
inline errno_t strncat_s(char (&to)[size], const char *from, size_t count) {
    return strncat_s(to, size, from, count);
}
template <size_t size>
inline errno_t wcscpy_s(wchar_t (&to)[size], const wchar_t *from) {
    return wcscpy_s(to, size, from);
}
template <size_t size>
inline errno_t wcscat_s(wchar_t (&to)[size], const wchar_t *from) {
    return wcscat_s(to, size, from);
}
template <size_t size>
inline errno_t wcsncpy_s(wchar_t (&to)[size], const wchar_t *from, size_t count) {
    return wcsncpy_s(to, size, from, count);
}
template <size_t size>
inline errno_t _itoa_s(int number, char (&to)[size], int base) {
    return _itoa_s(number, to, size, base);
}
template <size_t size>
inline errno_t _itow_s(int number, wchar_t (&to)[size], int base) {
    return _itow_s(number, to, size, base);
}
template <size_t size>
inline errno_t mbstowcs_s(size_t *converted, wchar_t (&to)[size], const char *from, size_t count) {
    return mbstowcs_s(converted, to, size, from, count);
}
template <size_t size>
inline errno_t wcstombs_s(size_t *converted, char (&to)[size], const wchar_t *from, size_t count) {
    return wcstombs_s(converted, to, size, from, count);
}
#endif

#endif
