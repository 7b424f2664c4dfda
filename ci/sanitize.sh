#!/usr/bin/env bash
# Runs the library's tests under a sanitizer: `ci/sanitize.sh address` finds memory that is used after it was given back, out of
# its bounds, or never given back; `ci/sanitize.sh thread` finds two threads that touch the same memory at once. Without an
# argument, both, one after the other.
#
# Needs a nightly toolchain. If there is none, the script says NOT JUDGED and how to get one, and succeeds; with
# WHARF_REQUIRE_NIGHTLY set, that is a failure. Takes about a minute and a half for each on 2 cores, and up to five more to
# build the first time; more than ten is a failure. Neither sanitizer sees what the kernel does to memory.
#
# It runs the library's unit tests and all of wharf/tests, except:
# - tests/no_allocation.rs counts allocations after a time of warming up. On uring some come later under a sanitizer, which is
#   slow (1 and 41 were seen), so the test would fail there.
# - tests/races.rs waits for rare timings, which a sanitizer changes; the sequences do the same operations.
# - The models of the scheduler are for loom (ci/model.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=x86_64-unknown-linux-gnu

# Says why nothing is judged. The end of the script.
not_judged() {
    echo "NOT JUDGED: $1"
    [ -z "${WHARF_REQUIRE_NIGHTLY:-}" ] || exit 1
    exit 0
}

need_nightly() {
    [ "$(uname -sm)" = "Linux x86_64" ] || not_judged "the sanitizers are set up for Linux on x86-64"
    command -v rustup > /dev/null || not_judged "no rustup; see https://rustup.rs, then: rustup toolchain install nightly"
    rustup run nightly rustc --version || not_judged "no nightly toolchain; rustup toolchain install nightly"
}

# The standard library as it is delivered is not instrumented, and what it synchronises the thread sanitizer does not see:
# it would report races that are none. So it is built along.
need_library_source() {
    local library
    library=$(rustup run nightly rustc --print sysroot)/lib/rustlib/src/rust/library
    [ -d "$library" ] || rustup component add rust-src --toolchain nightly ||
        not_judged "no source of the standard library; rustup component add rust-src --toolchain nightly"
}

sanitize() {
    local which=$1 build=()
    # What the reports name their lines with, and which of them are known to be none, each with its reason.
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1"
    export LSAN_OPTIONS="suppressions=$PWD/ci/sanitize-address.supp:print_suppressions=0"
    export TSAN_OPTIONS="suppressions=$PWD/ci/sanitize-thread.supp:second_deadlock_stack=1"
    if [ "$which" = thread ]; then
        need_library_source
        build=(-Zbuild-std)
    fi
    echo "== the $which sanitizer"
    # Its own target directory: else the ordinary build would be made anew each time.
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize-$which" \
        RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=$which" \
        PROPTEST_CASES="${PROPTEST_CASES:-200}" \
        timeout 600 rustup run nightly cargo test "${build[@]}" --target "$target" --package wharf-port --no-fail-fast \
        --lib --test conformance --test raw --test leaks --test process --test sequences
}

need_nightly
case "${1:-both}" in
    address | thread) sanitize "$1" ;;
    both)
        sanitize address
        sanitize thread
        ;;
    *)
        echo "usage: ci/sanitize.sh [address|thread]" >&2
        exit 2
        ;;
esac
