#!/bin/sh
# Builds the static library from this checkout and puts it where cgo.go looks for it. Usage: build-lib.sh
#
# The copy lies in lib/<os>_<arch>/, which git ignores. Go does not notice when a library it links has changed, so
# libstamp.h is written beside the sources with the digests of library and header: a changed one makes Go link, and
# test, anew.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml" -p bitcask-ffi

lib=$here/lib/$(go env GOOS)_$(go env GOARCH)
mkdir -p "$lib"
cp "$target/release/libbitcask.a" "$lib/libbitcask.a.new"
mv "$lib/libbitcask.a.new" "$lib/libbitcask.a"

digest() { sha256sum <"$1" 2>/dev/null | cut -d' ' -f1 || shasum -a 256 <"$1" | cut -d' ' -f1; }
stamp=$here/libstamp.h
{
    echo "/* Written by build-lib.sh, so that Go notices a changed library. */"
    echo "/* libbitcask.a $(digest "$lib/libbitcask.a") */"
    echo "/* bitcask.h $(digest "$root/include/bitcask.h") */"
} >"$stamp.new"
if cmp -s "$stamp.new" "$stamp"; then rm "$stamp.new"; else mv "$stamp.new" "$stamp"; fi
