#!/usr/bin/env bash
# What only a feature of a package brings: its lints and its tests.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --package wharf-server --all-targets --all-features -- -D warnings
cargo test --package wharf-server --all-features --test sessions tokio_util
cargo test --package wharf-server --all-features --doc
# Without hyper, which other packages of the repository turn on.
cargo clippy --package wharf-async -- -D warnings
cargo clippy --package wharf-async --all-targets --all-features -- -D warnings
