#!/usr/bin/env bash
# The examples build as a reader would build them, and answer on real sockets (examples/smoke.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test -p wharf-examples --release
