// Must compile, in C++11 to C++20 and with UNICODE or without: what programs pass that is one type on Windows and several here, names of
// glibc and of the standard library beside ours, and headers in any order. It is not run.
#include <algorithm>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <Windows.h>
#include <WinSock2.h>
#include <MSWSock.h>
#include <process.h>
#include <tchar.h>
#include <concurrent_queue.h>
#include <dbghelp.h>
#include <intrin.h>
#include <new.h>
#include <psapi.h>
#include <random>
#include <regex>
// Of another ABI: nothing of them is seen.
#include <netdb.h>
#include <sys/socket.h>

using namespace std;

struct Record {
    OVERLAPPED overlapped;
    int number;
    virtual ~Record() {}
};

class Named {
public:
    void send(int) {}
    void bind() {}
    void select(int, int, int, int, int) {}
    int accept() { return 1; }
    int s_number = 0;
};

static DWORD WINAPI start(LPVOID) { return 0; }
static unsigned __stdcall start_too(void *) { return 0; }

static void counts_and_keys(HANDLE port, SOCKET s) {
    WSABUF buffer = {0, nullptr};
    OVERLAPPED *overlapped = nullptr;
    DWORD count = 0, key32 = 0;
    unsigned long count_too = 0;
    ULONG_PTR key = 0;
    unsigned long long key64 = 0;
    size_t key_of_size = 0;
    void *pointer = nullptr;
    WSASend(s, &buffer, 1, NULL, 0, NULL, NULL);
    WSASend(s, &buffer, 1, nullptr, 0, nullptr, nullptr);
    WSASend(s, &buffer, 1, &count, 0, NULL, NULL);
    WSASend(s, &buffer, 1, &count_too, 0, NULL, NULL);
    WSARecv(s, &buffer, 1, NULL, &count, NULL, NULL);
    WSARecv(s, &buffer, 1, NULL, &count_too, NULL, NULL);
    WSARecv(s, &buffer, 1, &count, &count_too, NULL, NULL);
    WSARecv(s, &buffer, 1, &count_too, &count, NULL, NULL);
    WSARecv(s, &buffer, 1, &count_too, &count_too, NULL, NULL);
    GetQueuedCompletionStatus(port, &count, &key, &overlapped, INFINITE);
    GetQueuedCompletionStatus(port, &count, &key32, &overlapped, INFINITE);
    GetQueuedCompletionStatus(port, &count, &key64, &overlapped, INFINITE);
    GetQueuedCompletionStatus(port, &count_too, &key_of_size, &overlapped, INFINITE);
    GetQueuedCompletionStatus(port, &count, (PULONG_PTR)&pointer, &overlapped, INFINITE);
    GetQueuedCompletionStatus(port, &count, (LPDWORD)&pointer, &overlapped, INFINITE);
    ioctlsocket(s, FIONBIO, &count_too);
    u_long on = 1;
    ioctlsocket(s, FIONBIO, &on);
    ioctlsocket(s, FIONBIO, (u_long *)&count);
}

static void threads() {
    DWORD id = 0;
    unsigned long id_too = 0;
    unsigned id_as_unsigned = 0;
    CreateThread(NULL, 0, start, NULL, 0, NULL);
    CreateThread(0, 0, start, 0, 0, 0);
    CreateThread(nullptr, 0, start, nullptr, 0, &id);
    CreateThread(NULL, 0, start, NULL, 0, &id_too);
    CreateThread(NULL, 0, [](LPVOID) -> DWORD { return 0; }, NULL, 0, NULL);
    _beginthreadex(NULL, 0, start_too, NULL, 0, NULL);
    _beginthreadex(NULL, 0, start_too, NULL, 0, &id_as_unsigned);
    long number = 0;
    LONG number32 = 0;
    int64_t number64 = 0;
    InterlockedIncrement(&number);
    InterlockedExchangeAdd(&number32, -1);
    InterlockedCompareExchange(&id, 1, 0);
    InterlockedIncrement64(&number64);
}

static void addresses(SOCKET s) {
    sockaddr_in address;
    int length = sizeof address;
    socklen_t length_too = sizeof address;
    char name[256];
    fd_set readable;
    struct fd_set writable;
    address.sin_addr.s_addr = INADDR_ANY;
    address.sin_addr.S_un.S_addr = htonl(INADDR_ANY);
    ::bind(s, (SOCKADDR *)&address, sizeof address);
    accept(s, (sockaddr *)&address, &length);
    accept(s, (sockaddr *)&address, &length_too);
    accept(s, NULL, NULL);
    getsockname(s, (sockaddr *)&address, &length_too);
    gethostname(name, sizeof name);
    gethostname(name, 256);
    FD_ZERO(&readable);
    FD_SET(s, &readable);
    FD_ZERO(&writable);
    select(0, &readable, NULL, NULL, NULL);
    select(0, &readable, &writable, 0, 0);
    static_assert(sizeof readable.fd_array == 64 * sizeof(SOCKET), "as on Windows");
}

int main() {
    TCHAR text[32];
    Record record;
    Named named;
    LARGE_INTEGER large;
    Concurrency::concurrent_queue<int> queue;
    auto bound = std::bind(&Named::bind, named);
    counts_and_keys(NULL, 3);
    threads();
    addresses(3);
    bound();
    named.select(1, 2, 3, 4, 5);
    named.send(named.accept());
    _tcscpy_s(text, _T("text"));
    _stprintf_s(text, _T("%d"), 1);
    _stprintf_s(text, 32, _T("%d"), 1);
    _stprintf_s(text, _countof(text), _T("%s"), _T("x"));
    CONTAINING_RECORD(&record.overlapped, Record, overlapped)->number = 3;
    large.QuadPart = min(1, 2L) + max(1u, 3ul) + std::min(1, 2) + min<int>(3, 4);
    queue.push((int)large.LowPart);
    thread([] {}).join();
    return 0;
}

// Handlers of faults build; none is ever called.
static LONG WINAPI write_dump(EXCEPTION_POINTERS *fault) {
    MINIDUMP_EXCEPTION_INFORMATION information = {GetCurrentThreadId(), fault, FALSE};
    MiniDumpWriteDump(GetCurrentProcess(), GetCurrentProcessId(), NULL, MiniDumpNormal, &information, NULL, NULL);
    return EXCEPTION_EXECUTE_HANDLER;
}

unsigned long long monitor(const char *format, ...) {
    char text[64];
    PROCESS_MEMORY_COUNTERS_EX memory;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf_s(text, 32, format, arguments);
    va_end(arguments);
    va_start(arguments, format);
    vsnprintf_s(text, sizeof text, _TRUNCATE, format, arguments);
    va_end(arguments);
    SetUnhandledExceptionFilter(write_dump);
    GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&memory, sizeof memory);
    return __rdtsc();
}
