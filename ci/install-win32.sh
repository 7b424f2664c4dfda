#!/usr/bin/env bash
# Builds wharf-win32 and installs it: library, headers, pkg-config file, CMake package, and the wrappers wharf-cc and wharf-c++.
#
#     ci/install-win32.sh                       into /usr/local
#     PREFIX=~/.local ci/install-win32.sh       for one user
#     DESTDIR=root PREFIX=/usr ci/install-win32.sh     below another folder, as packages are made
#
# Programs that are built by what pkg-config says find the library where it is, also if that is none of the system's folders: their
# run path names it. PROFILE=dev installs the build for debugging. A C compiler and cargo are needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly prefix=${PREFIX:-/usr/local} profile=${PROFILE:-release}
readonly root=${DESTDIR:-}$prefix source=wharf-win32
target=${CARGO_TARGET_DIR:-target}/$([ "$profile" = dev ] && echo debug || echo "$profile")
readonly target

# What programs need that are linked with the static library: rustc says it.
said=$(mktemp)
objects=$(mktemp -d)
trap 'rm -rf "$said" "$objects"' EXIT
cargo rustc --package wharf-win32 --lib --profile "$profile" -- --print native-static-libs 2>&1 | tee "$said" >&2
private=$(sed -n 's/^note: native-static-libs: //p' "$said" | tail -n 1)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)

# pkg-config puts in the folder. The loader looks in these two by itself.
# shellcheck disable=SC2016
run_path=' -Wl,-rpath,${libdir}'
[ "$prefix" != /usr ] && [ "$prefix" != /usr/local ] || run_path=

fill_in() {
    sed -e "s|@PREFIX@|$prefix|" -e "s|@RUN_PATH@|$run_path|" -e "s|@VERSION@|$version|" -e "s|@PRIVATE@|${private:--lpthread -ldl -lm -lc}|" "$1"
}

install -d "$root/lib/pkgconfig" "$root/lib/cmake/WharfWin32" "$root/bin" "$root/include/wharf"
install -m 755 "$target/libwharf_win32.so" "$root/lib/libwharf_win32.so.0"
ln -sf libwharf_win32.so.0 "$root/lib/libwharf_win32.so"
install -m 644 "$target/libwharf_win32.a" "$root/lib/"

for part in main start low_memory; do
    "${CC:-cc}" -O2 -fPIC -c "$source/manners/$part.c" -o "$objects/$part.o"
done
rm -f "$root/lib/libwharf_msvc.a"
ar rcs "$root/lib/libwharf_msvc.a" "$objects"/*.o

rm -rf "$root/include/wharf/win32" "$root/include/wharf/msvc"
cp -r "$source/include/wharf/win32" "$source/manners/include/wharf/msvc" "$root/include/wharf/"
# Other spellings include the one in lower case.
grep -v '^#' "$source/spellings.txt" | while read -r spelling; do
    header=${spelling,,}
    for folder in "$root"/include/wharf/{win32,msvc}; do
        [ ! -e "$folder/$header" ] || printf '#include "%s"\n' "$header" > "$folder/$spelling"
    done
done
fill_in "$source/wharf-win32.pc.in" > "$root/lib/pkgconfig/wharf-win32.pc"
fill_in "$source/WharfWin32Config.cmake.in" > "$root/lib/cmake/WharfWin32/WharfWin32Config.cmake"
install -m 755 "$source/manners/wharf-c++" "$root/bin/wharf-c++"
ln -sf wharf-c++ "$root/bin/wharf-cc"
[ -n "${DESTDIR:-}" ] || [ "$prefix" != /usr/local ] || ldconfig
echo "installed in $root"
