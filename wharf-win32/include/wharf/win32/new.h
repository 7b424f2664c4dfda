/* Microsoft's name for <new>. */
#ifndef WHARF_WIN32_NEW_H
#define WHARF_WIN32_NEW_H

#ifdef __cplusplus
#include <new>
#endif

#endif
