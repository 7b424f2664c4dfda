#!/usr/bin/env bash
# The examples, built as a reader would build them, and talked to on real sockets.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test -p wharf-examples --release
