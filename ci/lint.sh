#!/usr/bin/env bash
# No warning, from the compiler or from clippy, in any target; nor in the raw (unsafe) layer built alone. Two of the lints
# (wharf/src/lib.rs, wharf-async/src/lib.rs): unsafe code is in wharf's `driver`, `raw` and `record` and in wharf-async's `task` only,
# and says why it is sound.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --version > /dev/null 2>&1 || rustup component add clippy
cargo clippy --workspace --all-targets -- -D warnings
# Without its default feature `safe`, the library is the raw layer.
cargo clippy --package wharf-port --no-default-features --lib -- -D warnings
cargo clippy --package wharf-port --no-default-features --features simulated --lib -- -D warnings
