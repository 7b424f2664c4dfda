/* Force-included by wharf-cc and wharf-c++: what Microsoft's compiler knows without a header, and what its headers pull in. */
#ifndef WHARF_MSVC_H
#define WHARF_MSVC_H

/* For a definition among the flags. */
#include "../win32/topic/set_size.h"

#ifdef __cplusplus
/* Microsoft's standard headers include one another more than libstdc++'s do. All of these come before the macros below. */
#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>
#endif
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* glibc's number, so that the program may define its own. */
#undef FD_SETSIZE
#include "../win32/topic/compiler.h"
#include "../win32/topic/crt_rest.h"

#ifdef __cplusplus
#define abstract
#define sealed final
#endif

/* `__try` runs its body, and then what stands behind `__finally`; what stands behind `__except` is never run, as no fault is caught.
 * `__leave` ends the body. After all headers, since libstdc++ has a macro `__try` of its own. */
#ifdef WHARF_TRY
#undef __try
#undef __finally
#undef __except
#undef __leave
#define __try for (int wharf_try = 1; wharf_try; wharf_try = 0)
#define __finally
#define __except(filter) if (0)
#define __leave break
#endif

#endif
