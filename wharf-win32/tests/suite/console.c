/* Rule 20: handlers for Ctrl-C; and what a program asks of the system: texts of errors, memory, dates. */
#include "suite.h"
#include <conio.h>

static HANDLE heard;
static volatile LONG order, first_said, second_said, heard_event, heard_in;
static volatile BOOL second_handles;
static BOOL WINAPI first_handler(DWORD event) {
    first_said = InterlockedIncrement(&order);
    heard_event = (LONG)event;
    heard_in = (LONG)GetCurrentThreadId();
    SetEvent(heard);
    return TRUE;
}
static BOOL WINAPI second_handler(DWORD event) {
    second_said = InterlockedIncrement(&order);
    heard_event = (LONG)event;
    if (second_handles)
        SetEvent(heard);
    return second_handles;
}

static void nothing_said(void) {
    order = 0;
    first_said = 0;
    second_said = 0;
}

static void handlers_are_called_last_first_on_a_thread_of_their_own(void) {
    NOT_JUDGED_UNDER_WINE("without a window it has no console to send an event to");
    heard = new_event(FALSE);
    CHECK(SetConsoleCtrlHandler(first_handler, TRUE));
    CHECK(SetConsoleCtrlHandler(second_handler, TRUE));
    nothing_said();
    second_handles = FALSE;
    CHECK(GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    EQUAL(second_said, 1);
    EQUAL(first_said, 2);
    EQUAL(heard_event, CTRL_BREAK_EVENT);
    CHECK((DWORD)heard_in != GetCurrentThreadId());

    nothing_said();
    second_handles = TRUE;
    CHECK(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    EQUAL(second_said, 1);
    EQUAL(first_said, 0);
    EQUAL(heard_event, CTRL_C_EVENT);

    CHECK(SetConsoleCtrlHandler(second_handler, FALSE));
    CHECK(!SetConsoleCtrlHandler(second_handler, FALSE));
    nothing_said();
    CHECK(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    EQUAL(first_said, 1);
}

static void ctrl_c_can_be_ignored_and_ctrl_break_not(void) {
    NOT_JUDGED_UNDER_WINE("without a window it has no console to send an event to");
    CHECK(SetConsoleCtrlHandler(NULL, TRUE));
    CHECK(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SILENCE), WAIT_TIMEOUT);
    CHECK(GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    CHECK(SetConsoleCtrlHandler(NULL, FALSE));
    CHECK(GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0));
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
}

#ifdef __linux__
static void signals_are_events(void) {
    raise(SIGINT);
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    EQUAL(heard_event, CTRL_C_EVENT);
    raise(SIGQUIT);
    EQUAL(WaitForSingleObject(heard, SOON), WAIT_OBJECT_0);
    EQUAL(heard_event, CTRL_BREAK_EVENT);
}
#endif

#ifdef __linux__
/* Standard input is a pipe: what the C library has read of it ahead are keys as well as what is in the pipe yet. */
static void no_key_of_a_pipe_is_lost(void) {
    int ends[2], before = dup(0);
    CHECK(before >= 0 && pipe(ends) == 0);
    CHECK(dup2(ends[0], 0) == 0);
    EQUAL(_kbhit(), 0);
    EQUAL(write(ends[1], "abcd", 4), 4);
    CHECK(_kbhit());
    EQUAL(_getch(), 'a');
    CHECK(_kbhit());
    EQUAL(getchar(), 'b');
    CHECK(_kbhit());
    EQUAL(_getch(), 'c');
    EQUAL(_getch(), 'd');
    EQUAL(_kbhit(), 0);
    EQUAL(write(ends[1], "e", 1), 1);
    CHECK(_kbhit());
    EQUAL(_getch(), 'e');
    close(ends[1]);
    EQUAL(_kbhit(), 0);
    EQUAL(_getch(), EOF);
    CHECK(dup2(before, 0) == 0);
    clearerr(stdin);
    close(before);
    close(ends[0]);
}
#endif

static void an_error_has_a_text(void) {
    char text[256], *allocated = NULL;
    DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, ERROR_INVALID_HANDLE, 0, text, sizeof text, NULL);
    CHECK(length > 2 && length == strlen(text));
    EQUAL(text[length - 1], '\n');
    EQUAL(text[length - 2], '\r');
    EQUAL(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, ERROR_INVALID_HANDLE, 0, text, 5, NULL), 0);
    EQUAL(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    length = FormatMessageA(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, WSAECONNRESET, 0,
                            (LPSTR)&allocated, 0, NULL);
    CHECK(length > 2 && length == strlen(allocated));
    CHECK(LocalFree(allocated) == NULL);
}

static void a_heap_knows_its_blocks(void) {
    HANDLE heap = HeapCreate(0, 0, 0);
    unsigned char *block = (unsigned char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 10);
    CHECK(heap != NULL && block != NULL);
    EQUAL(block[9], 0);
    EQUAL(HeapSize(heap, 0, block), 10);
    block = (unsigned char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, 10000);
    CHECK(block != NULL);
    EQUAL(HeapSize(heap, 0, block), 10000);
    EQUAL(block[10], 0);
    EQUAL(block[9999], 0);
    CHECK(HeapFree(heap, 0, block));
    CHECK(HeapDestroy(heap));
    CHECK(HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 0, 0)));
}

static void pages_are_reserved_and_committed(void) {
    char *pages = (char *)VirtualAlloc(NULL, 300000, MEM_RESERVE, PAGE_READWRITE);
    CHECK(pages != NULL);
    EQUAL((ULONG_PTR)pages % 65536, 0);
    CHECK(VirtualAlloc(pages + 4096, 100, MEM_COMMIT, PAGE_READWRITE) == pages + 4096);
    EQUAL(pages[4096], 0);
    pages[8191] = 1;
    CHECK(!VirtualFree(pages, 300000, MEM_RELEASE));
    CHECK(VirtualFree(pages, 0, MEM_RELEASE));
    pages = (char *)VirtualAlloc(NULL, 5, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    CHECK(pages != NULL);
    pages[4095] = 1;
    CHECK(VirtualFree(pages, 0, MEM_RELEASE));
}

static void dates_are_times_and_back(void) {
    SYSTEMTIME leap, back;
    FILETIME time;
    memset(&leap, 0, sizeof leap);
    leap.wYear = 2000;
    leap.wMonth = 2;
    leap.wDay = 29;
    leap.wHour = 23;
    leap.wMilliseconds = 999;
    CHECK(SystemTimeToFileTime(&leap, &time));
    CHECK(FileTimeToSystemTime(&time, &back));
    /* It was a Tuesday. */
    leap.wDayOfWeek = 2;
    CHECK(memcmp(&leap, &back, sizeof leap) == 0);
    NOT_JUDGED_UNDER_WINE("Wine takes the 29th of February of 1900");
    leap.wYear = 1900;
    CHECK(!SystemTimeToFileTime(&leap, &time));
    EQUAL(GetLastError(), ERROR_INVALID_PARAMETER);
}

static const struct test tests[] = {
    TEST("20", handlers_are_called_last_first_on_a_thread_of_their_own),
    TEST("20", ctrl_c_can_be_ignored_and_ctrl_break_not),
#ifdef __linux__
    TEST("20", signals_are_events),
    TEST("20", no_key_of_a_pipe_is_lost),
#endif
    TEST("20", an_error_has_a_text),
    TEST("20", a_heap_knows_its_blocks),
    TEST("20", pages_are_reserved_and_committed),
    TEST("20", dates_are_times_and_back),
};
SUITE(tests)
