/* A pool of threads without any socket: packets are work, and work posts more work.
 *
 *     ./pool
 *
 * Counts the ways to put eight queens on a chessboard. Each packet is a board with some rows filled; who takes it posts a packet for
 * each place in the next row. The same file is a program for Windows. */
#include <windows.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4, ROWS = 8 };

struct board {
    OVERLAPPED overlapped; /* not used by the port, and its address is the packet's */
    int filled;
    int columns[ROWS];
};

static HANDLE port;
static HANDLE finished;
static volatile LONG solutions;
/* Boards that are posted or worked on. The last one ends the work. */
static volatile LONG unfinished;

static BOOL fits(const struct board *board, int column) {
    int row;
    for (row = 0; row < board->filled; row++) {
        int distance = board->filled - row;
        if (board->columns[row] == column || abs(board->columns[row] - column) == distance)
            return FALSE;
    }
    return TRUE;
}

static void post(struct board *board) {
    InterlockedIncrement(&unfinished);
    PostQueuedCompletionStatus(port, 0, 0, &board->overlapped);
}

static void work_on(const struct board *board) {
    int column;
    if (board->filled == ROWS) {
        InterlockedIncrement(&solutions);
        return;
    }
    for (column = 0; column < ROWS; column++) {
        struct board *next;
        if (!fits(board, column))
            continue;
        next = (struct board *)malloc(sizeof *next);
        if (next == NULL)
            abort();
        *next = *board;
        next->columns[next->filled++] = column;
        post(next);
    }
}

static unsigned __stdcall work(void *argument) {
    (void)argument;
    for (;;) {
        DWORD bytes;
        ULONG_PTR key;
        OVERLAPPED *overlapped = NULL;
        struct board *board;
        if (!GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE) || overlapped == NULL)
            return 0;
        board = CONTAINING_RECORD(overlapped, struct board, overlapped);
        work_on(board);
        free(board);
        if (InterlockedDecrement(&unfinished) == 0)
            SetEvent(finished);
    }
}

int main(void) {
    HANDLE workers[WORKERS];
    int i;
    struct board *empty = (struct board *)calloc(1, sizeof *empty);
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    finished = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (empty == NULL || port == NULL || finished == NULL)
        return 1;
    for (i = 0; i < WORKERS; i++)
        workers[i] = (HANDLE)_beginthreadex(NULL, 0, work, NULL, 0, NULL);
    post(empty);
    WaitForSingleObject(finished, INFINITE);
    printf("%ld ways\n", (long)solutions);
    for (i = 0; i < WORKERS; i++)
        PostQueuedCompletionStatus(port, 0, 0, NULL);
    WaitForMultipleObjects(WORKERS, workers, TRUE, INFINITE);
    for (i = 0; i < WORKERS; i++)
        CloseHandle(workers[i]);
    CloseHandle(finished);
    CloseHandle(port);
    return 0;
}
