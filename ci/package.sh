#!/usr/bin/env bash
# Checks that the packages to be released are complete: makes them as for the registry, unpacks them in a folder apart from the
# repository, and builds them there, with their tests, their documentation and the programs of their READMEs. Each must have its
# licences and no large file, and no other package of the repository may be released by mistake.
#
# `cargo package` would build each package by itself, with all that it depends on; here they are built together.
# About two and a half minutes on 2 cores the first time, once the registry's packages are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly released=(wharf-port wharf-tls wharf-server wharf-async-macros wharf-async wharf-axum wharf-cli)
CARGO_TARGET_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
readonly unpacked=$CARGO_TARGET_DIR/packages-unpacked

fail() {
    echo "$1" >&2
    exit 1
}

# Each package of the repository, in whichever workspace, is among those above or says that it is not for release.
check_others() {
    local manifest name
    while read -r manifest; do
        name=$(sed -n '/^\[package\]/,/^\[[^p]/s/^name = "\(.*\)"$/\1/p' "$manifest" | head -1)
        [ -n "$name" ] || continue
        if [[ " ${released[*]} " == *" $name "* ]]; then
            ! grep -qE '^publish\b' "$manifest" || fail "$manifest: $name is to be released, and says \`publish\`"
        else
            grep -qE '^publish( = false|\.workspace = true)$' "$manifest" || fail "$manifest lacks \`publish = false\`"
        fi
    done < <(git ls-files '*Cargo.toml')
    grep -qx 'publish = false' lab/Cargo.toml || fail "lab/Cargo.toml lacks \`publish = false\`"
}

# The names have no version in them, so that the workspace below needs none. A package's files bear one date for ever; they get
# that of now, or cargo would take an earlier build of them for this one.
unpack() {
    local package=$1 crate
    crate=$CARGO_TARGET_DIR/package/$package-$2.crate
    mkdir -p "$unpacked/$package"
    tar --extract --touch --gzip --file "$crate" --directory "$unpacked/$package" --strip-components 1
    [ "$(stat --format=%s "$crate")" -le $((1 << 20)) ] || fail "$crate is larger than 1 MiB"
}

check_contents() {
    local folder=$unpacked/$1 file found
    for file in LICENSE-MIT LICENSE-APACHE; do
        cmp "$file" "$folder/$file"
    done
    for file in description documentation keywords categories readme license; do
        # A command has no documentation.
        [ "$1 $file" = "wharf-cli documentation" ] || grep -q "^$file = " "$folder/Cargo.toml" ||
            fail "$1 has no $file"
    done
    [ -s "$folder/README.md" ] || fail "$1 has no README"
    found=$(cd "$folder" && find . -type f ! -name '*.rs' ! -name '*.md' ! -name 'LICENSE-*' ! -name 'Cargo.*' \
        ! -name .cargo_vcs_info.json)
    [ -z "$found" ] || fail "$1 has what no package needs: $found"
    found=$(find "$folder" -type f -size +256k ! -name Cargo.lock)
    [ -z "$found" ] || fail "$1 has what is too large: $found"
}

check_others
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
cargo package --locked --allow-dirty --no-verify "${released[@]/#/--package=}"

rm -rf "$unpacked"
for package in "${released[@]}"; do
    unpack "$package" "$version"
    check_contents "$package"
done
cp Cargo.lock "$unpacked/"
cat > "$unpacked/Cargo.toml" << END
[workspace]
resolver = "3"
members = [$(printf '"%s", ' "${released[@]}")]

[patch.crates-io]
wharf-port = { path = "wharf-port" }
wharf-tls = { path = "wharf-tls" }
wharf-server = { path = "wharf-server" }
wharf-async-macros = { path = "wharf-async-macros" }
wharf-async = { path = "wharf-async" }
wharf-axum = { path = "wharf-axum" }
END
# The target directory is the repository's own, as what the packages depend on is there already.
cd "$unpacked"
cargo check --workspace --all-targets --all-features
# As the documentation is built for readers: what is public, of the package alone. That of the macros is in wharf-async's.
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features --package wharf-port --package wharf-tls --package wharf-server --package wharf-async --package wharf-axum
# The names of the programs in a README have `Readme` in them; that there is one of each keeps this from judging nothing.
for package in wharf-port wharf-server wharf-async wharf-axum; do
    cargo test --doc --package "$package" Readme | tee "$unpacked/output"
    grep -q 'Readme (line [0-9]*).* ok$' "$unpacked/output" || fail "$package: no program of its README was compiled"
done
