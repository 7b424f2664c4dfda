#!/usr/bin/env bash
# Builds Wharf for Windows and runs it under Wine: the conformance suite on the kernel's own completion port (IOCP), the tests
# of the raw layer, of wharf-server, of the examples and of the command, and a short load with every byte checked.
# `ci/windows.sh --check` only checks that all of it builds without a warning, from the compiler or from clippy.
# `ci/windows.sh --short` does that, and runs the tests of the library, of wharf-server and of wharf-async alone:
# what .ci/run runs.
#
# For Debian 12: it installs what it needs (as root). No toolchain with a Windows target is needed: Debian's Rust comes with the
# source of the standard library, which is built as well. About eight minutes the first time, four after that, on 2 cores.
#
# Wine can't judge everything (wharf/tests/conformance/main.rs lists what it is not asked). .github/workflows/windows.yml is for
# real Windows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

readonly target=x86_64-pc-windows-gnu
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/windows"
mkdir -p "$CARGO_TARGET_DIR"
CARGO_TARGET_DIR=$(realpath "$CARGO_TARGET_DIR")
readonly built=$CARGO_TARGET_DIR/$target/debug

# Debian's own Rust is older than the one in its security archive, which this needs: the least of the command, and of the tests.
need_rust() {
    local least installed
    need "$@"
    least=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' wharf-cli/Cargo.toml)
    installed=$(/usr/bin/rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$least" "$installed" | sort --version-sort | head -n 1)" = "$least" ] ||
        { apt-get update && apt-get install --yes --no-install-recommends "$@"; }
}

# Debian's tools, which would take the other ones if they were let: `windows_cargo cargo test ...`.
windows_cargo() {
    local program=$1 command=$2
    shift 2
    CARGO=/usr/bin/cargo RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTFLAGS="-D warnings" \
        "/usr/bin/$program" "$command" -Zbuild-std=std,panic_unwind --target "$target" "$@"
}

# Rust's standard library takes its random numbers from a library that Wine 8 does not have. This is for Wine only.
stand_in() {
    mkdir -p "$1"
    cat > "$1/random.c" << 'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {
    return SystemFunction036(bytes, (ULONG)count);
}
END
    x86_64-w64-mingw32-gcc -shared -o "$1/bcryptprimitives.dll" "$1/random.c" -ladvapi32
}

# What cargo runs the tests with. Wine on a busy machine now and then fails to start a program, which then has said nothing: that,
# and nothing else, is tried again.
runner() {
    cat > "$1" << 'END'
#!/usr/bin/env bash
said=$(mktemp)
for _ in 1 2 3; do
    wine "$@" | tee "$said"
    status=${PIPESTATUS[0]}
    { [ "$status" -ne 0 ] && [ ! -s "$said" ]; } || break
done
rm "$said"
exit "$status"
END
    chmod +x "$1"
}

check_command() {
    local output server address
    echo "== doctor and demo"
    wine "$built/wharf.exe" doctor
    wine "$built/wharf.exe" demo
    echo "== a load, every byte checked, against a server of its own"
    wine "$built/wharf.exe" bench -c 64 -d 5s --size 4096
    echo "== serve, until Ctrl-C"
    output=$(mktemp)
    # The process itself, and no shell's child: the signal is for it.
    wine "$built/wharf.exe" serve --listen 127.0.0.1:0 --stats 1s > "$output" &
    server=$!
    trap 'kill -9 "$server" 2> /dev/null || true' EXIT
    until grep -q '^listening on ' "$output"; do
        kill -0 "$server"
        sleep 0.05
    done
    address=$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' "$output")
    wine "$built/wharf.exe" bench "$address" -c 16 -n 2000
    kill -INT "$server"
    wait "$server"
    trap - EXIT
    cat "$output"
    grep -q '^stopped clients=16 ' "$output"
    rm "$output"
}

need_rust rustc-web cargo-web rust-web-src rust-web-clippy
need mingw-w64
# The lint left out asks for `const` where it is, since it does not see it on targets without thread-local storage.
windows_cargo cargo-clippy clippy --workspace --exclude wharf-examples-web --all-targets -- -A clippy::missing_const_for_thread_local
# The raw layer alone.
windows_cargo cargo-clippy clippy --package wharf-port --no-default-features --lib -- -A clippy::missing_const_for_thread_local
[ "${1:-}" != --check ] || exit 0

need wine wine64
stand_in "$CARGO_TARGET_DIR/stand-in"
export WINEPREFIX=$CARGO_TARGET_DIR/prefix WINEDEBUG=-all WINEPATH
wineboot --init
WINEPATH=$(winepath --windows "$CARGO_TARGET_DIR/stand-in")
runner "$CARGO_TARGET_DIR/runner"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER=$CARGO_TARGET_DIR/runner
# Tests that Wine can't judge, beside the suite's own: it takes the error of a reset from the socket itself, so a receive
# after that may find an end; and without a window it has no console to send a Ctrl-Break to.
not_judged=(
    an_aborted_client_is_gone_at_once_and_told_so
    a_reset_is_a_failure_and_not_an_end
    an_attempt_finds_the_end_and_the_failure
    a_paused_client_can_be_closed_and_aborted
    a_half_closed_client_can_end_in_every_way
    a_handler_is_not_told_of_the_end_of_a_peer_that_is_reset_or_closed_first
    ctrl_break_stops_the_server_in_order
    # Their peers are reset, and see an end in order there.
    a_stop_that_cuts_a_stream_resets_it_and_says_so
    a_stop_that_cuts_a_shutdown_resets_the_stream_and_says_so
    a_shutdown_that_is_dropped_keeps_no_socket_for_ever
    options_are_set_and_a_linger_that_would_block_is_refused
    who_takes_nothing_of_an_answer_is_cut
    # Where nothing is optimised, some lists grow later than the test waits for.
    frames_and_their_answers_cost_no_allocation
    # It tells no receive that a datagram was refused.
    a_refusal_is_told_and_the_socket_goes_on
)
tested=(--workspace --exclude wharf-examples-web)
if [ "${1:-}" = --short ]; then
    tested=(--package wharf-port --package wharf-server --package wharf-async
        --features "wharf-server/tls wharf-server/metrics")
    windows_cargo cargo build --package wharf-cli
fi
windows_cargo cargo test "${tested[@]}" --no-fail-fast -- "${not_judged[@]/#/--skip=}"
printf 'NOT JUDGED under Wine: %s\n' "${not_judged[@]}"
check_command
wineserver --kill || true
