#!/bin/bash
# Tests the C ABI: the header in every standard, the exported symbols, the SONAME, and the C programs beside this file
# against the shared and the static library, under sanitizers and valgrind.
#
#   tests/c/run.sh BUILD_DIR    (what is built goes there; LONG=1: many more rounds of threads, and ThreadSanitizer)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:?usage: run.sh BUILD_DIR}
mkdir -p "$build"
build=$(cd "$build" && pwd)/c
mkdir -p "$build"
passed=0 failed=0

# check NAME COMMAND...: runs it quietly, shows its output if it fails.
check() {
    local name=$1 log=$build/log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$log" | head -60
    fi
}

target=${CARGO_TARGET_DIR:-$root/target}
lib=$target/release
(cd "$root" && cargo build --release --quiet -p bitcask-ffi) || exit 1
version=$(cd "$root" && cargo pkgid -p bitcask-ffi | sed 's/.*[#@]//')
system_libs=$("$root/packaging/native-libs.sh" "$root") || exit 1

# 1. The header, alone, in every standard.
echo '#include "bitcask.h"' >"$build/alone.c"
cp "$build/alone.c" "$build/alone.cpp"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || { echo "skipped $compiler: not installed"; continue; }
    for standard in c99 c11 c17; do
        check "header as $standard with $compiler" $compiler -std=$standard -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only -I"$root/include" "$build/alone.c"
    done
    for standard in c++17 c++20; do
        check "header as $standard with $compiler" ${compiler/gcc/g++} -std=$standard -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only -I"$root/include" "$build/alone.cpp"
    done
done
check "header is what the sources give" bash -c "cd '$root' && cargo run --quiet -p xtask -- header --check"

# Valgrind itself gives up in a child that is forked while another thread maps memory, which says nothing of the program: then it is run again.
memcheck() {
    local try out status
    for try in 1 2 3 4 5 6 7 8; do
        out=$(valgrind --quiet --fair-sched=try --error-exitcode=9 --errors-for-leak-kinds=definite,indirect \
            --show-leak-kinds=definite,indirect "$@" 2>&1)
        status=$?
        if [ $status -eq 0 ] || ! grep -q 'aspacem assertion failed' <<<"$out"; then break; fi
    done
    [ $status -eq 0 ] || echo "$out"
    return $status
}

# 2. The shared library exports the header's functions and nothing else.
symbols() {
    grep -oE '\bbitcask_[a-z_]+\(' "$root/include/bitcask.h" | tr -d '(' | sort -u >"$build/declared"
    nm -D --defined-only "$lib/libbitcask.so" | awk '{print $3}' | sort -u >"$build/exported"
    test "$(wc -l <"$build/declared")" -gt 40 && diff "$build/declared" "$build/exported"
}
soname() {
    readelf -d "$lib/libbitcask.so" | grep -F 'Library soname: [libbitcask.so.0]'
}
check "exported symbols" symbols
check "SONAME" soname

# 3. The programs.
ln -sf "$lib/libbitcask.so" "$build/libbitcask.so.0"
flags="-std=c11 -g -O1 -Wall -Wextra -Werror -pthread -I$root/include -DEXPECTED_VERSION=\"$version\""
shared="-L$lib -Wl,-rpath,$build -l:libbitcask.so"
export TMPDIR=${TMPDIR:-$build}
rounds=300
[ -n "${LONG:-}" ] && rounds=3000
for program in basic iterate durable transactions expiry opening merge misuse handles fork fork_merge threads beside; do
    source=$root/tests/c/$program.c
    argument=
    [ $program = threads ] && argument=$rounds
    # shellcheck disable=SC2086
    {
        check "$program: compiles, shared" gcc $flags "$source" -o "$build/$program" $shared
        check "$program: compiles, static" gcc $flags "$source" -o "$build/$program.static" "$lib/libbitcask.a" $system_libs
        check "$program: compiles, sanitized" gcc $flags -fsanitize=address,undefined -fno-sanitize-recover=all \
            "$source" -o "$build/$program.asan" $shared
        check "$program: shared" "$build/$program" $argument
        check "$program: static" "$build/$program.static" $argument
        check "$program: address and undefined-behaviour sanitizers" "$build/$program.asan" $argument
        # ThreadSanitizer ends a child of a threaded process that starts threads, so fork is not for it.
        if [ -n "${LONG:-}" ] && [ "${program%_merge}" != fork ]; then
            check "$program: compiles, thread sanitizer" gcc $flags -fsanitize=thread "$source" -o "$build/$program.tsan" $shared
            # It doesn't see the atomics inside of the library, so it is to look at the program's own accesses only.
            echo 'called_from_lib:libbitcask.so' >"$build/tsan.supp"
            check "$program: thread sanitizer" env TSAN_OPTIONS="halt_on_error=1 suppressions=$build/tsan.supp" \
                "$build/$program.tsan" ${argument:+300}
        fi
        if command -v valgrind >/dev/null; then
            # A forked child has the parent's memory but not its threads, so all that only they held counts as leaked. What
            # the standard library keeps for the main thread counts as possibly lost. A thread that spins must let others have their turn.
            leaks=full
            [ "${program%_merge}" = fork ] && leaks=no
            check "$program: valgrind" memcheck --leak-check=$leaks "$build/$program" ${argument:+20}
        else
            echo "skipped $program under valgrind: not installed"
        fi
    }
done

echo
echo "$passed passed, $failed failed"
test $failed = 0
