# For ci/win32.sh, which sources it: the examples, each built by its Makefile and by CMake and tried with clients; and the wrappers.

readonly examples=$crate/examples

# Starts a server and waits for its port: `start_server COMMAND...`. Its standard input is $server_input.
start_server() {
    local output=$work/server.out
    # Else the port of the one before might be read.
    : > "$output"
    coproc SERVER { exec "$@" > "$output" 2> "$output.errors"; }
    server=$SERVER_PID
    server_input=${SERVER[1]}
    address=
    for _ in $(seq 200); do
        address=$(tr -d '\r' < "$output" | sed -n 's/^listening on port //p')
        [ -z "$address" ] || return 0
        kill -0 "$server" 2> /dev/null || break
        sleep 0.05
    done
    fail "$* does not start: $(cat "$output.errors")"
    return 1
}

# Tells the server to stop, and checks what it said last.
stop_server() {
    echo stop >&"$server_input"
    wait "$server" || fail "the server ends with $?"
    tr -d '\r' < "$work/server.out" | grep -q "^stopped" || fail "the server does not stop in order: $(cat "$work/server.out")"
}

# Five clients: each says a line of its own, and hears it.
try_echo() {
    local client line
    local -a open=()
    for client in 1 2 3 4 5; do
        exec {connection}<> "/dev/tcp/127.0.0.1/$address"
        open+=("$connection")
        echo "hello $client" >&"$connection"
    done
    for client in 1 2 3 4 5; do
        connection=${open[$((client - 1))]}
        line=
        read -r -t 10 line <&"$connection" || true
        [ "$line" = "hello $client" ] || fail "client $client hears \"$line\""
        exec {connection}>&-
    done
}

# Three clients say "box": their message boxes block the three workers for a second, so that a fourth client's echo waits.
try_boxes() {
    local line start waited
    local -a open=()
    start=$(date +%s%N)
    for _ in 1 2 3; do
        exec {connection}<> "/dev/tcp/127.0.0.1/$address"
        open+=("$connection")
        echo box >&"$connection"
    done
    sleep 0.2
    exec {fourth}<> "/dev/tcp/127.0.0.1/$address"
    echo fourth >&"$fourth"
    read -r -t 10 line <&"$fourth" || true
    waited=$((($(date +%s%N) - start) / 1000000))
    [ "$line" = fourth ] || fail "the fourth client hears \"$line\""
    [ "$waited" -ge 900 ] || fail "the fourth client waited $waited ms only"
    exec {fourth}>&-
    for connection in "${open[@]}"; do
        read -r -t 10 line <&"$connection" || true
        [ "$line" = box ] || fail "a client with a box hears \"$line\""
        exec {connection}>&-
    done
}

# `try_message_boxes SERVER`: its boxes stay for a second.
try_message_boxes() {
    WHARF_MESSAGE_BOX_MS=1000 start_server "$1" 0 || return 0
    try_boxes
    stop_server
}

try_chat() {
    local line
    exec {one}<> "/dev/tcp/127.0.0.1/$address"
    wait_for "1 comes"
    exec {two}<> "/dev/tcp/127.0.0.1/$address"
    wait_for "2 comes"
    echo "good morning" >&"$one"
    read -r -t 10 line <&"$two" || true
    [ "$line" = "1: good morning" ] || fail "the second hears \"$line\""
    echo "and to you" >&"$two"
    read -r -t 10 line <&"$one" || true
    [ "$line" = "2: and to you" ] || fail "the first hears \"$line\""
    exec {one}>&-
    wait_for "1 leaves"
    exec {two}>&-
}

wait_for() {
    for _ in $(seq 200); do
        ! tr -d '\r' < "$work/server.out" | grep -qx "$1" || return 0
        sleep 0.05
    done
    fail "the server does not say \"$1\""
}

try_datagrams() {
    local line
    exec {connection}<> "/dev/udp/127.0.0.1/$address"
    for word in one two three; do
        echo "$word" >&"$connection"
        # The whole datagram by one read, which bash's own would not do.
        line=$(timeout 10 dd bs=65536 count=1 <&"$connection" 2> "$work/dd.log" || true)
        [ "$line" = "$word" ] || fail "a datagram comes back as \"$line\""
    done
    exec {connection}>&-
}

# `try_program NAME COMMAND...`: one example, built.
try_program() {
    local name=$1
    shift
    echo "$name: $*"
    if [ "$name" = pool ]; then
        [ "$(timeout 60 "$@" | tr -d '\r')" = "92 ways" ] || fail "pool counts wrongly"
        return
    fi
    start_server "$@" 0 || return 0
    case $name in
    chat) try_chat ;;
    datagrams) try_datagrams ;;
    *) try_echo ;;
    esac
    stop_server
}

# Builds in a copy, so that nothing is left in the source.
copy_of() {
    rm -rf "${work:?}/examples/$1"
    mkdir -p "$work/examples"
    cp -r "$examples/${1%%.*}" "$work/examples/$1"
    echo "$work/examples/$1"
}

check_examples() {
    local name program
    local -a names=(pool textbook acceptex chat datagrams)
    in_parallel build_example "${names[@]}"
    for name in "${names[@]}"; do
        for program in "$name/"{pool,server} "$name/cmake/"{pool,server} "$name.windows/"{pool,server}{,.exe}; do
            [ -f "$work/examples/$program" ] || continue
            case $program in
            *.windows/*) try_program "$name" wine "$work/examples/$program" ;;
            *) try_program "$name" "$work/examples/$program" ;;
            esac
        done
    done
    echo "textbook, with message boxes"
    try_message_boxes "$work/examples/textbook/server"
}

# By its Makefile, by CMake, and by MinGW.
build_example() {
    local name=$1 folder
    folder=$(copy_of "$name")
    CFLAGS=-Werror CXXFLAGS=-Werror make --silent -C "$folder" || fail "$name by its Makefile"
    cmake -S "$folder" -B "$folder/cmake" -DCMAKE_PREFIX_PATH="$root" > "$folder/cmake.log" && cmake --build "$folder/cmake" >> "$folder/cmake.log" ||
        { cat "$folder/cmake.log" && fail "$name by CMake"; }
    with_wine || return 0
    folder=$(copy_of "$name.windows")
    make --silent -C "$folder" WINDOWS=1 CC=x86_64-w64-mingw32-gcc CXX=x86_64-w64-mingw32-g++ || fail "$name by MinGW"
}

# The wrappers: the textbook server in the spellings of Windows, in both kinds of characters, and programs with each kind of main.
check_manners() {
    local kind
    export PATH=$root/bin:$PATH
    mkdir -p "$work/manners"
    in_parallel build_manners mfc.narrow mfc.wide older server.narrow server.wide "${!mains[@]}"
    for kind in narrow wide; do
        [ "$("$work/manners/mfc.$kind")" = ok ] || fail "mfc.cpp, $kind: $("$work/manners/mfc.$kind")"
        try_program textbook-mfc "$work/examples/textbook-mfc.$kind/server"
        try_message_boxes "$work/examples/textbook-mfc.$kind/server"
    done
    check_low_memory
}

# `build_manners NAME.KIND`, of which the kind of characters is narrow or wide; or the index of one of the mains.
build_manners() {
    local folder unicode=()
    [[ $1 != *.wide ]] || unicode=(UNICODE=1)
    case $1 in
    mfc.*) wharf-c++ -std=c++11 ${unicode[0]:+-DUNICODE -D_UNICODE} -Wall -Werror "$crate/tests/mfc.cpp" -o "$work/manners/$1" || fail "mfc.cpp" ;;
    older) build_older ;;
    server.*)
        folder=$(copy_of "textbook-mfc.${1#*.}")
        make --silent -C "$folder" "${unicode[@]}" || fail "textbook-mfc ${1#*.}"
        ;;
    *) try_main "$1" ;;
    esac
}

# Older macros, and C beside C++. What a build is told to depend on is there afterwards.
build_older() {
    (
        cd "$work/manners"
        wharf-c++ -std=c++17 "$crate/tests/older.cpp" "$crate/tests/older.c" -o older || fail "older.cpp"
        [ "$(./older)" = ok ] || fail "older.cpp: $(./older)"
        wharf-c++ -MMD -c "$crate/tests/older.cpp" -o older.o || fail "older.cpp with -MMD"
        grep -q '^older.o:' older.d && grep -q 'older\.h' older.d && ! grep -q "${TMPDIR:-/tmp}/" older.d || fail "older.d: $(cat older.d)"
        [ "$failures" -eq 0 ]
    ) || fail "older"
}

# Each kind of main, with an argument that is not ASCII.
readonly body='{ printf("%d arguments\n", argc); }'
readonly -a mains=(
    "void main(int argc, char *argv[]) $body"
    "void main() { int argc = 2; printf(\"%d arguments\\n\", argc); }"
    "int main(int argc, char **argv) { printf(\"%d arguments\\n\", argc); return 0; }"
    "#include <tchar.h>
int _tmain(int argc, _TCHAR *argv[]) { _tprintf(_T(\"%d arguments\\n\"), argc); return 0; }"
    "#include <tchar.h>
void _tmain(int argc, _TCHAR *argv[]) { _tprintf(_T(\"%d arguments\\n\"), argc); }"
    "int wmain(int argc, wchar_t *argv[]) { printf(\"%d arguments\\n\", argc); return argv[1][0] != 0xe4; }"
)

try_main() {
    local text=${mains[$1]} folder=$work/manners/main.$1 flags
    mkdir -p "$folder"
    printf '#include <Windows.h>\n#include <STDIO.h>\n%s\n' "$text" > "$folder/Main.Cpp"
    cp "$folder/Main.Cpp" "$folder/main.c"
    for flags in "" -DUNICODE; do
        # Only the `_t` names are others then.
        [[ -z $flags || $text == *tchar* ]] || continue
        # shellcheck disable=SC2086
        wharf-c++ $flags -w "$folder/Main.Cpp" -o "$folder/main" && [ "$("$folder/main" ä)" = "2 arguments" ] || fail "wharf-c++ $flags: $text"
        # shellcheck disable=SC2086
        wharf-cc $flags -w "$folder/main.c" -o "$folder/main" && [ "$("$folder/main" ä)" = "2 arguments" ] || fail "wharf-cc $flags: $text"
    done
}

# A pointer cut to a DWORD comes back whole, from threads' heaps and large blocks too.
check_low_memory() {
    cat > "$work/low.cpp" << 'END'
#include <windows.h>
DWORD WINAPI work(LPVOID port) {
    for (int i = 0; i < 100; i++) {
        char *block = new char[i % 2 ? 300000 : 40];
        PostQueuedCompletionStatus((HANDLE)port, 1, (DWORD)block, NULL);
    }
    return 0;
}
int main() {
    HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    HANDLE thread = CreateThread(NULL, 0, work, port, 0, NULL);
    for (int i = 0; i < 100; i++) {
        DWORD bytes;
        OVERLAPPED *overlapped;
        char *block = NULL;
        GetQueuedCompletionStatus(port, &bytes, (DWORD *)&block, &overlapped, INFINITE);
        block[39] = 1;
        delete[] block;
    }
    WaitForSingleObject(thread, INFINITE);
    puts("low");
    return 0;
}
END
    wharf-c++ --low-memory -w "$work/low.cpp" -o "$work/low" || fail "--low-memory does not build"
    [ "$("$work/low")" = low ] || fail "--low-memory: a pointer does not survive"
}
