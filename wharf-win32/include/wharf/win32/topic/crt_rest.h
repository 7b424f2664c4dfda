/* What else Microsoft's C library has: time, files, input, threads by `_beginthreadex`. */
#ifndef WHARF_WIN32_CRT_REST_H
#define WHARF_WIN32_CRT_REST_H

#include "crt_files.h"
#include "crt_paths.h"
#include "crt_print.h"
#include "crt_text.h"
#include "overloads.h"
#include "threads.h"

#include <time.h>

WHARF_BEGIN

uintptr_t _beginthreadex(void *security, unsigned stack, unsigned(__stdcall *start)(void *), void *argument, unsigned flags, unsigned *id);
void _endthreadex(unsigned code);
uintptr_t _beginthread(void(__cdecl *start)(void *), unsigned stack, void *argument);
void _endthread(void);
/* A key without its echo; without a terminal, the next byte of standard input. */
int _getch(void);
/* Whether a key waits. */
int _kbhit(void);

#ifndef __cplusplus
/* glibc's, which C99 and C11 alone do not declare. */
struct tm *localtime_r(const time_t *time, struct tm *parts);
struct tm *gmtime_r(const time_t *time, struct tm *parts);
char *ctime_r(const time_t *time, char *text);
int fileno(FILE *stream);
#endif

WHARF_END

#define getch _getch
#define kbhit _kbhit

/* The arguments stand the other way round than C11's. */
static inline errno_t localtime_s(struct tm *parts, const time_t *time) { return localtime_r(time, parts) == NULL ? EINVAL : 0; }
static inline errno_t gmtime_s(struct tm *parts, const time_t *time) { return gmtime_r(time, parts) == NULL ? EINVAL : 0; }
static inline errno_t ctime_s(char *text, size_t size, const time_t *time) {
    char room[64];
    return ctime_r(time, room) == NULL ? EINVAL : strcpy_s(text, size, room);
}
/* The time of day as `hh:mm:ss`, the day as `mm/dd/yy`. */
static inline errno_t wharf_clock_text(char *text, size_t size, const char *format) {
    struct tm parts;
    time_t now = time(NULL);
    if (text == NULL || size < 9 || localtime_r(&now, &parts) == NULL)
        return EINVAL;
    return strftime(text, size, format, &parts) == 8 ? 0 : EINVAL;
}
static inline errno_t _strtime_s(char *text, size_t size) { return wharf_clock_text(text, size, "%H:%M:%S"); }
static inline errno_t _strdate_s(char *text, size_t size) { return wharf_clock_text(text, size, "%m/%d/%y"); }
static inline char *_strtime(char *text) { return _strtime_s(text, 9) == 0 ? text : NULL; }
static inline char *_strdate(char *text) { return _strdate_s(text, 9) == 0 ? text : NULL; }
typedef time_t __time64_t;
#define _time64 time
#define _localtime64_s localtime_s

static inline errno_t fopen_s(FILE **file, const char *name, const char *mode) {
    *file = fopen(name, mode);
    return *file == NULL ? errno : 0;
}
/* `sharing` is what other processes may do with the file meanwhile: here always all. */
static inline FILE *_fsopen(const char *name, const char *mode, int sharing) {
    (void)sharing;
    return fopen(name, mode);
}
static inline char *gets_s(char *text, size_t size) {
    if (fgets(text, (int)size, stdin) == NULL)
        return NULL;
    text[strcspn(text, "\n")] = 0;
    return text;
}
static inline errno_t rand_s(unsigned *number) {
    FILE *random = fopen("/dev/urandom", "rb");
    size_t got = random == NULL ? 0 : fread(number, sizeof(*number), 1, random);
    if (random != NULL)
        fclose(random);
    return got == 1 ? 0 : EIO;
}
/* Numbers are read as by scanf; a `%s` of it needs its size behind it there, so text has to be read by other means. */
#define scanf_s scanf
#define sscanf_s sscanf
#define fscanf_s fscanf

/* A block whose address is a multiple of `alignment`, a power of two. */
static inline void *_aligned_malloc(size_t size, size_t alignment) {
    char *block;
    size_t room = alignment < sizeof(void *) ? sizeof(void *) : alignment;
    char *whole = (char *)malloc(size + room + sizeof(void *));
    if (whole == NULL)
        return NULL;
    /* The address of the whole is kept in front of the block. */
    block = (char *)(((uintptr_t)whole + sizeof(void *) + room - 1) & ~(uintptr_t)(room - 1));
    memcpy(block - sizeof(void *), &whole, sizeof(void *));
    return block;
}
static inline void _aligned_free(void *block) {
    void *whole = NULL;
    if (block != NULL)
        memcpy(&whole, (char *)block - sizeof(void *), sizeof(void *));
    free(whole);
}

#define _fileno fileno
#define _getpid GetCurrentProcessId
static inline short GetAsyncKeyState(int key) {
    (void)key;
    return 0;
}

#ifdef __cplusplus
template <class Id, wharf_if_long<Id> = 0>
inline uintptr_t _beginthreadex(void *security, unsigned stack, unsigned (*start)(void *), void *argument, unsigned flags, Id *id) {
    wharf_copy<unsigned, Id> number(id);
    return _beginthreadex(security, stack, start, argument, flags, number.address());
}
template <size_t size>
inline char *gets_s(char (&text)[size]) {
    return gets_s(text, size);
}
#endif

#endif
