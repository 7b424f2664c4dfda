#!/usr/bin/env bash
# No warning, from the compiler or from clippy, in any target; and the rules about `unsafe` that no linter knows.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --version > /dev/null 2>&1 || rustup component add clippy
cargo clippy --workspace --all-targets -- -D warnings

# Unsafe code lives in the driver and in the raw layer only. Tests of the raw layer, of allocation, and of what a whole
# process does need it too.
strays=$(grep -rlE '\bunsafe\b *(\{|fn|impl)' --include='*.rs' . \
    | grep -vE '^\./(target|lab/target)/|^\./wharf/src/(driver|raw)/|^\./wharf/tests/(raw|no_allocation|leaks|process)\.rs' || true)
if [ -n "$strays" ]; then
    printf 'unsafe code outside of wharf/src/driver and wharf/src/raw:\n%s\n' "$strays"
    exit 1
fi
