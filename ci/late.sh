#!/usr/bin/env bash
# By hand: runs the tests while one of some twenty system calls comes late, 3 to 7 ms. A test that fails here has taken the machine's speed
# for granted. Arguments are those of `cargo test`, as `--package wharf-cli`; without any, all packages. Needs strace, and installs it if it
# is missing. Half an hour.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v strace > /dev/null || { apt-get update && apt-get install --yes strace; }

late() { # FIRST+STEP DELAY_US WHERE CALLS: which calls of each thread, how late, and whether before or after their work
    calls="$calls${calls:+,}$4"
    inject="$inject -e inject=$4:delay_$3=$2:when=$1"
}
calls='' inject=''
late 2+5 7000 enter accept,accept4,connect
late 1+17 5000 exit read,readv,recvfrom,recvmsg
late 3+19 4000 exit write,writev,sendto,sendmsg
late 5+23 6000 exit epoll_wait,epoll_pwait,epoll_pwait2,io_uring_enter
late 5+29 3000 exit futex

host=$(rustc --version --verbose | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=strace --follow-forks --seccomp-bpf --quiet=all --output=/dev/null --trace=$calls$inject"
export WHARF_REQUIRE_URING=1
[ $# -gt 0 ] || set -- --workspace
# Ten thousand connections, each of them late, would take minutes.
cargo test "$@" --tests --no-fail-fast -- --skip ten_thousand
