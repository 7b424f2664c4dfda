#!/usr/bin/env bash
# Makes every system call of the drivers fail once with each error that its manual page names (wharf/tests/faults), and prints
# the outcomes as a table. An argument is the name of one call. Installs strace if it is missing. About a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v strace > /dev/null || { apt-get update && apt-get install --yes strace; }
WHARF_REQUIRE_STRACE=1 cargo test --package wharf-port --test faults -- "$@"
