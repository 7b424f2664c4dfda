#!/usr/bin/env bash
# What a release must pass besides .ci/run. To be run by hand, since the tools are built from source:
#
#   deny        the dependencies' licences and sources (deny.toml). Advisories are not checked, since their database is a
#               repository on the network: `cargo deny check advisories`.
#   features    each set of features of each released package, through clippy.
#   semver      the API of the libraries against an earlier revision: WHARF_BASELINE, else the newest tag v*, else the one that
#               docs/api/baseline names. A change that breaks a program needs a new 0.x version, and a line in CHANGELOG.md.
#   api         the public API on Linux is what docs/api/*.txt lists. `ci/release.sh api --write` writes the lists, to be
#               committed with the change.
#
# Without an argument, all of them run in this order; else the ones that are named. They take about two minutes on 2 cores. If
# the tools are not in the target directory (target/tools) in the versions below, they are installed there; each takes some
# minutes to build. They need a C compiler, pkg-config and OpenSSL's headers, which are installed on Debian (as root). `api`
# needs a nightly toolchain too, whose documentation data the tool can read: that of 2026-05-19 is known to work. Without one
# the script says NOT JUDGED, or fails if WHARF_REQUIRE_NIGHTLY is set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

readonly libraries=(wharf-port wharf-tls wharf-server wharf-async wharf-axum) packages=(wharf-port wharf-tls wharf-server wharf-async-macros wharf-async wharf-axum wharf-cli)
CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
readonly tools=$CARGO_TARGET_DIR/tools
PATH=$tools/bin:$PATH

# Installs a tool unless that version of it is there. Little is optimized: the tool runs for seconds, and its build takes minutes.
tool() {
    local name=$1 version=$2
    grep -qs "^\"$name $version " "$tools/.crates.toml" && return
    ! command -v dpkg-query > /dev/null || need gcc pkg-config libssl-dev
    echo "== $name $version is built"
    # In a directory of its own that goes afterwards.
    env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 \
        cargo install --locked --debug --root "$tools" "$name@$version"
}

deny() {
    tool cargo-deny 0.20.2
    cargo deny check licenses bans sources
}

features() {
    tool cargo-hack 0.6.46
    # Tests' dependencies do not turn features on here, since no test is built.
    cargo hack clippy --feature-powerset "${packages[@]/#/--package=}" -- -D warnings
}

baseline() {
    if [ -n "${WHARF_BASELINE:-}" ]; then
        echo "$WHARF_BASELINE"
    else
        git describe --tags --abbrev=0 --match 'v*' 2> /dev/null || cat docs/api/baseline
    fi
}

semver() {
    tool cargo-semver-checks 0.51.0
    local revision
    revision=$(baseline)
    [ -n "$revision" ] || { echo "no revision to compare with; say WHARF_BASELINE" && exit 1; }
    echo "compared with $(git log -1 --format='%h %s' "$revision")"
    cargo semver-checks "${libraries[@]/#/--package=}" --baseline-rev "$revision"
}

# What a package's users may name, without what the compiler derives for every type.
list() {
    cargo public-api --package "$1" --all-features --omit blanket-impls,auto-derived-impls --color=never
}

api() {
    if ! rustup run nightly rustc --version; then
        echo "NOT JUDGED: no nightly toolchain; rustup toolchain install nightly"
        [ -z "${WHARF_REQUIRE_NIGHTLY:-}" ] || exit 1
        return
    fi
    tool cargo-public-api 0.52.0
    local package
    listed=$(mktemp -d)
    trap 'rm -rf "$listed"' EXIT
    for package in "${libraries[@]}"; do
        list "$package" > "$listed/$package.txt"
        [ -s "$listed/$package.txt" ] || { echo "$package has no public API" && exit 1; }
    done
    if [ "${1:-}" = --write ]; then
        mkdir -p docs/api
        cp "$listed"/*.txt docs/api/
    else
        diff --unified --exclude=baseline docs/api "$listed" ||
            { echo "the public API is another than docs/api says; if it is meant: ci/release.sh api --write" && exit 1; }
    fi
}

if [ "$*" = "api --write" ]; then
    api --write
    exit
fi
[ $# -gt 0 ] || set -- deny features semver api
for step in "$@"; do
    case $step in
        deny | features | semver | api)
            printf '\n== %s\n' "$step"
            "$step"
            ;;
        *)
            echo "$step? One of: deny, features, semver, api, or api --write"
            exit 2
            ;;
    esac
done
