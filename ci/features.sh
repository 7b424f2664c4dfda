#!/usr/bin/env bash
# What only a feature of a package brings: its lints and its tests.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy --package wharf-server --all-targets --all-features -- -D warnings
cargo test --package wharf-server --all-features --test sessions tokio_util
cargo test --package wharf-server --all-features --test metrics --test no_allocation
cargo test --package wharf-server --all-features --test tls
cargo test --package wharf-server --all-features --doc
# Without metrics, which the command turns on.
cargo clippy --package wharf-server --all-targets -- -D warnings
cargo test --package wharf-async --features metrics,simulated --test metrics --test simulated
# Without hyper and tokio's context, which other packages of the repository turn on, and without the macros.
cargo clippy --package wharf-async --no-default-features -- -D warnings
cargo clippy --package wharf-async --all-targets --all-features -- -D warnings
# Without TLS and WebSockets, which its own tests turn on.
cargo clippy --package wharf-axum -- -D warnings
