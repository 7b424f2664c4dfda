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
    local name folder program
    for name in pool textbook acceptex chat datagrams; do
        program=$([ "$name" = pool ] && echo pool || echo server)
        folder=$(copy_of "$name")
        CFLAGS=-Werror CXXFLAGS=-Werror make --silent -C "$folder" || { fail "$name by its Makefile" && continue; }
        try_program "$name" "$folder/$program"
        cmake -S "$folder" -B "$folder/cmake" -DCMAKE_PREFIX_PATH="$root" > "$work/cmake.log" && cmake --build "$folder/cmake" >> "$work/cmake.log" ||
            { cat "$work/cmake.log" && fail "$name by CMake"; }
        try_program "$name" "$folder/cmake/$program"
        with_wine || continue
        folder=$(copy_of "$name.windows")
        make --silent -C "$folder" WINDOWS=1 CC=x86_64-w64-mingw32-gcc CXX=x86_64-w64-mingw32-g++ || { fail "$name by MinGW" && continue; }
        try_program "$name" wine "$(ls "$folder/$program" "$folder/$program.exe" 2> /dev/null | tail -n 1)"
    done
    echo "textbook, with message boxes"
    try_message_boxes "$work/examples/textbook/server"
}

# The wrappers: the textbook server in the spellings of Windows, in both kinds of characters, and programs with each kind of main.
check_manners() {
    local folder flags
    export PATH=$root/bin:$PATH
    folder=$(copy_of textbook-mfc)
    for flags in "" UNICODE=1; do
        rm -f "$folder/server"
        # shellcheck disable=SC2086
        make --silent -C "$folder" $flags || { fail "textbook-mfc $flags" && continue; }
        try_program textbook-mfc "$folder/server"
        try_message_boxes "$folder/server"
    done
    check_mains
    check_low_memory
}

# Each kind of main, with an argument that is not ASCII.
check_mains() {
    local body='{ printf("%d arguments\n", argc); }' text flags
    local -a mains=(
        "void main(int argc, char *argv[]) $body"
        "void main() { int argc = 2; printf(\"%d arguments\\n\", argc); }"
        "int main(int argc, char **argv) { printf(\"%d arguments\\n\", argc); return 0; }"
        "#include <tchar.h>
int _tmain(int argc, _TCHAR *argv[]) { _tprintf(_T(\"%d arguments\\n\"), argc); return 0; }"
        "#include <tchar.h>
void _tmain(int argc, _TCHAR *argv[]) { _tprintf(_T(\"%d arguments\\n\"), argc); }"
        "int wmain(int argc, wchar_t *argv[]) { printf(\"%d arguments\\n\", argc); return argv[1][0] != 0xe4; }"
    )
    for text in "${mains[@]}"; do
        for flags in "" -DUNICODE; do
            printf '#include <Windows.h>\n#include <STDIO.h>\n%s\n' "$text" > "$work/Main.Cpp"
            # shellcheck disable=SC2086
            wharf-c++ $flags -w "$work/Main.Cpp" -o "$work/main" || { fail "wharf-c++: $text" && continue; }
            [ "$("$work/main" ä)" = "2 arguments" ] || fail "wharf-c++ $flags: $text"
            cp "$work/Main.Cpp" "$work/main.c"
            # shellcheck disable=SC2086
            wharf-cc $flags -w "$work/main.c" -o "$work/main" || { fail "wharf-cc: $text" && continue; }
            [ "$("$work/main" ä)" = "2 arguments" ] || fail "wharf-cc $flags: $text"
        done
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
