/* Formats with Microsoft's meanings, for the functions of crt_print.h.
 *
 * `%I64d` is a `long long`; `%ld` has 32 bits, as LONG and DWORD have; `%S` is text of the other kind; in a wide format `%s` is wide. */
#ifndef WHARF_WIN32_CRT_FORMAT_H
#define WHARF_WIN32_CRT_FORMAT_H

#include "text.h"

/* Writes glibc's way to say one conversion, of which `from` is what follows the width and the precision; returns what it took of it. */
#define WHARF_CONVERSION(name, character, wide)                                                                                                      \
    static inline size_t name(const character *from, character *to, size_t *length) {                                                               \
        size_t taken = 0;                                                                                                                            \
        int half = 0, longs = 0, size = 0;                                                                                                           \
        for (;;) {                                                                                                                                   \
            if (from[taken] == 'I' && from[taken + 1] == '6' && from[taken + 2] == '4')                                                             \
                longs = 2, taken += 3;                                                                                                               \
            else if (from[taken] == 'I' && from[taken + 1] == '3' && from[taken + 2] == '2')                                                        \
                taken += 3;                                                                                                                          \
            else if (from[taken] == 'I' || from[taken] == 'z' || from[taken] == 't' || from[taken] == 'j')                                          \
                size = 1, taken++;                                                                                                                   \
            else if (from[taken] == 'h')                                                                                                             \
                half++, taken++;                                                                                                                     \
            else if (from[taken] == 'l' || from[taken] == 'w')                                                                                      \
                longs++, taken++;                                                                                                                    \
            else                                                                                                                                     \
                break;                                                                                                                               \
        }                                                                                                                                            \
        character kind = from[taken];                                                                                                                \
        if (kind == 's' || kind == 'S' || kind == 'c' || kind == 'C') {                                                                              \
            int is_wide = half ? 0 : longs ? 1 : (kind == 's' || kind == 'c') ? (wide) : !(wide);                                                    \
            if (is_wide)                                                                                                                             \
                to[(*length)++] = 'l';                                                                                                               \
            to[(*length)++] = (kind == 's' || kind == 'S') ? 's' : 'c';                                                                              \
            return taken + 1;                                                                                                                        \
        }                                                                                                                                            \
        if (size)                                                                                                                                    \
            to[(*length)++] = 'z';                                                                                                                   \
        for (; half > 0; half--)                                                                                                                     \
            to[(*length)++] = 'h';                                                                                                                   \
        if (longs > 1)                                                                                                                               \
            to[(*length)++] = 'l', to[(*length)++] = 'l';                                                                                            \
        if (kind == '\0')                                                                                                                            \
            return taken;                                                                                                                            \
        to[(*length)++] = kind;                                                                                                                      \
        return taken + 1;                                                                                                                            \
    }
WHARF_CONVERSION(wharf_conversion, char, 0)
WHARF_CONVERSION(wharf_conversion_wide, wchar_t, 1)
#undef WHARF_CONVERSION

/* The whole format for glibc, to be freed. It is never longer than one and a half times the given one and 4. */
#define WHARF_FORMAT(name, character, conversion, length_of)                                                                                         \
    static inline character *name(const character *format) {                                                                                         \
        size_t length = 0;                                                                                                                           \
        character *result = (character *)malloc((length_of(format) * 2 + 4) * sizeof(character));                                                   \
        if (result == NULL)                                                                                                                          \
            return NULL;                                                                                                                             \
        while (*format != '\0') {                                                                                                                    \
            result[length++] = *format;                                                                                                              \
            if (*format++ != '%')                                                                                                                    \
                continue;                                                                                                                            \
            if (*format == '%') {                                                                                                                    \
                result[length++] = *format++;                                                                                                        \
                continue;                                                                                                                            \
            }                                                                                                                                        \
            while (*format != '\0' && (unsigned)*format < 128 && strchr("-+ #0123456789.*", (int)*format) != NULL)                                            \
                result[length++] = *format++;                                                                                                        \
            format += conversion(format, result, &length);                                                                                           \
        }                                                                                                                                            \
        result[length] = '\0';                                                                                                                       \
        return result;                                                                                                                               \
    }
WHARF_FORMAT(wharf_format, char, wharf_conversion, strlen)
WHARF_FORMAT(wharf_format_wide, wchar_t, wharf_conversion_wide, wcslen)
#undef WHARF_FORMAT

/* What a format gives, as text to be freed, and its length; NULL if it gives none. */
static inline char *wharf_print(const char *format, va_list arguments, int *length) {
    va_list again;
    char *text = NULL, *ours = wharf_format(format);
    va_copy(again, arguments);
    *length = ours == NULL ? -1 : vsnprintf(NULL, 0, ours, again);
    va_end(again);
    if (*length >= 0)
        text = (char *)malloc((size_t)*length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)*length + 1, ours, arguments);
    free(ours);
    return text;
}

/* The same in wide characters: vswprintf does not tell how many it needs, so the room is doubled until they fit. */
static inline wchar_t *wharf_print_wide(const wchar_t *format, va_list arguments, int *length) {
    size_t room;
    wchar_t *text = NULL, *ours = wharf_format_wide(format);
    *length = -1;
    for (room = 256; ours != NULL && *length < 0 && room <= (1U << 24); room *= 2) {
        va_list again;
        free(text);
        text = (wchar_t *)malloc(room * sizeof(wchar_t));
        if (text == NULL)
            break;
        va_copy(again, arguments);
        *length = vswprintf(text, room, ours, again);
        va_end(again);
    }
    free(ours);
    if (*length >= 0)
        return text;
    free(text);
    return NULL;
}

#endif
