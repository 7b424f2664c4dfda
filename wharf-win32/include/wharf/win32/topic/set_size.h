/* A program's own FD_SETSIZE, kept before glibc's <sys/select.h> replaces it. Read more than once, until there is one.
 *
 * Behind that header it is the program's own if it is not glibc's number; 1024, which is that, must be defined before it. wharf/msvc/msvc.h
 * takes glibc's away, so that any number is the program's own. */
#if !defined(WHARF_FD_SETSIZE) && defined(FD_SETSIZE) && (!defined(_SYS_SELECT_H) || defined(WHARF_MSVC_H) || FD_SETSIZE != __FD_SETSIZE)
enum { wharf_fd_setsize = FD_SETSIZE };
#define WHARF_FD_SETSIZE ((unsigned)wharf_fd_setsize)
#undef FD_SETSIZE
#endif
