/* Microsoft's functions on the names of files. Both slashes separate; what is put together gets a backslash, as there. */
#ifndef WHARF_WIN32_CRT_PATHS_H
#define WHARF_WIN32_CRT_PATHS_H

#include "crt_text.h"

#ifndef _MAX_PATH
#define _MAX_PATH 260
#define _MAX_DRIVE 3
#define _MAX_DIR 256
#define _MAX_FNAME 256
#define _MAX_EXT 256
#endif

/* A part that nobody asks for is NULL, with a size of 0. What does not fit leaves all parts empty. */
#define WHARF_PATHS(character, copy_count, split, split_secure, make, make_secure)                                                                   \
    static inline errno_t split_secure(const character *path, character *drive, size_t drive_size, character *folder, size_t folder_size,           \
                                       character *name, size_t name_size, character *ending, size_t ending_size) {                                   \
        character *const places[4] = {drive, folder, name, ending};                                                                                  \
        const size_t sizes[4] = {drive_size, folder_size, name_size, ending_size};                                                                   \
        size_t ends[5] = {0, 0, 0, 0, 0}, at;                                                                                                       \
        errno_t status = path == NULL ? EINVAL : 0;                                                                                                  \
        int part;                                                                                                                                    \
        if (path != NULL) {                                                                                                                          \
            while (path[ends[4]] != 0)                                                                                                               \
                ends[4]++;                                                                                                                           \
            ends[1] = ends[2] = ends[4] > 1 && path[1] == ':' ? 2 : 0;                                                                               \
            ends[3] = ends[4];                                                                                                                       \
            for (at = ends[1]; at < ends[4]; at++) {                                                                                                \
                if (path[at] == '/' || path[at] == '\\')                                                                                            \
                    ends[2] = at + 1, ends[3] = ends[4];                                                                                             \
                else if (path[at] == '.')                                                                                                            \
                    ends[3] = at;                                                                                                                    \
            }                                                                                                                                        \
        }                                                                                                                                            \
        for (part = 0; part < 4 && status == 0; part++) {                                                                                           \
            if (places[part] != NULL)                                                                                                                \
                status = copy_count(places[part], sizes[part], path + ends[part], ends[part + 1] - ends[part]);                                      \
        }                                                                                                                                            \
        for (part = 0; part < 4 && status != 0; part++) {                                                                                           \
            if (places[part] != NULL && sizes[part] > 0)                                                                                             \
                places[part][0] = 0;                                                                                                                 \
        }                                                                                                                                            \
        return status;                                                                                                                               \
    }                                                                                                                                                \
    static inline void split(const character *path, character *drive, character *folder, character *name, character *ending) {                     \
        split_secure(path, drive, _MAX_DRIVE, folder, _MAX_DIR, name, _MAX_FNAME, ending, _MAX_EXT);                                                 \
    }                                                                                                                                                \
    static inline errno_t make_secure(character *path, size_t size, const character *drive, const character *folder, const character *name,         \
                                      const character *ending) {                                                                                     \
        const character *const parts[4] = {drive, folder, name, ending};                                                                             \
        size_t length = 0, at;                                                                                                                       \
        int part;                                                                                                                                    \
        if (path == NULL || size == 0)                                                                                                              \
            return EINVAL;                                                                                                                           \
        for (part = 0; part < 4; part++) {                                                                                                          \
            const character *text = parts[part];                                                                                                     \
            character last = 0, between = 0;                                                                                                         \
            if (text == NULL || text[0] == 0)                                                                                                       \
                continue;                                                                                                                            \
            if (part == 3 && text[0] != '.' && length + 1 < size)                                                                                   \
                path[length++] = '.';                                                                                                                \
            for (at = 0; text[at] != 0 && (part > 0 || at == 0) && length < size; at++)                                                             \
                path[length++] = last = text[at];                                                                                                    \
            between = part == 0 ? ':' : part == 1 && last != '/' && last != '\\' ? '\\' : 0;                                                        \
            if (between != 0 && length < size)                                                                                                      \
                path[length++] = between;                                                                                                            \
        }                                                                                                                                            \
        path[length < size ? length : 0] = 0;                                                                                                        \
        return length < size ? 0 : ERANGE;                                                                                                           \
    }                                                                                                                                                \
    static inline void make(character *path, const character *drive, const character *folder, const character *name, const character *ending) {     \
        make_secure(path, _MAX_PATH, drive, folder, name, ending);                                                                                   \
    }
WHARF_PATHS(char, strncpy_s, _splitpath, _splitpath_s, _makepath, _makepath_s)
WHARF_PATHS(wchar_t, wcsncpy_s, _wsplitpath, _wsplitpath_s, _wmakepath, _wmakepath_s)
#undef WHARF_PATHS

#ifdef __cplusplus
/* The sizes of arrays need not be said. */
template <size_t drive_size, size_t folder_size, size_t name_size, size_t ending_size>
inline errno_t _splitpath_s(const char *path, char (&drive)[drive_size], char (&folder)[folder_size], char (&name)[name_size],
                            char (&ending)[ending_size]) {
    return _splitpath_s(path, drive, drive_size, folder, folder_size, name, name_size, ending, ending_size);
}
template <size_t drive_size, size_t folder_size, size_t name_size, size_t ending_size>
inline errno_t _wsplitpath_s(const wchar_t *path, wchar_t (&drive)[drive_size], wchar_t (&folder)[folder_size], wchar_t (&name)[name_size],
                             wchar_t (&ending)[ending_size]) {
    return _wsplitpath_s(path, drive, drive_size, folder, folder_size, name, name_size, ending, ending_size);
}
template <size_t size>
inline errno_t _makepath_s(char (&path)[size], const char *drive, const char *folder, const char *name, const char *ending) {
    return _makepath_s(path, size, drive, folder, name, ending);
}
template <size_t size>
inline errno_t _wmakepath_s(wchar_t (&path)[size], const wchar_t *drive, const wchar_t *folder, const wchar_t *name, const wchar_t *ending) {
    return _wmakepath_s(path, size, drive, folder, name, ending);
}
#endif

#endif
