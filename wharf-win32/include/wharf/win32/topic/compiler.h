/* Keywords of Microsoft's compilers, and the words that its headers put before and behind declarations. */
#ifndef WHARF_WIN32_COMPILER_H
#define WHARF_WIN32_COMPILER_H

#if defined(_WIN32) && !defined(__linux__)
#error "These headers give Linux the names of Windows. Windows has its own: leave this folder out there."
#endif
#if !defined(__x86_64__) && !defined(__aarch64__)
#error "wharf-win32 is for 64-bit programs."
#endif

#include "set_size.h"

#ifdef __cplusplus
#define WHARF_BEGIN extern "C" {
#define WHARF_END }
#else
#define WHARF_BEGIN
#define WHARF_END
#endif

/* A function whose name glibc has as well is another symbol: no program that is linked with us gets ours by mistake. */
#define WHARF_NAME(name) __asm__("wharf_w32_" #name)

/* Calling conventions are those of Linux. */
#ifndef __cdecl
#define __cdecl
#define __stdcall
#define __fastcall
#define __thiscall
#define __vectorcall
#define __clrcall
#endif
#define _cdecl
#define _stdcall
#define WINAPI
#define WINAPIV
#define WSAAPI
#define APIENTRY
#define APIPRIVATE
#define CALLBACK
#define PASCAL
#define NTAPI
#define WINBASEAPI
#define WINUSERAPI
#define WINSOCK_API_LINKAGE
#define NTSYSAPI
#define FAR
#define NEAR
#define far
#define near
#define CONST const
#define IN
#define OUT
#define OPTIONAL
#define UNALIGNED
#define __unaligned
#define __ptr64
#define __ptr32
#define __w64
#define EXTERN_C_START WHARF_BEGIN
#define EXTERN_C_END WHARF_END
#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
#define STDMETHODCALLTYPE

/* `unsigned __int64` must be a type too: so these are macros. */
#ifndef __int64
#define __int8 char
#define __int16 short
#define __int32 int
#define __int64 long long
#endif

#ifndef __forceinline
#define __forceinline inline __attribute__((always_inline))
#endif
#ifndef _MSC_VER
#ifndef __cplusplus
#define _inline inline
#endif
#endif
#define FORCEINLINE static inline
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(64)
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define DECLSPEC_IMPORT
#define DECLSPEC_SELECTANY __attribute__((weak))
#define MEMORY_ALLOCATION_ALIGNMENT 16

/* `__declspec(word)` is looked up as WHARF_DECLSPEC_word. */
#undef __declspec
#define __declspec(word) WHARF_DECLSPEC_##word
#define WHARF_DECLSPEC_dllexport __attribute__((visibility("default")))
#define WHARF_DECLSPEC_dllimport
#define WHARF_DECLSPEC_thread __thread
#define WHARF_DECLSPEC_align(n) __attribute__((aligned(n)))
#define WHARF_DECLSPEC_noinline __attribute__((noinline))
#define WHARF_DECLSPEC_noreturn __attribute__((noreturn))
#define WHARF_DECLSPEC_nothrow __attribute__((nothrow))
#define WHARF_DECLSPEC_selectany __attribute__((weak))
#define WHARF_DECLSPEC_deprecated __attribute__((deprecated))
#define WHARF_DECLSPEC_novtable
#define WHARF_DECLSPEC_restrict
#define WHARF_DECLSPEC_noalias
#define WHARF_DECLSPEC_naked
#define WHARF_DECLSPEC_uuid(text)
#define WHARF_DECLSPEC_allocate(section)
#define WHARF_DECLSPEC_code_seg(section)

#define __debugbreak() __builtin_trap()
#define DebugBreak() __builtin_trap()
#define __assume(condition) ((void)((condition) || (__builtin_unreachable(), 0)))
#define __noop(...) ((void)0)
#define UNREFERENCED_PARAMETER(name) ((void)(name))
#define DBG_UNREFERENCED_PARAMETER(name) ((void)(name))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(name) ((void)(name))
#define C_ASSERT(condition) typedef char wharf_c_assert[(condition) ? 1 : -1] __attribute__((unused))

#endif
