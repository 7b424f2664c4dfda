#!/usr/bin/env bash
# The examples build as a reader would build them, and answer on real sockets (examples/smoke.rs, examples/web/smoke.rs). They are built as all
# tests are: nothing is built for this step alone. Then clients of others talk to those of the web: curl, gRPC for Python (of PyPI), and a
# browser without a window. For Debian 12: it installs what it needs (as root), Chromium and PostgreSQL among it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

need postgresql chromium curl python3-venv
export WHARF_REQUIRE_POSTGRES=1
cargo test --workspace --no-run
cargo test --workspace --test smoke --test web

examples=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/examples
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT
readonly examples work

# Starts an example, whose input stays open. Sets `server` and `address`.
start() {
    rm -f "$work/output" "$work/input"
    mkfifo "$work/input"
    "$examples/$1" --listen 127.0.0.1:0 < "$work/input" > "$work/output" 2> "$work/errors" &
    server=$!
    exec 3> "$work/input"
    until grep -q '^listening on ' "$work/output"; do
        kill -0 "$server"
        sleep 0.05
    done
    address=$(sed -n 's/^listening on //p' "$work/output")
}

# Ends its input, and sees it end in order.
stop() {
    exec 3>&-
    wait "$server"
    server=
    grep -q '^stopped' "$work/output"
}

echo '== TLS: curl, over both versions of HTTP; new certificates at SIGHUP'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=one \
    -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/chain.pem" 2> /dev/null
export TLS_CERT=$work/chain.pem TLS_KEY=$work/key.pem
start axum_tls
url=https://localhost:${address##*:}/
curl --silent --fail --cacert "$work/chain.pem" --http1.1 "$url" | tee /dev/stderr | grep -q ', http/1.1$'
curl --silent --fail --cacert "$work/chain.pem" --http2 "$url" | tee /dev/stderr | grep -q ', h2$'
cp "$work/chain.pem" "$work/before.pem"
echo nonsense > "$work/chain.pem"
kill -HUP "$server"
until grep -q 'stay as they are' "$work/errors"; do sleep 0.05; done
curl --silent --fail --cacert "$work/before.pem" "$url" > /dev/null
openssl req -x509 -key "$work/key.pem" -days 2 -subj /CN=two \
    -addext subjectAltName=DNS:localhost -out "$work/chain.pem" 2> /dev/null
kill -HUP "$server"
until grep -q 'are new' "$work/errors"; do sleep 0.05; done
curl --silent --fail --cacert "$work/chain.pem" "$url" > /dev/null
curl --silent --fail --cacert "$work/before.pem" "$url" > /dev/null && exit 1
stop

echo '== gRPC: a client of Python'
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check grpcio
start grpc
"$work/python/bin/python" - "$address" << 'END'
import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])
# Messages of one field, by hand: protoc is not asked for.
add = channel.unary_unary("/wharf.sums.Sums/Add", request_serializer=bytes, response_deserializer=bytes)
assert add(b"\x0a\x03\x01\x02\x27", timeout=10) == b"\x08\x2a"
count = channel.unary_stream("/wharf.sums.Sums/Count", request_serializer=bytes, response_deserializer=bytes)
assert list(count(b"\x08\x03", timeout=10)) == [b"\x08\x01", b"\x08\x02", b"\x08\x03"]
# Fifty that block at once, while one is answered.
slow = [add.future(b"\x0a\xe8\x07" + bytes([1]) * 1000, timeout=60) for _ in range(50)]
assert add(b"\x0a\x01\x05", timeout=10) == b"\x08\x05"
assert all(it.result() == b"\x08\xe8\x07" for it in slow)
try:
    add(b"\xff", timeout=10)
    raise AssertionError("nonsense was taken")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.INTERNAL, error
print("added, counted, refused")
END
stop

echo '== WebSockets: a browser'
start web_chat
# It shows the page as it was loaded, which need not be after the first message: so it is asked again.
for _ in 1 2 3 4 5; do
    timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/browser" --virtual-time-budget=5000 \
        --dump-dom "http://$address/?name=robot&say=%3Cb%3Eahoy%3C/b%3E" 2> /dev/null > "$work/page"
    ! grep -F 'robot: &lt;b&gt;ahoy&lt;/b&gt;' "$work/page" || break
done
grep -qF 'robot: &lt;b&gt;ahoy&lt;/b&gt;' "$work/page"
stop
