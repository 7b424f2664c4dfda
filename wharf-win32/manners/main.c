/* The `main` of programs that have none by this name: it calls their `wmain`, or their `void main`, which wharf-c++ has given another
 * name. Each may be in C or in C++, with any of the usual parameters: so here is a weak name for each, and the first that is there
 * is called. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define WEAK(name, symbol, result, character) extern result name(int, character **, character **) __asm__(symbol) __attribute__((weak));
WEAK(main_c, "wharf_user_main", void, char)
WEAK(main_nothing, "_Z15wharf_user_mainv", void, char)
WEAK(main_arguments, "_Z15wharf_user_mainiPPc", void, char)
WEAK(main_constant, "_Z15wharf_user_mainiPPKc", void, char)
WEAK(main_environment, "_Z15wharf_user_mainiPPcS0_", void, char)
WEAK(user_wmain_c, "wharf_user_wmain", void, wchar_t)
WEAK(user_wmain_nothing, "_Z16wharf_user_wmainv", void, wchar_t)
WEAK(user_wmain_arguments, "_Z16wharf_user_wmainiPPw", void, wchar_t)
WEAK(user_wmain_constant, "_Z16wharf_user_wmainiPPKw", void, wchar_t)
WEAK(user_wmain_environment, "_Z16wharf_user_wmainiPPwS0_", void, wchar_t)
WEAK(wmain_c, "wmain", int, wchar_t)
WEAK(wmain_nothing, "_Z5wmainv", int, wchar_t)
WEAK(wmain_arguments, "_Z5wmainiPPw", int, wchar_t)
WEAK(wmain_constant, "_Z5wmainiPPKw", int, wchar_t)
WEAK(wmain_environment, "_Z5wmainiPPwS0_", int, wchar_t)

/* A list of texts in wide characters; what is no text in the locale is taken byte by byte. */
static wchar_t **widen(char **list) {
    size_t count = 0, i, j;
    wchar_t **wide;
    while (list[count] != NULL)
        count++;
    wide = calloc(count + 1, sizeof *wide);
    for (i = 0; wide != NULL && i < count; i++) {
        size_t length = strlen(list[i]);
        wide[i] = calloc(length + 1, sizeof **wide);
        if (wide[i] == NULL)
            return NULL;
        if (mbstowcs(wide[i], list[i], length + 1) == (size_t)-1) {
            for (j = 0; j <= length; j++)
                wide[i][j] = (unsigned char)list[i][j];
        }
    }
    return wide;
}

int main(int count, char **arguments, char **environment) {
    void (*const narrow[])(int, char **, char **) = {main_c, main_nothing, main_arguments, main_constant, main_environment};
    void (*const wide[])(int, wchar_t **, wchar_t **) = {user_wmain_c, user_wmain_nothing, user_wmain_arguments, user_wmain_constant,
                                                         user_wmain_environment};
    int (*const with_result[])(int, wchar_t **, wchar_t **) = {wmain_c, wmain_nothing, wmain_arguments, wmain_constant, wmain_environment};
    size_t i;
    for (i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
        if (narrow[i] != NULL) {
            narrow[i](count, arguments, environment);
            return 0;
        }
        if (wide[i] != NULL) {
            wide[i](count, widen(arguments), widen(environment));
            return 0;
        }
        if (with_result[i] != NULL)
            return with_result[i](count, widen(arguments), widen(environment));
    }
    return 127;
}
