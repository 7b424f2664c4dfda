#!/usr/bin/env bash
# A server under load for ten minutes, or as many seconds as the first argument says: clients that reset, flood, fall silent,
# cancel everything. Memory, descriptors and threads of the server and of its clients have to stay flat (wharf-cli/tests/soak.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

export WHARF_SOAK_SECONDS="${1:-600}"
cargo test --package wharf-cli --release --test soak -- --ignored --nocapture
