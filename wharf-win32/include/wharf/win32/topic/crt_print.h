/* Microsoft's printf family: the secure ones, those with an underscore, and the wide ones. Formats have Microsoft's meanings (crt_format.h).
 *
 * What does not fit: the secure ones leave an empty text and return -1; there they end the program. */
#ifndef WHARF_WIN32_CRT_PRINT_H
#define WHARF_WIN32_CRT_PRINT_H

#include "crt_format.h"
#include "crt_text.h"

/* A function of `...` behind `format`: it makes `call`, of which `arguments` are these. */
#define WHARF_VARIADIC(type, name, parameters, call)                                                                                                 \
    type name parameters {                                                                                                                           \
        va_list arguments;                                                                                                                           \
        type result;                                                                                                                                 \
        va_start(arguments, format);                                                                                                                 \
        result = call;                                                                                                                               \
        va_end(arguments);                                                                                                                           \
        return result;                                                                                                                               \
    }

/* `vsprintf_s` and `_vsnprintf` and the rest of them, once for each kind of character. `count` is the most that is wanted, without the 0. */
#define WHARF_PRINTERS(character, print, secure, secure_count, plain)                                                                                \
    static inline int v##secure_count(character *to, size_t size, size_t count, const character *format, va_list arguments) {                       \
        int length;                                                                                                                                  \
        character *text = print(format, arguments, &length);                                                                                         \
        size_t wanted = text == NULL ? 0 : (size_t)length < count ? (size_t)length : count;                                                         \
        int cut = text == NULL || (size_t)length > count;                                                                                            \
        if (to == NULL || size == 0) {                                                                                                               \
            free(text);                                                                                                                              \
            return -1;                                                                                                                               \
        }                                                                                                                                            \
        if (wanted >= size && count == _TRUNCATE)                                                                                                    \
            wanted = size - 1, cut = 1;                                                                                                              \
        if (wanted >= size)                                                                                                                          \
            wanted = 0, cut = 1;                                                                                                                     \
        if (wanted > 0)                                                                                                                              \
            memcpy(to, text, wanted * sizeof(character));                                                                                            \
        to[wanted] = 0;                                                                                                                              \
        free(text);                                                                                                                                  \
        return cut ? -1 : length;                                                                                                                    \
    }                                                                                                                                                \
    static inline int v##secure(character *to, size_t size, const character *format, va_list arguments) {                                           \
        return v##secure_count(to, size, _TRUNCATE - 1, format, arguments);                                                                          \
    }                                                                                                                                                \
    static inline int v##plain(character *to, size_t size, const character *format, va_list arguments) {                                            \
        int length;                                                                                                                                  \
        character *text = print(format, arguments, &length);                                                                                         \
        if (text == NULL)                                                                                                                            \
            return -1;                                                                                                                               \
        if (to != NULL && size > 0)                                                                                                                  \
            memcpy(to, text, ((size_t)length < size ? (size_t)length + 1 : size) * sizeof(character));                                              \
        free(text);                                                                                                                                  \
        return (size_t)length <= size ? length : -1;                                                                                                 \
    }                                                                                                                                                \
    static inline WHARF_VARIADIC(int, secure, (character *to, size_t size, const character *format, ...), v##secure(to, size, format, arguments))    \
    static inline WHARF_VARIADIC(int, secure_count, (character *to, size_t size, size_t count, const character *format, ...),                        \
                                 v##secure_count(to, size, count, format, arguments))                                                                \
    static inline WHARF_VARIADIC(int, plain, (character *to, size_t size, const character *format, ...), v##plain(to, size, format, arguments))
/* The names with an underscore in front can't be made by pasting: wharf_... first, then the names. */
WHARF_PRINTERS(char, wharf_print, sprintf_s, wharf_snprintf_s, wharf_snprintf)
WHARF_PRINTERS(wchar_t, wharf_print_wide, swprintf_s, wharf_snwprintf_s, wharf_snwprintf)
#undef WHARF_PRINTERS
#define _snprintf wharf_snprintf
#define _vsnprintf vwharf_snprintf
#define _snprintf_s wharf_snprintf_s
#define _vsnprintf_s vwharf_snprintf_s
#define vsnprintf_s vwharf_snprintf_s
#define _snwprintf wharf_snwprintf
#define _vsnwprintf vwharf_snwprintf
#define _snwprintf_s wharf_snwprintf_s
#define _vsnwprintf_s vwharf_snwprintf_s

/* How long the text would be, without the 0. */
static inline int _vscprintf(const char *format, va_list arguments) {
    int length;
    free(wharf_print(format, arguments, &length));
    return length;
}
static inline int _vscwprintf(const wchar_t *format, va_list arguments) {
    int length;
    free(wharf_print_wide(format, arguments, &length));
    return length;
}
static inline WHARF_VARIADIC(int, _scprintf, (const char *format, ...), _vscprintf(format, arguments))
static inline WHARF_VARIADIC(int, _scwprintf, (const wchar_t *format, ...), _vscwprintf(format, arguments))

/* To a stream. The wide ones write UTF-8, so that wide and narrow output may be mixed as they may there. */
static inline int vfprintf_s(FILE *stream, const char *format, va_list arguments) {
    int length;
    char *text = wharf_print(format, arguments, &length);
    if (text == NULL)
        return -1;
    length = fwrite(text, 1, (size_t)length, stream) == (size_t)length ? length : -1;
    free(text);
    return length;
}
static inline int vfwprintf_s(FILE *stream, const wchar_t *format, va_list arguments) {
    int length, i;
    size_t count = 0, written = 1;
    wchar_t *text = wharf_print_wide(format, arguments, &length);
    char *bytes = text == NULL ? NULL : (char *)malloc((size_t)length * 4 + 1);
    if (bytes != NULL) {
        for (i = 0; i < length; i++)
            count += (size_t)wharf_encode((unsigned)text[i], bytes + count);
        written = fwrite(bytes, 1, count, stream);
    }
    free(bytes);
    free(text);
    return written == count ? length : -1;
}
static inline WHARF_VARIADIC(int, printf_s, (const char *format, ...), vfprintf_s(stdout, format, arguments))
static inline WHARF_VARIADIC(int, wprintf_s, (const wchar_t *format, ...), vfwprintf_s(stdout, format, arguments))
static inline WHARF_VARIADIC(int, fprintf_s, (FILE *stream, const char *format, ...), vfprintf_s(stream, format, arguments))
static inline WHARF_VARIADIC(int, fwprintf_s, (FILE *stream, const wchar_t *format, ...), vfwprintf_s(stream, format, arguments))

/* Of `user32`: at most 1,024 characters. */
static inline int wsprintfA(LPSTR to, LPCSTR format, ...) {
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vwharf_snprintf_s(to, 1025, 1024, format, arguments);
    va_end(arguments);
    return length < 0 ? (int)strlen(to) : length;
}
static inline int wsprintfW(LPWSTR to, LPCWSTR format, ...) {
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = vwharf_snwprintf_s(to, 1025, 1024, format, arguments);
    va_end(arguments);
    return length < 0 ? (int)wcslen(to) : length;
}
#ifdef UNICODE
#define wsprintf wsprintfW
#else
#define wsprintf wsprintfA
#endif

#ifdef __cplusplus
/* The size of an array need not be said. */
template <size_t size>
inline int vsprintf_s(char (&to)[size], const char *format, va_list arguments) {
    return vsprintf_s(to, size, format, arguments);
}
template <size_t size>
inline int vswprintf_s(wchar_t (&to)[size], const wchar_t *format, va_list arguments) {
    return vswprintf_s(to, size, format, arguments);
}
template <size_t size>
inline WHARF_VARIADIC(int, sprintf_s, (char (&to)[size], const char *format, ...), vsprintf_s(to, size, format, arguments))
template <size_t size>
inline WHARF_VARIADIC(int, swprintf_s, (wchar_t (&to)[size], const wchar_t *format, ...), vswprintf_s(to, size, format, arguments))
template <size_t size>
inline WHARF_VARIADIC(int, wharf_snprintf_s, (char (&to)[size], size_t count, const char *format, ...),
                      vwharf_snprintf_s(to, size, count, format, arguments))
template <size_t size>
inline int vwharf_snprintf_s(char (&to)[size], size_t count, const char *format, va_list arguments) {
    return vwharf_snprintf_s(to, size, count, format, arguments);
}
template <size_t size>
inline WHARF_VARIADIC(int, wharf_snwprintf_s, (wchar_t (&to)[size], size_t count, const wchar_t *format, ...),
                      vwharf_snwprintf_s(to, size, count, format, arguments))
template <size_t size>
inline int vwharf_snwprintf_s(wchar_t (&to)[size], size_t count, const wchar_t *format, va_list arguments) {
    return vwharf_snwprintf_s(to, size, count, format, arguments);
}
#endif

#endif
