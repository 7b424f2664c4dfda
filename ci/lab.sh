#!/usr/bin/env bash
# The lab, without its figures: its source is clean, its servers build (those that can't are named), and each that does
# answers every byte and every kind of work. `lab/build` installs what it needs where it may.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --manifest-path lab/Cargo.toml --all --check
cargo clippy --manifest-path lab/Cargo.toml --workspace --all-targets -- -D warnings
# The servers themselves are tested by the last step; the rest has tests of its own.
cargo test --manifest-path lab/Cargo.toml -p runner -p posted -p peer-common
lab/run --check
