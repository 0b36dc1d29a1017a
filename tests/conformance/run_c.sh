#!/bin/sh
# Builds the C library and the C runner, and runs the conformance cases: natively on the disk, then without the large cases and in
# memory under valgrind, which sees what the library does with the caller's memory. Usage: run_c.sh BUILD_DIR
set -eu
[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIR" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

(cd "$root" && cargo build --quiet --release -p bitcask-ffi)
ln -sf "$target/release/libbitcask.so" "$build/libbitcask.so.0" # the SONAME
${CC:-cc} -std=c11 -O1 -g -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I"$root/include" \
    "$root"/tests/conformance/c/*.c -o "$build/conformance_c" -L"$target/release" -l:libbitcask.so -lpthread -Wl,-rpath,"$build"

scratch=$(mktemp -d "$build/scratch.XXXXXX")
# shellcheck source=tests/memory_dir.sh
. "$root/tests/memory_dir.sh"
memory=$(memory_dir "$scratch")
trap 'rm -rf "$scratch" "$memory"' EXIT
"$build/conformance_c" "$root/tests/conformance" "$scratch/case"
# A runner that passes a wrong case does not look.
"$build/conformance_c" "$root/tests/conformance/wrong" "$scratch/case" >"$scratch/wrong" || true
grep -q '^0 passed' "$scratch/wrong" || { cat "$scratch/wrong"; exit 1; }
if command -v valgrind >/dev/null; then
    # Each index kind with one I/O kind, in turn: valgrind is slow, and either has been seen with the same kinds above.
    for combination in btree/mmap hash/file art/mmap skiplist/file bptree/mmap; do
        echo "under valgrind, $combination:"
        valgrind --quiet --fair-sched=try --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
            "$build/conformance_c" --skip-large --index "${combination%/*}" --io "${combination#*/}" "$root/tests/conformance" "$memory/case"
    done
fi
