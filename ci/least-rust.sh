#!/usr/bin/env bash
# The library with all of its features and with none, wharf-server, wharf-async, wharf-axum, the examples and the hostile peers build with the least Rust
# (MSRV) that Cargo.toml declares; for Linux, and for Windows if the toolchain can. clippy's incompatible_msrv (ci/lint.sh)
# finds newer parts of the standard library, but no newer syntax. The command and the library's tests need a later Rust, as
# their own Cargo.toml says, and are not built here.
#
# The toolchain is the first of these: the one in the directory LEAST_RUST, with bin/cargo and bin/rustc in it; else rustup's of
# that version; else the system's, if it has that version; else, on Debian 12, the packages of its archive: 115 MB, fetched
# once. They are unpacked in the target directory and not installed, since the security archive's newer ones would have to go;
# the shared libraries that they need are installed (as root). If there is no toolchain, the script says NOT JUDGED, and
# succeeds; with WHARF_REQUIRE_LEAST_RUST set, that is a failure. Six minutes the first time, half a minute after that, on 2
# busy cores. `ci/least-rust.sh --host` leaves Windows out, for which the standard library is checked along: what .ci/run runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. ci/need.bash

least=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")/least-rust
readonly least CARGO_TARGET_DIR unpacked=$CARGO_TARGET_DIR/rust-$least windows=x86_64-pc-windows-gnu
export CARGO_TARGET_DIR

# Says why nothing more is judged. The end of the script.
not_judged() {
    echo "NOT JUDGED: $1"
    [ -z "${WHARF_REQUIRE_LEAST_RUST:-}" ] || exit 1
    exit 0
}

is_least() {
    [ -x "$1/bin/cargo" ] && "$1/bin/rustc" --version | grep -q "^rustc ${least//./\\.}\."
}

debian_version() {
    apt-cache madison rustc-web | cut -d '|' -f 2 | tr -d ' ' | grep -m 1 "^${least//./\\.}\."
}

unpack_debian() {
    local version packages package
    grep -qx 'VERSION_ID="12"' /etc/os-release || not_judged "no Rust $least; say where it is: LEAST_RUST=..."
    need gcc libcurl4 libhttp-parser2.9 libllvm19 libpcre3 libsqlite3-0 libssh2-1
    version=$(debian_version) || { apt-get update && version=$(debian_version); } ||
        not_judged "Debian's archive has no Rust $least any more"
    packages=(cargo-web rustc-web "libstd-rust-web-$least" libstd-rust-web-dev rust-web-src)
    rm -rf "$unpacked" && mkdir -p "$unpacked/packages"
    (cd "$unpacked/packages" && apt-get download "${packages[@]/%/=$version}")
    for package in "$unpacked"/packages/*.deb; do
        dpkg-deb --extract "$package" "$unpacked"
    done
    rm -r "$unpacked/packages"
}

# Sets `prefix` to where the toolchain is.
find_toolchain() {
    if [ -n "${LEAST_RUST:-}" ]; then
        prefix=$LEAST_RUST
        is_least "$prefix" || { echo "LEAST_RUST has no Rust $least" && exit 1; }
    elif prefix=$(rustup run "$least" rustc --print sysroot 2> /dev/null); then
        return
    elif is_least /usr 2> /dev/null; then
        prefix=/usr
    else
        prefix=$unpacked/usr
        # Debian keeps the compiler proper in a folder that the system's loader would look for at its usual place.
        LD_LIBRARY_PATH=$prefix/lib/x86_64-linux-gnu
        export LD_LIBRARY_PATH
        is_least "$prefix" 2> /dev/null || unpack_debian
    fi
}

check() {
    echo "== check $*"
    RUSTC=$prefix/bin/rustc "$prefix/bin/cargo" check --locked "$@"
}

check_all() {
    check --package wharf-port --all-features "$@"
    check --package wharf-port --no-default-features "$@"
    check --package wharf-async --all-features "$@"
    check --package wharf-axum --all-features "$@"
    check --package wharf-server --package wharf-examples --package wharf-hostile --lib --bins --examples --all-features "$@"
}

find_toolchain
"$prefix/bin/rustc" --version
is_least "$prefix"
check_all
[ "${1:-}" != --host ] || exit 0

# Debian's has the source of the standard library only, which is then checked along.
rustlib=$("$prefix/bin/rustc" --print sysroot)/lib/rustlib
if [ -d "$rustlib/$windows" ]; then
    check_all --target "$windows"
elif [ -d "$rustlib/src/rust/library" ]; then
    export RUSTC_BOOTSTRAP=1
    check_all --target "$windows" -Zbuild-std=std,panic_unwind
else
    not_judged "Windows: the toolchain has neither the target $windows nor the source of the standard library"
fi
