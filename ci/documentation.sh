#!/usr/bin/env bash
# The documentation builds without a warning: each link leads somewhere, and each public item is documented.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
