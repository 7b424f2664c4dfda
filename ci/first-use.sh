#!/usr/bin/env bash
# The first of the README's two commands, as a stranger would use it: start the server, talk to it, stop it.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
output=$(mktemp)
cargo run --release -- serve --listen 127.0.0.1:0 > "$output" &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -f "$output"' EXIT

until grep -q '^listening on ' "$output"; do
    kill -0 "$server"
    sleep 0.05
done
address=$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' "$output")
exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
echo 'is anybody there?' >&3
read -r -t 10 echo <&3
exec 3>&-
[ "$echo" = 'is anybody there?' ]

# `cargo run` replaces itself with the server, so the signal reaches it.
kill -INT "$server"
wait "$server"
cat "$output"
grep -q '^stopped clients=1 received=18 sent=18 cut=0$' "$output"
