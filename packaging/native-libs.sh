#!/bin/sh
# Prints what a program that links libbitcask.a needs besides: the system libraries that the compiler names.
#
#   packaging/native-libs.sh ROOT
set -eu
cd "${1:?usage: native-libs.sh ROOT}"
said=$(cargo rustc --quiet -p bitcask-ffi --crate-type staticlib -- --print native-static-libs 2>&1) || {
    echo "$said" >&2
    exit 1
}
echo "$said" | sed -n 's/^note: native-static-libs: //p' | tr ' ' '\n' | awk '!seen[$0]++' | tr '\n' ' ' | sed 's/ *$//'
