/* Everything of this layer: as on Windows, one header has the port, sockets, threads, locks, time and the console. */
#ifndef WHARF_WIN32_WINDOWS_H
#define WHARF_WIN32_WINDOWS_H

#include "topic/macros.h"
#include "topic/handles.h"
#include "topic/port.h"
#include "topic/waits.h"
#include "topic/threads.h"
#include "topic/locks.h"
#include "topic/interlocked.h"
#include "topic/slist.h"
#include "topic/clocks.h"
#include "topic/system.h"
#include "topic/files.h"
#include "topic/console.h"
#include "topic/exceptions.h"
#include "topic/text.h"
#include "topic/modules.h"
#include "topic/socket_extensions.h"
#include "topic/select.h"
#include "topic/crt_print.h"
#include "topic/crt_text.h"
#include "topic/crt_rest.h"

#endif
