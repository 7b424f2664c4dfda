#!/usr/bin/env bash
# Checks the lab without measuring: its source has no warning, its servers build (the script names those that can't), and each
# server that was built answers every byte and every kind of work. `lab/build` installs the packages that it needs if it may.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --manifest-path lab/Cargo.toml --all --check
cargo clippy --manifest-path lab/Cargo.toml --workspace --all-targets -- -D warnings
# The servers themselves are tested by the last step; the rest has tests of its own.
cargo test --manifest-path lab/Cargo.toml -p runner -p posted -p tasks -p peer-common
lab/run --check
