/* Microsoft's functions on files and folders by name, the wide ones too. Names are Linux's: upper and lower case differ, and a backslash
 * separates nothing. Wide names become UTF-8. */
#ifndef WHARF_WIN32_CRT_FILES_H
#define WHARF_WIN32_CRT_FILES_H

#include "crt_text.h"
#include "text.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>

/* The most bytes of a name in UTF-8, with its 0, as Linux's PATH_MAX. */
#define WHARF_NAME_BYTES 4096

/* glibc's, whose header may not have been included, or not be told to declare them. */
#ifndef __THROW
#define __THROW
#endif
WHARF_BEGIN
int access(const char *name, int mode) __THROW;
int rmdir(const char *name) __THROW;
int unlink(const char *name) __THROW;
int chdir(const char *name) __THROW;
char *getcwd(char *name, size_t size) __THROW;
WHARF_END

/* The name in UTF-8, in `room`; NULL, and errno, if it does not fit. */
static inline const char *wharf_name(const wchar_t *name, char room[WHARF_NAME_BYTES]) {
    if (name != NULL && WideCharToMultiByte(CP_UTF8, 0, name, -1, room, WHARF_NAME_BYTES, NULL, NULL) > 0)
        return room;
    errno = name == NULL ? EINVAL : ENAMETOOLONG;
    return NULL;
}

/* A mode with `ccs=...` is taken without that: text is UTF-8, as the wide prints write it. */
static inline FILE *_wfopen(const wchar_t *name, const wchar_t *mode) {
    char name_bytes[WHARF_NAME_BYTES], mode_bytes[WHARF_NAME_BYTES];
    if (wharf_name(name, name_bytes) == NULL || wharf_name(mode, mode_bytes) == NULL)
        return NULL;
    mode_bytes[strcspn(mode_bytes, ",")] = 0;
    return fopen(name_bytes, mode_bytes);
}
static inline errno_t _wfopen_s(FILE **file, const wchar_t *name, const wchar_t *mode) {
    *file = _wfopen(name, mode);
    return *file == NULL ? errno : 0;
}
static inline FILE *_wfsopen(const wchar_t *name, const wchar_t *mode, int sharing) {
    (void)sharing;
    return _wfopen(name, mode);
}

/* Each of one name: `narrow`, and `wide` by it. */
#define WHARF_BY_NAME(narrow, wide, call)                                                                                                            \
    static inline int narrow(const char *name) { return call; }                                                                                     \
    static inline int wide(const wchar_t *wide_name) {                                                                                               \
        char room[WHARF_NAME_BYTES];                                                                                                                 \
        const char *name = wharf_name(wide_name, room);                                                                                              \
        return name == NULL ? -1 : call;                                                                                                             \
    }
WHARF_BY_NAME(_mkdir, _wmkdir, mkdir(name, 0777))
WHARF_BY_NAME(_rmdir, _wrmdir, rmdir(name))
WHARF_BY_NAME(_chdir, _wchdir, chdir(name))
WHARF_BY_NAME(_unlink, _wunlink, unlink(name))
WHARF_BY_NAME(wharf_remove, _wremove, remove(name))
#undef WHARF_BY_NAME
/* Modes 0, 2, 4 and 6 are those of Linux: is there, writable, readable. */
static inline int _access(const char *name, int mode) { return access(name, mode); }
static inline int _waccess(const wchar_t *wide, int mode) {
    char room[WHARF_NAME_BYTES];
    const char *name = wharf_name(wide, room);
    return name == NULL ? -1 : access(name, mode);
}
static inline errno_t _access_s(const char *name, int mode) { return access(name, mode) == 0 ? 0 : errno; }
static inline char *_getcwd(char *name, int size) { return getcwd(name, (size_t)size); }

/* Names of locales are glibc's: `ko_KR.UTF-8`, where Windows has `korean`. What it is called comes back in the room of the thread. */
static inline wchar_t *_wsetlocale(int category, const wchar_t *locale) {
    static __thread wchar_t result[256];
    char room[WHARF_NAME_BYTES];
    const char *name = locale == NULL ? NULL : wharf_name(locale, room);
    if (locale != NULL && name == NULL)
        return NULL;
    name = setlocale(category, name);
    return name != NULL && MultiByteToWideChar(CP_UTF8, 0, name, -1, result, 256) > 0 ? result : NULL;
}

#ifdef __cplusplus
/* Without a mode, as in Microsoft's direct.h. */
inline int mkdir(const char *name) { return _mkdir(name); }
#endif

#endif
