#!/usr/bin/env bash
# Counts the instructions of an echo in user space, and the locked ones among them, on both drivers, with one worker and with
# four. Fails if one of them is more than 5% above lab/counts/baseline.json. Counts, no times: how busy the machine is does not
# matter. `ci/counts.sh --write` writes that file: after a change that costs more for a reason, or that costs less.
#
# For Debian 12, with the Rust that the baseline names: other versions of the compiler and of the C library count differently.
# It installs what it needs (as root). Under two minutes on 2 cores the first time, half a minute if it is built.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

need valgrind binutils python3
program=$(lab/counts/build)
counts=$(mktemp -d)
trap 'rm -rf "$counts"' EXIT

drivers=(readiness uring)
if ! "$program" doctor | grep -q '^serve .* driver=uring '; then
    [ -z "${WHARF_REQUIRE_URING:-}" ] || { echo "this kernel does not allow io_uring" >&2 && exit 1; }
    echo "NOT JUDGED: the driver uring, since this kernel does not allow io_uring"
    drivers=(readiness)
fi
for driver in "${drivers[@]}"; do
    for workers in 1 4; do
        lab/counts/count.py "$program" --driver "$driver" --workers "$workers" --json > "$counts/$driver-$workers.json"
    done
done
lab/counts/compare.py "$@" lab/counts/baseline.json "$counts"/*.json
