#!/usr/bin/env bash
# Runs the port on the simulated kernel (wharf/tests/simulation), and the runtime on the port (wharf-async/tests/simulation): each
# seed decides the order of the threads and the faults. 10,000 seeds, and the planted bugs that they must find. About six minutes on 2 cores.
#
#   ci/simulate.sh --short          4,000 seeds, and all of the planted bugs: what .ci/run runs
#   ci/simulate.sh --seed 77        one seed again; a failure prints its seed
#   ci/simulate.sh --seeds 1000000  a longer run; --first 10000 begins at that seed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=()
while [ $# -gt 0 ]; do
    case "$1" in
        --short) export WHARF_SEEDS=4000; shift; continue ;;
        --seed) export WHARF_SEED="$2" RUST_BACKTRACE=1; tests=(every_seed --nocapture) ;;
        --seeds) export WHARF_SEEDS="$2"; tests=(every_seed --nocapture) ;;
        --first) export WHARF_FIRST_SEED="$2" ;;
        *) echo "$1 is not known; --seed, --seeds and --first are" >&2; exit 2 ;;
    esac
    [ $# -ge 2 ] || { echo "$1 needs a number" >&2; exit 2; }
    shift 2
done

# Optimised, for the many seeds; but with the checks of a debug build.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg shuttle -C debug-assertions=on -C overflow-checks=on"
# Apart from the ordinary build, which would otherwise be made anew each time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/simulation}"
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

cargo test --package wharf-port --test simulation --release -- "${tests[@]}"
cargo test --package wharf-async --features simulated --test simulation --release -- "${tests[@]}"
