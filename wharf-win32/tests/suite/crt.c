/* Microsoft's C library, as far as servers use it. Where a buffer is too small, Microsoft's ends the program, so that is not asked
 * under Wine. */
#include "suite.h"

#include <conio.h>
#include <stdarg.h>
#include <tchar.h>
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
    TEST("crt", the_time_comes_in_microsofts_order),
    TEST("crt", text_is_wide_and_back),
    TEST("crt", pieces_of_numbers),
};
SUITE(tests)
