#!/usr/bin/env bash
# The documentation builds without a warning: no link leads nowhere, no public item is without words.
set -euo pipefail
cd "$(dirname "$0")/.."

RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
