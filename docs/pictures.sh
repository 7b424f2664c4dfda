#!/usr/bin/env bash
# Draws docs/demo.svg and docs/serve.svg, the terminals that the README shows: of what the command prints, when it is run
# here. Needs `nc` and `script`. Run it when the words of `wharf demo` or `wharf serve` change; wharf-cli/tests/readme.rs says when.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
wharf=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/wharf
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# svg NAME TITLE DESCRIPTION: a picture of the terminals in $parts/NAME-*, one below the other. The first line of each is
# what stands above it.
svg() {
    awk -v name="$1" -v title="$2" -v description="$3" -f docs/terminal.awk "$parts/$1"-* > "docs/$1.svg"
}

{
    echo 'a terminal'
    echo '$ cargo run --release -- demo'
    # As on a terminal of 80 columns, without its bold letters. The first two scenes: with the third the picture would be
    # longer than a screen.
    COLUMNS=80 script --quiet --return --command "$wharf demo" /dev/null |
        sed 's/\x1b\[[0-9]*m//g; s/\r$//' | sed '/^3\. /,$d'
    echo '# and a third scene, with handlers that compute'
} > "$parts/demo-1"
svg demo 'What wharf demo prints' \
    'Two scenes. First: three workers, three handlers that sleep, and a fourth client that gets no answer until one handler
ends. Second: the pool may grow to four workers, and the fourth client is served at once, by a worker that the port started.'

# The server in one terminal, a client in another.
"$wharf" serve > "$parts/output" 2>&1 &
server=$!
until grep -q '^listening on ' "$parts/output"; do
    kill -0 "$server"
    sleep 0.05
done
{
    echo 'the client'
    echo '$ nc 127.0.0.1 21000'
    echo 'hello'
    # It stays connected for a moment, as a person's would.
    { echo hello; sleep 0.3; } | timeout 1 nc 127.0.0.1 21000 || true
} > "$parts/serve-2"
kill -INT "$server"
wait "$server"
{
    echo 'the server'
    echo '$ cargo run --release -- serve'
    sed -n 1p "$parts/output"
    echo '^C'
    sed 1d "$parts/output"
} > "$parts/serve-1"
svg serve 'The echo server in one terminal, a client in another' \
    'The server says on which address it listens. The client sends a line and gets it back. After Ctrl-C the server says how
many clients and bytes it had.'
