#!/usr/bin/env bash
# Every system call that the drivers make, failed once with each error that its manual page names (wharf/tests/faults), and
# what comes of it, as a table. Installs strace where it is missing. About a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v strace > /dev/null || { apt-get update && apt-get install --yes strace; }
WHARF_REQUIRE_STRACE=1 cargo test --package wharf-port --test faults -- "$@"
