#!/usr/bin/env bash
# Hostile peers against `wharf serve`. Beside each peer, polite clients must be answered as beside idle ones, and no peer may
# leave anything behind (hostile/src/bench.rs says what is judged). Each peer runs once, on one driver in turn, at --max-clients
# 1000: a bit more than two minutes on 2 cores, 15 s more for each that fails; and a minute or two to build.
#
#   ci/hostile.sh --full                           both drivers, each --app, 4,000 clients, 10 s each: about fifteen minutes
#   ci/hostile.sh --peers single-bytes --driver uring    one peer again, as its line names it; --app work likewise
#   ci/hostile.sh --list                           the peers, and what each does
#   ci/hostile.sh --peers resets -- --idle-timeout 5s    with other options of `wharf serve`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A thousand clients are as many files, in the server and in the peer.
ulimit -n "$(ulimit -Hn)" || true

# Each by itself: together they would be built with features that the command alone does not have, and for this step only.
cargo build --release --package wharf-cli
cargo build --release --package wharf-hostile
built=${CARGO_TARGET_DIR:-target}/release

arguments=(--max-clients 1000)
case "${1:-}" in
    --full)
        shift
        arguments=(--max-clients 4000 --driver both --app both --seconds 10)
        ;;
esac
# If an option is given twice, the last one counts.
exec "$built/hostile" --server "$built/wharf" "${arguments[@]}" "$@"
