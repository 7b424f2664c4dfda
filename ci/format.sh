#!/usr/bin/env bash
# The source is formatted as rustfmt does it, with no settings of our own.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --version > /dev/null 2>&1 || rustup component add rustfmt
cargo fmt --all --check
