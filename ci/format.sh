#!/usr/bin/env bash
# The source is formatted by rustfmt with its default settings.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --version > /dev/null 2>&1 || rustup component add rustfmt
cargo fmt --all --check
