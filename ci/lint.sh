#!/usr/bin/env bash
# No warning, from the compiler or from clippy, in any target. That unsafe code lives in wharf's `driver` and `raw` only,
# and says why it is sound, is among the lints (wharf/src/lib.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --version > /dev/null 2>&1 || rustup component add clippy
cargo clippy --workspace --all-targets -- -D warnings
