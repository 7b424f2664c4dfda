#!/usr/bin/env bash
# Runs a server under load for ten minutes, or for the seconds of the first argument: its clients reset, flood, fall silent and
# cancel everything. Memory, descriptors and threads of the server and of its clients must stay flat (wharf-cli/tests/soak.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

export WHARF_SOAK_SECONDS="${1:-600}"
cargo test --package wharf-cli --release --test soak -- --ignored --nocapture
