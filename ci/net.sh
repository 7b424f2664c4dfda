#!/usr/bin/env bash
# The command on a network as it is run, beside programs that nobody here wrote: balancers, proxies, service managers, TLS clients.
# Each part is a file in ci/net, which is sourced in a shell of its own; by hand, one part: `ci/net.sh NAME`. About three minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source ci/need.bash

export PATH="$PATH:/usr/sbin"
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=($(cd ci/net && printf '%s\n' *.bash | sed 's/\.bash$//'))

need curl iproute2
cargo build --package wharf-cli
wharf=$PWD/${CARGO_TARGET_DIR:-target}/debug/wharf

fail() {
    echo "FAILED: $*" >&2
    [ -z "${folder:-}" ] || tail -n 5 "$folder"/*.log >&2 || true
    exit 1
}

# Waits until a command succeeds, for ten seconds at most.
eventually() {
    local deadline=$((SECONDS + 10))
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within 10 s: $*"
        sleep 0.05
    done
}

# Starts a server: `serve NAME OPTIONS`. Its output is in $folder/NAME, its log in $folder/NAME.log, its process in $server, and
# where it listens first in $address.
serve() {
    local name=$1
    shift
    "$wharf" serve "$@" > "$folder/$name" 2> "$folder/$name.log" &
    server=$!
    eventually grep -q '^listening on ' "$folder/$name"
    address=$(sed -n 's/^listening on \([^ ]*\) driver=.*/\1/p' "$folder/$name")
}

# Stops a process in order, and has it succeed.
stop() {
    kill "$1"
    wait "$1" || fail "a stop ended with code $?"
}

# Starts HAProxy with the sections on standard input. Its process is in $haproxy, its control socket $folder/haproxy.sock.
haproxy_with() {
    {
        cat << CONFIGURATION
global
    stats socket $folder/haproxy.sock level admin
    maxconn 500
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
CONFIGURATION
        cat
    } > "$folder/haproxy.cfg"
    haproxy -db -f "$folder/haproxy.cfg" > "$folder/haproxy.log" 2>&1 &
    haproxy=$!
    eventually test -S "$folder/haproxy.sock"
}

# A TCP port that is free now, at all addresses: `free_port`. Not one that the system gives to connections, which may take it before.
free_port() {
    python3 - << 'PYTHON'
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        with socket.create_server(("0.0.0.0", port)), socket.create_server(("::", port), family=socket.AF_INET6):
            print(port)
            break
    except OSError:
        pass
PYTHON
}

for part in "${parts[@]}"; do
    echo "-- $part"
    (
        folder=$(mktemp -d)
        trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$folder"' EXIT
        source "ci/net/$part.bash"
    )
done
