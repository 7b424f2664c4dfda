// A chat: what one client says, every other one hears, with its number in front.
//
//     ./server [port]
//
// Sends are queued for each client, one is under way at a time, and who takes nothing is let go. A line on standard input stops the
// server. The same file is a program for Windows.
#include <winsock2.h>
#include <windows.h>
#include <process.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>

namespace {

constexpr int workers_count = 2;
constexpr size_t waiting_max = 1024 * 1024; // bytes that a client may leave untaken
constexpr size_t message_cost = 64;         // what a message takes beside its bytes

class Lock {
public:
    explicit Lock(CRITICAL_SECTION &section) : section(section) { EnterCriticalSection(&section); }
    ~Lock() { LeaveCriticalSection(&section); }
    Lock(const Lock &) = delete;
    Lock &operator=(const Lock &) = delete;

private:
    CRITICAL_SECTION &section;
};

struct Client;

// An operation keeps its client alive until its packet is taken.
struct Operation : OVERLAPPED {
    bool sends = false;
    std::shared_ptr<Client> client;
};

struct Client {
    int number = 0;
    SOCKET socket = INVALID_SOCKET;
    Operation receiving, sending;
    char buffer[4096] = {};
    std::deque<std::string> waiting; // the first is under way if `busy`
    size_t waiting_size = 0;         // of all of them
    bool busy = false;
};

HANDLE port;
SOCKET listener;
CRITICAL_SECTION section; // of all below
std::map<int, std::shared_ptr<Client>> room;
int last_number;
int under_way; // operations whose packets have not been taken
bool stopping;
HANDLE all_taken;

void clear(OVERLAPPED &overlapped) { std::memset(static_cast<void *>(&overlapped), 0, sizeof(OVERLAPPED)); }

bool begun(int result) { return result == 0 || WSAGetLastError() == WSA_IO_PENDING; }

bool begin_receive(const std::shared_ptr<Client> &client) {
    WSABUF part = {sizeof client->buffer, client->buffer};
    DWORD flags = 0;
    clear(client->receiving);
    client->receiving.client = client;
    under_way++;
    if (begun(WSARecv(client->socket, &part, 1, nullptr, &flags, &client->receiving, nullptr)))
        return true;
    under_way--;
    client->receiving.client.reset();
    return false;
}

bool begin_send(const std::shared_ptr<Client> &client) {
    std::string &text = client->waiting.front();
    WSABUF part = {static_cast<ULONG>(text.size()), &text[0]};
    clear(client->sending);
    client->sending.sends = true;
    client->sending.client = client;
    client->busy = begun(WSASend(client->socket, &part, 1, nullptr, 0, &client->sending, nullptr));
    if (client->busy)
        under_way++;
    else
        client->sending.client.reset();
    return client->busy;
}

// What is still under way gives its packet, and then the client is gone.
void leave(const std::shared_ptr<Client> &client) {
    if (room.erase(client->number) == 0)
        return;
    closesocket(client->socket);
    std::printf("%d leaves\n", client->number);
    std::fflush(stdout);
}

void tell_others(const Client &speaker, const std::string &text) {
    std::map<int, std::shared_ptr<Client>> listeners = room;
    for (auto &entry : listeners) {
        const std::shared_ptr<Client> &client = entry.second;
        if (client->number == speaker.number)
            continue;
        client->waiting.push_back(text);
        client->waiting_size += text.size() + message_cost;
        if (client->waiting_size > waiting_max || (!client->busy && !begin_send(client)))
            leave(client);
    }
}

void received(const std::shared_ptr<Client> &client, DWORD bytes) {
    tell_others(*client, std::to_string(client->number) + ": " + std::string(client->buffer, bytes));
    if (!begin_receive(client))
        leave(client);
}

void sent(const std::shared_ptr<Client> &client, DWORD bytes) {
    std::string &text = client->waiting.front();
    client->busy = false;
    text.erase(0, bytes);
    client->waiting_size -= bytes;
    if (text.empty()) {
        client->waiting.pop_front();
        client->waiting_size -= message_cost;
    }
    if (!client->waiting.empty() && !begin_send(client))
        leave(client);
}

unsigned __stdcall work(void *) {
    for (;;) {
        DWORD bytes = 0;
        ULONG_PTR key = 0;
        OVERLAPPED *overlapped = nullptr;
        BOOL ok = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE);
        if (overlapped == nullptr)
            return 0;
        Lock lock(section);
        auto *operation = static_cast<Operation *>(overlapped);
        std::shared_ptr<Client> client = std::move(operation->client);
        if (!ok || bytes == 0 || room.count(client->number) == 0)
            leave(client);
        else if (operation->sends)
            sent(client, bytes);
        else
            received(client, bytes);
        if (--under_way == 0 && stopping)
            SetEvent(all_taken);
    }
}

// Whether an accept has failed for a while only: all sockets are in use until a client leaves, or this client has left already.
bool accepts_again() {
    switch (WSAGetLastError()) {
    case WSAEMFILE:
    case WSAENOBUFS:
        Sleep(10);
        return true;
    case WSAECONNRESET:
        return true;
    }
    return false;
}

unsigned __stdcall accept_clients(void *) {
    for (;;) {
        SOCKET socket = ::accept(listener, nullptr, nullptr);
        if (socket == INVALID_SOCKET && accepts_again())
            continue;
        if (socket == INVALID_SOCKET)
            return 0; // the listener is closed
        auto client = std::make_shared<Client>();
        client->socket = socket;
        CreateIoCompletionPort(reinterpret_cast<HANDLE>(socket), port, 0, 0);
        Lock lock(section);
        client->number = ++last_number;
        room[client->number] = client;
        std::printf("%d comes\n", client->number);
        std::fflush(stdout);
        if (!begin_receive(client))
            leave(client);
    }
}

bool start_listening(u_short number) {
    sockaddr_in address = {};
    int length = sizeof address;
    listener = ::socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(number);
    if (::bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 || ::listen(listener, SOMAXCONN) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) != 0)
        return false;
    std::printf("listening on port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return true;
}

// Those who are still here leave; `all_taken` tells when their last packets have been taken.
void stop_talking() {
    Lock lock(section);
    stopping = true;
    while (!room.empty())
        leave(std::shared_ptr<Client>(room.begin()->second));
    if (under_way == 0)
        SetEvent(all_taken);
}

} // namespace

int main(int argc, char **argv) {
    WSADATA data;
    HANDLE threads[workers_count + 1];
    char line[80];
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    InitializeCriticalSection(&section);
    all_taken = CreateEventA(nullptr, TRUE, FALSE, nullptr);
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    if (!start_listening(static_cast<u_short>(argc > 1 ? std::atoi(argv[1]) : 9000))) {
        std::fprintf(stderr, "the server does not start: error %d\n", WSAGetLastError());
        return 1;
    }
    for (int i = 0; i < workers_count; i++)
        threads[i] = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, 0, work, nullptr, 0, nullptr));
    threads[workers_count] = reinterpret_cast<HANDLE>(_beginthreadex(nullptr, 0, accept_clients, nullptr, 0, nullptr));
    if (std::fgets(line, sizeof line, stdin) == nullptr)
        std::puts("end of input");
    closesocket(listener);
    WaitForSingleObject(threads[workers_count], INFINITE);
    stop_talking();
    WaitForSingleObject(all_taken, INFINITE);
    for (int i = 0; i < workers_count; i++)
        PostQueuedCompletionStatus(port, 0, 0, nullptr);
    WaitForMultipleObjects(workers_count, threads, TRUE, INFINITE);
    for (HANDLE thread : threads)
        CloseHandle(thread);
    CloseHandle(port);
    CloseHandle(all_taken);
    DeleteCriticalSection(&section);
    WSACleanup();
    std::puts("stopped");
    return 0;
}
