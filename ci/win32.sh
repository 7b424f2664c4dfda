#!/usr/bin/env bash
# Tests wharf-win32: builds and installs it below the target folder, and runs what programs for Windows are made of.
#
#     ci/win32.sh            all of it, four minutes at most on two processors
#     ci/win32.sh PART...    headers, symbols, numbers, suite, examples, manners, sanitize, valgrind
#
# The suite has two judges: Linux, with this layer, and Windows, as far as Wine is one. Their verdicts, rule by rule, must be those of
# wharf-win32/tests/rules.md; `ci/win32.sh table` writes it anew. Without Wine (NO_WINE=1) only Linux judges.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR LC_ALL=C
readonly work=$CARGO_TARGET_DIR/win32 crate=$PWD/wharf-win32 suite=$PWD/wharf-win32/tests/suite
readonly root=$work/root
# Not LD_LIBRARY_PATH: a program finds the library because pkg-config, CMake or the wrapper said where it is.
export PKG_CONFIG_PATH=$root/lib/pkgconfig
export WINEPREFIX=$work/prefix WINEDEBUG=-all
mkdir -p "$work"
failures=0

fail() {
    echo "FAIL $*"
    failures=$((failures + 1))
}

# Calls a function for each item, two at once for each processor, since half of what tests do is to wait: `in_parallel FUNCTION ITEM...`.
in_parallel() {
    local run=$1 item under_way=0 most=$((2 * $(nproc)))
    shift
    for item in "$@"; do
        [ "$under_way" -lt "$most" ] || await_one
        (failures=0 && "$run" "$item" && [ "$failures" -eq 0 ]) &
        under_way=$((under_way + 1))
    done
    while [ "$under_way" -gt 0 ]; do
        await_one
    done
}

await_one() {
    wait -n || failures=$((failures + 1))
    under_way=$((under_way - 1))
}

with_wine() { [ -z "${NO_WINE:-}" ]; }

prepare() {
    need gcc g++ clang pkg-config cmake make binutils
    PREFIX=$root PROFILE=${PROFILE:-dev} ci/install-win32.sh > "$work/install.log" 2>&1 || { cat "$work/install.log" && exit 1; }
    ! with_wine || { need mingw-w64 wine wine64 && [ -d "$WINEPREFIX" ] || wineboot --init; }
}

# Every header by itself, in each language, without a warning; every other spelling, which includes one of them; and all together by
# each compiler.
check_headers() {
    mkdir -p "$work/headers"
    in_parallel check_header "$root"/include/wharf/win32/*.h
    in_parallel check_compiler gcc clang g++ clang++
}

check_header() {
    local header compiler source
    header=$(basename "$1")
    source=$work/headers/$header.c
    printf '#include <%s>\n' "$header" > "$source"
    if [[ $header =~ [A-Z] ]]; then
        gcc -std=c11 -E -I "$root/include/wharf/win32" "$source" > "$source.i" || fail "$header"
        return 0
    fi
    for compiler in "gcc -std=c99" "g++ -x c++ -std=c++11"; do
        # shellcheck disable=SC2086
        $compiler -Wall -Wextra -Werror -fsyntax-only -I "$root/include/wharf/win32" "$source" || fail "$header with $compiler"
    done
}

# What one compiler says of them together.
check_compiler() {
    local compiler=$1 source=$work/headers/$1 standard
    local -a language=()
    [[ $compiler != *++ ]] || language=(-x c++ -std=c++20)
    (cd "$crate/include/wharf/win32" && printf '#include <%s>\n' *.h) > "$source.all.c"
    [[ $compiler == *++ ]] || sed -i '/concurrent_queue/d' "$source.all.c"
    "$compiler" "${language[@]}" -Wall -Wextra -Werror -fsyntax-only -I "$root/include/wharf/win32" "$source.all.c" || fail "all headers with $compiler"
    # The C library's own, behind these, with all that gcc declares when nothing else is said.
    printf '#include <winsock2.h>\n#include <unistd.h>\nint name(char *to) { return gethostname(to, 8); }\n' > "$source.c"
    "$compiler" "${language[@]}" -Wall -Wextra -Werror -fsyntax-only -I "$root/include/wharf/win32" "$source.c" || fail "unistd.h with $compiler"
    [[ $compiler == *++ ]] || return 0
    for standard in c++11 c++17 c++20; do
        "$compiler" -std=$standard -Werror -fsyntax-only -I "$root/include/wharf/win32" "$crate/tests/overloads.cpp" || fail "overloads.cpp, $compiler $standard"
        "$compiler" -std=$standard -DUNICODE -Werror -fsyntax-only -I "$root/include/wharf/win32" "$crate/tests/overloads.cpp" || fail "overloads.cpp, $compiler $standard UNICODE"
    done
    # For sources that have something of their own by this name.
    printf '#define WHARF_NO_U_LONG\n#include <winsock2.h>\nstruct of_their_own { int u_long; };\n#ifdef u_long\n#error "u_long is a macro"\n#endif\n' > "$source.cpp"
    "$compiler" -fsyntax-only -I "$root/include/wharf/win32" "$source.cpp" || fail "WHARF_NO_U_LONG with $compiler"
    printf '#define FD_SETSIZE 512\n#include <winsock2.h>\nstatic_assert(sizeof(fd_set) == 8 + 512 * 8, "their own");\n' > "$source.cpp"
    "$compiler" -fsyntax-only -I "$root/include/wharf/win32" "$source.cpp" || fail "FD_SETSIZE with $compiler"
    printf '#include <winsock2.h>\nstatic_assert(sizeof(fd_set) == 8 + 512 * 8, "their own");\n' > "$source.cpp"
    WHARF_CXX=$compiler "$root/bin/wharf-c++" -DFD_SETSIZE=512 -fsyntax-only "$source.cpp" || fail "-DFD_SETSIZE with $compiler"
    sed -i '1i #define FD_SETSIZE 512' "$source.cpp"
    WHARF_CXX=$compiler "$root/bin/wharf-c++" -fsyntax-only "$source.cpp" || fail "FD_SETSIZE behind wharf-c++'s header with $compiler"
}

# The library exports what tests/symbols.txt lists, and every function that a header declares is among it.
check_symbols() {
    nm --dynamic --defined-only "$root/lib/libwharf_win32.so.0" | awk '{ print $3 }' | sort > "$work/symbols"
    diff "$crate/tests/symbols.txt" "$work/symbols" || fail "the exported symbols are not those of tests/symbols.txt"
    printf '#include <windows.h>\n#include <winsock2.h>\n' > "$work/declared.c"
    gcc -std=c99 -fsyntax-only -aux-info "$work/declared" -I "$root/include/wharf/win32" "$work/declared.c"
    # Some are glibc's own, which a header declares for Microsoft's names of them.
    grep 'wharf/win32/' "$work/declared" | grep -v ' static ' | sed -E 's/^[^(]*[ *]([A-Za-z_0-9]+) \(.*/\1/' | sort -u |
        while read -r name; do
            grep -qxE "$name|wharf_w32_$name" "$work/symbols" || echo "$name"
        done | grep -vxE '(localtime|gmtime|ctime)_r|fileno|access|chdir|getcwd|rmdir|unlink' > "$work/missing" || true
    [ ! -s "$work/missing" ] || fail "declared and not exported: $(tr '\n' ' ' < "$work/missing")"
}

# Each number that the headers define is the one that MinGW's headers define, as far as those have the name.
check_numbers() {
    local name
    {
        printf '#include <winsock2.h>\n#include <ws2tcpip.h>\n#include <mswsock.h>\n#include <windows.h>\n#include <crtdbg.h>\n#include <share.h>\n'
        printf '#include <strsafe.h>\n#include <stdio.h>\nint main(void) {\n'
        sed -nE 's/^#define ([A-Z][A-Z0-9_a-z]*) .*([0-9]|ERROR|WSA|STATUS|INFINITE|WAIT|AF_|POLL).*/\1/p' "$crate"/include/wharf/win32/*.h "$crate"/include/wharf/win32/topic/*.h |
            grep -vE '^(WHARF|DECLSPEC|UNALIGNED|HasOver|IN6ADDR|WSAID|YieldProcessor|MemoryBarrier|SRWLOCK|RTL_|CONDITION_VARIABLE_INIT|INIT_ONCE_STATIC)|^(WSASocket|Interlocked.*)$' | sort -u |
            while read -r name; do
                printf '#ifdef %s\n    printf("%s %%08llx\\n", (unsigned long long)(%s) & 0xffffffffULL);\n#endif\n' "$name" "$name" "$name"
            done
        printf '    return 0;\n}\n'
    } > "$work/numbers.c"
    # shellcheck disable=SC2046
    gcc -w "$work/numbers.c" -o "$work/numbers" $(pkg-config --cflags --libs wharf-win32)
    "$work/numbers" | sort > "$work/numbers.linux"
    with_wine || return 0
    x86_64-w64-mingw32-gcc -w -include winsock2.h -include ntstatus.h "$work/numbers.c" -o "$work/numbers.exe" -lws2_32
    wine "$work/numbers.exe" | tr -d '\r' | sort > "$work/numbers.windows"
    join "$work/numbers.linux" "$work/numbers.windows" | awk '$2 != $3' > "$work/numbers.differ"
    [ ! -s "$work/numbers.differ" ] || fail "numbers differ (ours, Windows'): $(cat "$work/numbers.differ")"
    echo "numbers: $(join "$work/numbers.linux" "$work/numbers.windows" | wc -l) are the same"
}

# Runs a program of the suite, and again behind each test that it crashes or hangs in: `run_suite OUTPUT COMMAND...`. A status of 1 is
# that of a program that went through, with failures.
run_suite() {
    local output=$1 status last
    local -a after=()
    shift
    : > "$output"
    while :; do
        status=0
        timeout 200 "$@" "${after[@]}" < /dev/null > "$output.part" 2> "$output.errors" || status=$?
        tr -d '\r' < "$output.part" >> "$output"
        last=$(tr -d '\r' < "$output.part" | sed -nE 's/^run ([^ ]+ [^ ]+)$/\1/p' | tail -n 1)
        [ "$status" -gt 1 ] && [ -n "$last" ] || break
        tr -d '\r' < "$output.part" | grep -qE "^(ok|FAIL|not judged) $last( |$)" || echo "FAIL $last (ends the program, status $status)" >> "$output"
        after=(--after "${last#* }")
    done
    grep -qE '^(ok|FAIL|not judged) ' "$output" || echo "FAIL - - (no test was run, status $status)" >> "$output"
}

# Lines "file rule test verdict" of a folder of outputs.
verdicts() {
    local file
    for file in "$1"/*.out; do
        sed -nE 's/^(ok|FAIL|not judged) ([^ ]+) ([^ ]+).*/\2|\3|\1/p' "$file" | sed "s/^/$(basename "$file" .out)|/"
    done | sort
}

build_and_run_suite() {
    local program name
    local -a programs=(linux:c++)
    mkdir -p "$work/linux" "$work/wine" "$work/others"
    rm -f "$work"/linux/*.out "$work"/wine/*.out
    for program in "$suite"/*.c; do
        name=$(basename "$program" .c)
        ! with_wine || programs+=("wine:$name")
        programs+=("linux:$name")
    done
    in_parallel judge "${programs[@]}"
}

# `judge JUDGE:PROGRAM`
judge() {
    case $1 in
    linux:c++) judge_cxx ;;
    linux:*) judge_on_linux "${1#*:}" ;;
    wine:*) judge_under_wine "${1#*:}" ;;
    esac
}

judge_on_linux() {
    local name=$1 compiler
    # shellcheck disable=SC2046
    gcc -std=c11 -O1 -g -Wall -Wextra -Werror "$suite/$name.c" -o "$work/linux/$name" $(pkg-config --cflags --libs wharf-win32) || fail "$name with gcc"
    for compiler in "g++ -x c++ -std=c++20" "clang -std=c11" "clang++ -x c++ -std=c++17"; do
        # shellcheck disable=SC2046,SC2086
        $compiler -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags wharf-win32) "$suite/$name.c" || fail "$name with $compiler"
    done
    run_suite "$work/linux/$name.out" "$work/linux/$name"
    # The table counts them.
    grep -h ^FAIL "$work/linux/$name.out" || true
}

judge_under_wine() {
    local name=$1
    x86_64-w64-mingw32-gcc -std=c11 -O1 -Wall -Wextra -Werror "$suite/$name.c" -o "$work/wine/$name.exe" -lws2_32 -lmswsock -lwinmm || fail "$name with MinGW"
    run_suite "$work/wine/$name.out" wine "$work/wine/$name.exe"
    grep -h ^FAIL "$work/wine/$name.out" | sed 's/^/under Wine: /' || true
}

# By C++ once more, for the overloads: the group that has most of them.
judge_cxx() {
    # shellcheck disable=SC2046
    g++ -x c++ -std=c++17 "$suite/transfer.c" -x none -o "$work/others/transfer" $(pkg-config --cflags --libs wharf-win32) || fail "transfer with g++"
    run_suite "$work/others/transfer.out" "$work/others/transfer"
    ! grep -h ^FAIL "$work/others/transfer.out" || fail "the suite in C++"
}

table() {
    echo '# The rules, and their judges'
    echo
    echo 'Written by `ci/win32.sh table`: each test of `suite`, on Linux with this layer and on Windows as far as Wine is one. Where Wine does'
    echo 'otherwise than the documentation or Windows, it is no judge ("not judged"); the test says why.'
    echo
    echo '| rule | test | Linux | Wine |'
    echo '|---|---|---|---|'
    join -t '|' -a 1 -o 0,1.2,2.2 -e '-' <(verdicts "$work/linux" | sed -E 's/^([^|]*)\|([^|]*)\|([^|]*)\|/\2 \1 \3|/' | sort) \
        <(verdicts "$work/wine" | sed -E 's/^([^|]*)\|([^|]*)\|([^|]*)\|/\2 \1 \3|/' | sort) | sort -V |
        sed -E 's/^([^ ]+) ([^ ]+) ([^|]+)\|(.*)\|(.*)$/| \1 | \2: \3 | \4 | \5 |/'
}

check_suite() {
    build_and_run_suite
    table > "$work/rules.md"
    ! grep -q FAIL "$work/rules.md" || fail "the suite: $(grep -c FAIL "$work/rules.md") rules"
    ! with_wine || diff "$crate/tests/rules.md" "$work/rules.md" || fail "the verdicts are not those of tests/rules.md"
}

# The suite under the sanitizers of C: what the layer writes into the programs' memory is where it should be. The programs that reuse
# memory on purpose leave these cases out themselves (misuse.c, WILD).
check_sanitize() {
    mkdir -p "$work/sanitize"
    in_parallel sanitize port transfer transmit accept connect cancel close sockets datagrams events threads locks misuse crt
}

sanitize() {
    local name=$1
    # shellcheck disable=SC2046
    gcc -std=c11 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined "$suite/$name.c" -o "$work/sanitize/$name" $(pkg-config --cflags --libs wharf-win32) ||
        fail "$name with the sanitizers"
    # Their own exit code is 1, which run_suite takes for a program that went through.
    ASAN_OPTIONS=detect_leaks=0:exitcode=9 run_suite "$work/sanitize/$name.out" "$work/sanitize/$name"
    ! grep -h ^FAIL "$work/sanitize/$name.out" || fail "$name under ASan and UBSan: $(head -n 5 "$work/sanitize/$name.out.errors")"
}

check_valgrind() {
    need valgrind
    local test program name
    for test in transfer/a_receive_gives_its_packet port/many_are_taken_at_once accept/the_given_socket_becomes_the_connection; do
        program=${test%/*} name=${test#*/}
        valgrind --quiet --error-exitcode=9 "$work/linux/$program" "$name" > "$work/valgrind.log" 2>&1 && grep -q "^ok .* $name$" "$work/valgrind.log" ||
            { tail -n 20 "$work/valgrind.log" && fail "valgrind: $name"; }
    done
}

. ci/win32-examples.bash

main() {
    local part start
    prepare
    [ "${1:-}" != table ] || { build_and_run_suite && table > "$crate/tests/rules.md" && exit; }
    [ $# -gt 0 ] || set -- headers symbols numbers suite examples manners sanitize valgrind
    for part in "$@"; do
        start=$SECONDS
        echo "== $part"
        "check_$part"
        echo "$part: $((SECONDS - start)) s"
    done
    ! with_wine || wineserver --kill || true
    [ "$failures" -eq 0 ] || { echo "$failures failures" && exit 1; }
    echo "all well"
}
main "$@"
