#!/usr/bin/env bash
# Runs a server under load for ten minutes, or for the seconds of the first argument: its clients reset, flood, fall silent and
# cancel everything. Memory, descriptors and threads of the server and of its clients must stay flat (wharf-cli/tests/soak.rs). They are built as
# all tests are, with the checks that a release does without.
set -euo pipefail
cd "$(dirname "$0")/.."

export WHARF_SOAK_SECONDS="${1:-600}"
cargo test --workspace --test soak -- --ignored --nocapture
