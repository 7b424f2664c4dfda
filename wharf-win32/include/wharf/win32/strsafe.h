/* StringCb (sizes in bytes) and StringCch (in characters): what does not fit is cut, with a 0 behind it. */
#ifndef WHARF_WIN32_STRSAFE_H
#define WHARF_WIN32_STRSAFE_H

#include "windows.h"

typedef char *STRSAFE_LPSTR;
typedef const char *STRSAFE_LPCSTR, *STRSAFE_PCNZCH;
typedef wchar_t *STRSAFE_LPWSTR;
typedef const wchar_t *STRSAFE_LPCWSTR, *STRSAFE_PCNZWCH;

#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057)
#define STRSAFE_E_END_OF_FILE ((HRESULT)0x80070026)

static inline HRESULT wharf_safe(errno_t error) {
    return error == 0 ? S_OK : error == EINVAL ? STRSAFE_E_INVALID_PARAMETER : STRSAFE_E_INSUFFICIENT_BUFFER;
}

#define WHARF_SAFE(letter, character, copy_count, concatenate_count, length_of, print_count)                                                         \
    static inline HRESULT StringCchCopy##letter(character *to, size_t size, const character *from) {                                                \
        return wharf_safe(copy_count(to, size, from, _TRUNCATE));                                                                                    \
    }                                                                                                                                                \
    static inline HRESULT StringCbCopy##letter(character *to, size_t size, const character *from) {                                                 \
        return StringCchCopy##letter(to, size / sizeof(character), from);                                                                            \
    }                                                                                                                                                \
    static inline HRESULT StringCchCat##letter(character *to, size_t size, const character *from) {                                                 \
        return wharf_safe(concatenate_count(to, size, from, _TRUNCATE));                                                                             \
    }                                                                                                                                                \
    static inline HRESULT StringCbCat##letter(character *to, size_t size, const character *from) {                                                  \
        return StringCchCat##letter(to, size / sizeof(character), from);                                                                             \
    }                                                                                                                                                \
    static inline HRESULT StringCchCopyN##letter(character *to, size_t size, const character *from, size_t most) {                                   \
        size_t length = from == NULL ? 0 : length_of(from, most);                                                                                    \
        if (to == NULL || size == 0 || from == NULL)                                                                                                 \
            return STRSAFE_E_INVALID_PARAMETER;                                                                                                      \
        copy_count(to, size, from, length < size ? length : size - 1);                                                                               \
        return length < size ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;                                                                                 \
    }                                                                                                                                                \
    static inline HRESULT StringCbCopyN##letter(character *to, size_t size, const character *from, size_t most) {                                    \
        return StringCchCopyN##letter(to, size / sizeof(character), from, most / sizeof(character));                                                 \
    }                                                                                                                                                \
    static inline HRESULT StringCchCatN##letter(character *to, size_t size, const character *from, size_t most) {                                    \
        size_t length = to == NULL ? size : length_of(to, size);                                                                                     \
        return length == size ? STRSAFE_E_INVALID_PARAMETER : StringCchCopyN##letter(to + length, size - length, from, most);                        \
    }                                                                                                                                                \
    static inline HRESULT StringCbCatN##letter(character *to, size_t size, const character *from, size_t most) {                                     \
        return StringCchCatN##letter(to, size / sizeof(character), from, most / sizeof(character));                                                  \
    }                                                                                                                                                \
    static inline HRESULT StringCchLength##letter(const character *text, size_t most, size_t *length) {                                             \
        size_t count = text == NULL ? most : length_of(text, most);                                                                                  \
        if (length != NULL)                                                                                                                          \
            *length = count < most ? count : 0;                                                                                                      \
        return count < most ? S_OK : STRSAFE_E_INVALID_PARAMETER;                                                                                    \
    }                                                                                                                                                \
    static inline HRESULT StringCbLength##letter(const character *text, size_t most, size_t *length) {                                              \
        HRESULT result = StringCchLength##letter(text, most / sizeof(character), length);                                                            \
        if (length != NULL)                                                                                                                          \
            *length *= sizeof(character);                                                                                                            \
        return result;                                                                                                                               \
    }                                                                                                                                                \
    static inline HRESULT StringCchVPrintf##letter(character *to, size_t size, const character *format, va_list arguments) {                        \
        if (to == NULL || size == 0)                                                                                                                 \
            return STRSAFE_E_INVALID_PARAMETER;                                                                                                      \
        return print_count(to, size, _TRUNCATE, format, arguments) < 0 ? STRSAFE_E_INSUFFICIENT_BUFFER : S_OK;                                       \
    }                                                                                                                                                \
    static inline HRESULT StringCbVPrintf##letter(character *to, size_t size, const character *format, va_list arguments) {                         \
        return StringCchVPrintf##letter(to, size / sizeof(character), format, arguments);                                                            \
    }                                                                                                                                                \
    static inline WHARF_VARIADIC(HRESULT, StringCchPrintf##letter, (character *to, size_t size, const character *format, ...),                       \
                                 StringCchVPrintf##letter(to, size, format, arguments))                                                              \
    static inline WHARF_VARIADIC(HRESULT, StringCbPrintf##letter, (character *to, size_t size, const character *format, ...),                        \
                                 StringCbVPrintf##letter(to, size, format, arguments))
WHARF_SAFE(A, char, strncpy_s, strncat_s, strnlen_s, _vsnprintf_s)
WHARF_SAFE(W, wchar_t, wcsncpy_s, wcsncat_s, wcsnlen_s, _vsnwprintf_s)
#undef WHARF_SAFE

#ifdef UNICODE
#define StringCchCopy StringCchCopyW
#define StringCbCopy StringCbCopyW
#define StringCchCat StringCchCatW
#define StringCbCat StringCbCatW
#define StringCchCopyN StringCchCopyNW
#define StringCbCopyN StringCbCopyNW
#define StringCchCatN StringCchCatNW
#define StringCbCatN StringCbCatNW
#define StringCchLength StringCchLengthW
#define StringCbLength StringCbLengthW
#define StringCchPrintf StringCchPrintfW
#define StringCbPrintf StringCbPrintfW
#define StringCchVPrintf StringCchVPrintfW
#define StringCbVPrintf StringCbVPrintfW
#else
#define StringCchCopy StringCchCopyA
#define StringCbCopy StringCbCopyA
#define StringCchCat StringCchCatA
#define StringCbCat StringCbCatA
#define StringCchCopyN StringCchCopyNA
#define StringCbCopyN StringCbCopyNA
#define StringCchCatN StringCchCatNA
#define StringCbCatN StringCbCatNA
#define StringCchLength StringCchLengthA
#define StringCbLength StringCbLengthA
#define StringCchPrintf StringCchPrintfA
#define StringCbPrintf StringCbPrintfA
#define StringCchVPrintf StringCchVPrintfA
#define StringCbVPrintf StringCbVPrintfA
#endif

#endif
