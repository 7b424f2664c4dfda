/* What a program of Microsoft's compiler finds when it starts. A program gets this part by its link flags (-u wharf_msvc_start). */
#include <locale.h>

int wharf_msvc_start;

/* Wide text is converted to UTF-8 and back, as files and terminals have it here. */
__attribute__((constructor)) static void start(void) { setlocale(LC_CTYPE, "C.UTF-8"); }
