#!/usr/bin/env bash
# Does what the README says, as a new user would: starts the server, sends to it and stops it; runs the demonstration; and
# builds the README's program in a package of its own that depends on Wharf.
set -euo pipefail
cd "$(dirname "$0")/.."

# The README's commands, as they stand there.
serve=$(sed -n 's/^\(cargo run --release -- serve\) .*/\1/p' README.md)
demo=$(grep -x 'cargo run --release -- demo' README.md)

output=$(mktemp)
package=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$output" "$package"' EXIT

cargo build --release
$serve --listen 127.0.0.1:0 > "$output" &
server=$!

until grep -q '^listening on ' "$output"; do
    kill -0 "$server"
    sleep 0.05
done
address=$(sed -n 's/^listening on \([^ ]*\) .*/\1/p' "$output")
exec 3<> "/dev/tcp/${address%:*}/${address##*:}"
echo hello >&3
read -r -t 10 echo <&3
exec 3>&-
[ "$echo" = hello ]

# `cargo run` replaces itself with the server, so the signal reaches it.
kill -INT "$server"
wait "$server"
server=
cat "$output"
# As in docs/serve.svg.
grep -qx 'stopped clients=1 received=6 sent=6 cut=0' "$output"
grep -q '>stopped clients=1 received=6 sent=6 cut=0<' docs/serve.svg

$demo

# Of the README's ways to depend on it, the one by path; the path is this folder's.
dependency=$(grep '^wharf = .* path = ' README.md)
mkdir "$package/src"
cat > "$package/Cargo.toml" << END
[package]
name = "first-use"
edition = "2024"

[dependencies]
${dependency//..\/wharf\/wharf/$PWD/wharf}
END
# The program of the port; examples/lib.rs has the others compiled.
awk '/^## / { there = /^## The echo server, whole$/ } /^```$/ { inside = 0 } inside { print } there && /^```rust/ { inside = 1 }' README.md > "$package/src/main.rs"
cp Cargo.lock "$package"
CARGO_TARGET_DIR=$package/target cargo build --manifest-path "$package/Cargo.toml"

"$package/target/debug/first-use" &
server=$!
until { exec 3<> /dev/tcp/127.0.0.1/21001; } 2> /dev/null; do
    kill -0 "$server"
    sleep 0.05
done
echo hello >&3
read -r -t 10 echo <&3
exec 3>&-
[ "$echo" = hello ]
echo "the README's commands, dependency and program work"
