/* Microsoft's C library, as far as servers use it. Where a buffer is too small, Microsoft's ends the program, so that is not asked
 * under Wine. */
#include "suite.h"

#include <conio.h>
#include <direct.h>
#include <io.h>
#include <stdarg.h>
#include <tchar.h>
/* Behind tchar.h, as there; and what it deprecates there is tested here too. */
#define STRSAFE_NO_DEPRECATE
#include <strsafe.h>
#include <time.h>

static void secure_text_is_copied(void) {
    char text[16];
    EQUAL(strcpy_s(text, sizeof text, "hello"), 0);
    EQUAL(strcat_s(text, sizeof text, " you"), 0);
    EQUAL(strcmp(text, "hello you"), 0);
    EQUAL(strncpy_s(text, sizeof text, "abcdef", 3), 0);
    EQUAL(strcmp(text, "abc"), 0);
    EQUAL(strncpy_s(text, 4, "abcdef", _TRUNCATE), STRUNCATE);
    EQUAL(strcmp(text, "abc"), 0);
    EQUAL(memcpy_s(text, sizeof text, "xyz", 4), 0);
    EQUAL(strcmp(text, "xyz"), 0);
    EQUAL(strnlen_s(text, sizeof text), 3);
}

static void what_does_not_fit_is_refused(void) {
    char text[4] = "abc";
    NOT_JUDGED_UNDER_WINE("Microsoft's functions end the program");
    EQUAL(strcpy_s(text, sizeof text, "hello"), 34);
    EQUAL(text[0], 0);
    EQUAL(sprintf_s(text, sizeof text, "%d", 12345), -1);
    EQUAL(text[0], 0);
}

static void formats_are_microsofts(void) {
    char text[128];
    wchar_t wide[64];
    EQUAL(sprintf_s(text, sizeof text, "%I64d %I64x", 1234567890123LL, 255LL), 16);
    EQUAL(strcmp(text, "1234567890123 ff"), 0);
    EQUAL(sprintf_s(text, sizeof text, "%lu %d", (unsigned long)7, -1), 4);
    EQUAL(sprintf_s(text, sizeof text, "%S %hs %5.1f%%", L"wide", "narrow", 2.25), 18);
    EQUAL(memcmp(text, "wide narrow   2.", 16), 0);
    EQUAL(swprintf_s(wide, 64, L"%s %S %d", L"wide", "narrow", 3), 13);
    EQUAL(wcscmp(wide, L"wide narrow 3"), 0);
}

static void counted_prints_have_no_end_if_it_does_not_fit(void) {
    char text[8];
    memset(text, 'x', sizeof text);
    EQUAL(_snprintf(text, 4, "%s", "abcdef"), -1);
    EQUAL(memcmp(text, "abcdx", 5), 0);
    EQUAL(_snprintf(text, 4, "%s", "wxyz"), 4);
    EQUAL(memcmp(text, "wxyzx", 5), 0);
    EQUAL(_snprintf(text, sizeof text, "%s", "ab"), 2);
    EQUAL(strcmp(text, "ab"), 0);
    EQUAL(_snprintf_s(text, 4, _TRUNCATE, "%s", "abcdef"), -1);
    EQUAL(strcmp(text, "abc"), 0);
}

static void text_is_compared_and_cut(void) {
    char text[] = "one,two;three", *rest = NULL;
    EQUAL(_stricmp("Hello", "hELLO"), 0);
    EQUAL(_strnicmp("HelloX", "hELLOy", 5), 0);
    CHECK(_stricmp("a", "b") < 0);
    EQUAL(strcmp(strtok_s(text, ",;", &rest), "one"), 0);
    EQUAL(strcmp(strtok_s(NULL, ",;", &rest), "two"), 0);
    EQUAL(strcmp(strtok_s(NULL, ",;", &rest), "three"), 0);
    CHECK(strtok_s(NULL, ",;", &rest) == NULL);
}

static void numbers_are_text_and_back(void) {
    char text[70];
    EQUAL(strcmp(_itoa(-255, text, 10), "-255"), 0);
    EQUAL(strcmp(_itoa(255, text, 16), "ff"), 0);
    EQUAL(strcmp(_itoa(-1, text, 16), "ffffffff"), 0);
    EQUAL(strcmp(_i64toa(-1234567890123LL, text, 10), "-1234567890123"), 0);
    EQUAL(_atoi64("-1234567890123"), -1234567890123LL);
}

static int length_of(const char *format, ...) {
    va_list arguments;
    int length;
    va_start(arguments, format);
    length = _vscprintf(format, arguments);
    va_end(arguments);
    return length;
}

static void the_length_of_a_print_is_told(void) {
    EQUAL(_scprintf("%d %s", 12345, "abc"), 9);
    EQUAL(length_of("%I64d", 1234567890123LL), 13);
    EQUAL(_scwprintf(L"%s %d", L"wide", 3), 6);
    EQUAL(_sctprintf(_T("%d"), 10), 2);
}

static void numbers_are_text_of_either_kind_and_fit(void) {
    char text[70];
    wchar_t wide[70];
    EQUAL(_itoa_s(-255, text, sizeof text, 10), 0);
    EQUAL(strcmp(text, "-255"), 0);
    EQUAL(_ultoa_s(4000000000u, text, sizeof text, 16), 0);
    EQUAL(strcmp(text, "ee6b2800"), 0);
    EQUAL(_i64toa_s(-1234567890123LL, text, sizeof text, 10), 0);
    EQUAL(strcmp(text, "-1234567890123"), 0);
    EQUAL(_itow_s(-255, wide, 70, 10), 0);
    EQUAL(wcscmp(wide, L"-255"), 0);
    EQUAL(_i64tow_s(255, wide, 70, 16), 0);
    EQUAL(wcscmp(wide, L"ff"), 0);
    EQUAL(wcscmp(_itow(-1, wide, 16), L"ffffffff"), 0);
    EQUAL(_wtoi(L"-17"), -17);
}

static void text_of_one_kind_becomes_the_other(void) {
    wchar_t wide[8];
    char text[8];
    size_t count = 0;
    EQUAL(mbstowcs_s(&count, wide, 8, "abc", _TRUNCATE), 0);
    EQUAL(count, 4);
    EQUAL(wcscmp(wide, L"abc"), 0);
    EQUAL(mbstowcs_s(&count, NULL, 0, "abc", 0), 0);
    EQUAL(count, 4);
    EQUAL(mbstowcs_s(&count, wide, 8, "abcdef", 2), 0);
    EQUAL(count, 3);
    EQUAL(wcscmp(wide, L"ab"), 0);
    EQUAL(mbstowcs_s(&count, wide, 4, "abcdef", _TRUNCATE), STRUNCATE);
    EQUAL(wcscmp(wide, L"abc"), 0);
    EQUAL(wcstombs_s(&count, text, 8, L"abc", _TRUNCATE), 0);
    EQUAL(count, 4);
    EQUAL(strcmp(text, "abc"), 0);
    EQUAL(wcstombs_s(&count, NULL, 0, L"abc", 0), 0);
    EQUAL(count, 4);
    EQUAL(wcstombs_s(&count, text, 4, L"abcdef", _TRUNCATE), STRUNCATE);
    EQUAL(strcmp(text, "abc"), 0);
}

static void paths_are_split_and_made(void) {
    char drive[_MAX_DRIVE], folder[_MAX_DIR], name[_MAX_FNAME], ending[_MAX_EXT], path[_MAX_PATH];
    wchar_t wide[_MAX_FNAME];
    EQUAL(_splitpath_s("c:\\one/two\\three.tar.gz", drive, sizeof drive, folder, sizeof folder, name, sizeof name, ending, sizeof ending), 0);
    EQUAL(strcmp(drive, "c:"), 0);
    EQUAL(strcmp(folder, "\\one/two\\"), 0);
    EQUAL(strcmp(name, "three.tar"), 0);
    EQUAL(strcmp(ending, ".gz"), 0);
    EQUAL(_splitpath_s("/a.b/server", NULL, 0, folder, sizeof folder, name, sizeof name, ending, sizeof ending), 0);
    EQUAL(strcmp(folder, "/a.b/"), 0);
    EQUAL(strcmp(name, "server"), 0);
    EQUAL(strcmp(ending, ""), 0);
    EQUAL(_wsplitpath_s(L"log/server.txt", NULL, 0, NULL, 0, wide, _MAX_FNAME, NULL, 0), 0);
    EQUAL(wcscmp(wide, L"server"), 0);
    EQUAL(_makepath_s(path, sizeof path, "c", "one", "two", "txt"), 0);
    EQUAL(strcmp(path, "c:one\\two.txt"), 0);
    EQUAL(_makepath_s(path, sizeof path, NULL, "/one/", "two", ".txt"), 0);
    EQUAL(strcmp(path, "/one/two.txt"), 0);
    _splitpath("one/two.txt", NULL, NULL, name, NULL);
    EQUAL(strcmp(name, "two"), 0);
}

static void the_time_comes_in_microsofts_order(void) {
    time_t zero = 86400 * 365;
    struct tm parts;
    EQUAL(gmtime_s(&parts, &zero), 0);
    EQUAL(parts.tm_year, 71);
    EQUAL(localtime_s(&parts, &zero), 0);
    CHECK(parts.tm_year == 70 || parts.tm_year == 71);
}

static void text_is_wide_and_back(void) {
    wchar_t wide[16];
    char text[16];
    EQUAL(MultiByteToWideChar(CP_UTF8, 0, "a\xed\x95\x9c", -1, wide, 16), 3);
    EQUAL(wide[1], 0xd55c);
    EQUAL(WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, 16, NULL, NULL), 5);
    EQUAL(strcmp(text, "a\xed\x95\x9c"), 0);
    EQUAL(MultiByteToWideChar(CP_UTF8, 0, "abc", -1, NULL, 0), 4);
    EQUAL(MultiByteToWideChar(CP_UTF8, 0, "abc", -1, wide, 2), 0);
    EQUAL(GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    EQUAL(lstrlenA("abc"), 3);
}

static void a_count_bounds_what_is_copied(void) {
    char text[8] = "";
    wchar_t wide[4];
    EQUAL(StringCchCopyNA(text, sizeof text, "abcdef", 3), S_OK);
    EQUAL(strcmp(text, "abc"), 0);
    EQUAL(StringCbCatNA(text, sizeof text, "defghi", 2), S_OK);
    EQUAL(strcmp(text, "abcde"), 0);
    EQUAL(StringCchCatNA(text, sizeof text, "fghi", 4), STRSAFE_E_INSUFFICIENT_BUFFER);
    EQUAL(strcmp(text, "abcdefg"), 0);
    EQUAL(StringCbCopyNW(wide, sizeof wide, L"abcdef", 2 * sizeof(wchar_t)), S_OK);
    EQUAL(wcscmp(wide, L"ab"), 0);
    EQUAL(wcscmp(lstrcpynW(wide, L"abcdef", 4), L"abc"), 0);
    EQUAL(lstrcmpiW(L"Hello", L"hELLO"), 0);
}

static void files_and_folders_have_wide_names(void) {
    wchar_t folder[64], file[96];
    char name[64], text[8] = "";
    FILE *stream = NULL;
    // Wine has no name for such a letter in the locale C.
    swprintf_s(folder, 64, under_wine() ? L"wharf_wide_%d" : L"wharf_\xd55c_%d", (int)GetCurrentProcessId());
    swprintf_s(file, 96, L"%s/a.log", folder);
    EQUAL(_wmkdir(folder), 0);
    EQUAL(_wfopen_s(&stream, file, L"wb"), 0);
    CHECK(stream != NULL);
    if (stream != NULL) {
        fputs("abc", stream);
        fclose(stream);
    }
    stream = _wfopen(file, L"rb");
    CHECK(stream != NULL && fgets(text, sizeof text, stream) != NULL);
    if (stream != NULL)
        fclose(stream);
    EQUAL(strcmp(text, "abc"), 0);
    EQUAL(_waccess(file, 4), 0);
    EQUAL(_wremove(file), 0);
    EQUAL(_waccess(file, 0), -1);
    EQUAL(_wrmdir(folder), 0);
    CHECK(_wfopen_s(&stream, file, L"rb") != 0 && stream == NULL);
    sprintf_s(name, sizeof name, "wharf_%d", (int)GetCurrentProcessId());
    EQUAL(_mkdir(name), 0);
    EQUAL(_access(name, 0), 0);
    EQUAL(_rmdir(name), 0);
}

static void the_clock_is_eight_characters(void) {
    char day[9], clock[9];
    CHECK(_strdate(day) == day && _strtime(clock) == clock);
    CHECK(strlen(day) == 8 && day[2] == '/' && day[5] == '/');
    CHECK(strlen(clock) == 8 && clock[2] == ':' && clock[5] == ':');
    EQUAL(_strtime_s(clock, sizeof clock), 0);
}

static void pieces_of_numbers(void) {
    EQUAL(MAKEWORD(2, 1), 0x0102);
    EQUAL(LOBYTE(0x1234), 0x34);
    EQUAL(HIBYTE(0x1234), 0x12);
    EQUAL(LOWORD(0x12345678), 0x5678);
    EQUAL(HIWORD(0x12345678), 0x1234);
    EQUAL(MAKELONG(0x5678, 0x1234), 0x12345678);
    EQUAL(_countof("abc"), 4);
    EQUAL(_tcslen(_T("abcd")), 4);
}

static const struct test tests[] = {
    TEST("crt", secure_text_is_copied),
    TEST("crt", what_does_not_fit_is_refused),
    TEST("crt", formats_are_microsofts),
    TEST("crt", counted_prints_have_no_end_if_it_does_not_fit),
    TEST("crt", text_is_compared_and_cut),
    TEST("crt", numbers_are_text_and_back),
    TEST("crt", the_length_of_a_print_is_told),
    TEST("crt", numbers_are_text_of_either_kind_and_fit),
    TEST("crt", text_of_one_kind_becomes_the_other),
    TEST("crt", paths_are_split_and_made),
    TEST("crt", the_time_comes_in_microsofts_order),
    TEST("crt", text_is_wide_and_back),
    TEST("crt", a_count_bounds_what_is_copied),
    TEST("crt", files_and_folders_have_wide_names),
    TEST("crt", the_clock_is_eight_characters),
    TEST("crt", pieces_of_numbers),
};
SUITE(tests)
