#!/usr/bin/env bash
# Model-checks the scheduler, and the waits, locks and moving sockets of wharf-win32: runs wharf/src/scheduler/model.rs and
# wharf-win32/src/{objects,locks,socket}/model.rs under loom, which runs a few threads in every order that takes at most LOOM_MAX_PREEMPTIONS
# pre-emptions (3 unless set; 2 takes seconds, each more about twenty times as long). Arguments go to the tests:
# `ci/model.sh close` runs those whose names begin with "close". If a test fails, run it alone with LOOM_LOG=trace
# LOOM_LOCATION=1 to see the order. Takes about four minutes on 2 cores, and fails if the models take more than 8. `ci/model.sh --short` has at
# most two pre-emptions: what .ci/run runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --short ]; then
    LOOM_MAX_PREEMPTIONS=2
    shift
fi

# Optimised, for the many orders; but with the checks that a count can't go below 0.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg loom -C debug-assertions=on -C overflow-checks=on"
# Apart from the ordinary build, which would otherwise be made anew each time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/model}"
export LOOM_MAX_PREEMPTIONS="${LOOM_MAX_PREEMPTIONS:-3}"

cargo test --package wharf-port --package wharf-win32 --lib --release --no-run
exec timeout 480 cargo test --package wharf-port --package wharf-win32 --lib --release -- "::model::${1:-}" "${@:2}"
