#!/usr/bin/env bash
# Measures a server with a full table of clients: 100 polite clients beside 18,900 idle ones, then beside 18,900 that never
# read. Prints how long the polite clients waited in both cases, and the server's memory beside the figure that `serve --help`
# works out. Then it prints how soon a new client is served when the table is full of clients that do not read. Those are cut
# --stall-timeout after they were full, so this takes some seconds more.
#
# To be run by hand: about three minutes. 19,500 files must be allowed to be open (ulimit -Hn). A first argument is the driver.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

driver=${1:-auto}
crowd=18900
ulimit -n "$(ulimit -Hn)"
cargo build --release --package wharf-cli --package wharf-hostile
built=${CARGO_TARGET_DIR:-target}/release
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$folder"' EXIT

# Starts a server with these options; `address` and `server` say where and which.
serve() {
    "$built/wharf" serve --listen 127.0.0.1:0 --driver "$driver" --max-clients 19000 "$@" > "$folder/served" 2> "$folder/log" &
    server=$!
    until grep -q '^listening on ' "$folder/served"; do sleep 0.05; done
    address=$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' "$folder/served")
}

memory() { awk '/^VmHWM/ { print int($2 / 1024) " MiB" }' "/proc/$server/status"; }

# The polite ones connect first, and are measured once the crowd is there.
polite() {
    "$built/wharf" bench "$address" -c 100 --rate 1000 --warmup 30s -d 45s --json > "$folder/polite.$1" &
    asking=$!
    sleep 2
}

crowd_of() {
    nice -n 10 "$built/hostile" --against "$address" --peers "$1" --clients "$2" --milliseconds "$3" --longest-us 0 \
        > "$folder/crowd" 2>&1 &
}

for who in idle silent; do
    serve --stall-timeout 10m
    polite "$who"
    case $who in
        idle) nice -n 10 "$built/wharf" bench "$address" -c "$crowd" --rate 1 --warmup 0s -d 60s --json > "$folder/crowd" 2>&1 & ;;
        silent) crowd_of never-reads "$crowd" 60000 ;;
    esac
    wait "$asking"
    p99=$(sed -n 's/.*"p99": *\([0-9]*\).*/\1/p' "$folder/polite.$who" | head -n 1)
    echo "beside $crowd that are $who: p99 $((p99 / 1000)) us; the server had $(memory) at most"
    kill "$server"
    wait "$server" || true
    wait
done

serve --stall-timeout 10s
crowd_of many-silent 19000 60000
until [ "$(ss -Htn state established "sport = :${address##*:}" | wc -l)" -ge 19000 ]; do sleep 0.2; done
begun=$(date +%s%N)
exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
echo 'is there a place?' >&3
read -r -t 60 _ <&3
echo "a newcomer to a full table was served after $((($(date +%s%N) - begun) / 1000000)) ms (--stall-timeout 10s)"
exec 3>&-
kill "$server"
