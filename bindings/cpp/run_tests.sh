#!/bin/bash
# Tests the C++ binding: the header in every standard and with every compiler that is here, the API tests, the build without
# exceptions, translation units that differ, and the conformance cases; plain, under sanitizers and under valgrind.
#
#   bindings/cpp/run_tests.sh BUILD_DIR    (what is built goes to BUILD_DIR/cpp)
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:?usage: run_tests.sh BUILD_DIR}/cpp
mkdir -p "$build"
build=$(cd "$build" && pwd)
passed=0 failed=0

# check NAME COMMAND...: runs it quietly, shows its output if it fails.
check() {
    local name=$1 log=$build/log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name$(tail -n 1 "$log" | sed -n '/^[1-9].*passed/s/^/: /p')"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        grep -v ' passed, 0 failed$' "$log" | sed 's/^/        /' | head -60
    fi
}

lib=${CARGO_TARGET_DIR:-$root/target}/release
(cd "$root" && cargo build --release --quiet -p bitcask-ffi) || exit 1
lib=$(cd "$lib" && pwd)
ln -sf "$lib/libbitcask.so" "$build/libbitcask.so.0" # the SONAME

includes="-I$here/include -I$root/include"
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor -Werror"
link="-L$lib -l:libbitcask.so -Wl,-rpath,$build -pthread"
scratch=$(mktemp -d "$build/scratch.XXXXXX")
# shellcheck source=tests/memory_dir.sh
. "$root/tests/memory_dir.sh"
memory=$(memory_dir "$scratch")
trap 'rm -rf "$scratch" "$memory"' EXIT
cd "$scratch" || exit 1 # tests make their directories here

# 1. It compiles, without a warning, in every standard. CXX_ALL: the compilers to try.
for compiler in ${CXX_ALL:-g++ clang++}; do
    command -v "$compiler" >/dev/null || { echo "skipped $compiler: not installed"; continue; }
    for standard in c++17 c++20 c++2b; do
        # shellcheck disable=SC2086
        for test in "-fexceptions api" "-fexceptions features" "-fno-exceptions noexceptions"; do
            check "header in $standard, ${test#* }, with $(basename "$compiler")" \
                "$compiler" -std=$standard ${test% *} $warnings $includes -fsyntax-only "$here/tests/${test#* }.cpp"
        done
    done
done

# 2. It works.
# It runs one thread at a time: with this flag each gets its turn, however another one spins.
valgrind="valgrind --quiet --fair-sched=try --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
command -v valgrind >/dev/null || { echo "skipped valgrind: not installed"; valgrind=; }
compile() { # OUTPUT ARGUMENTS...
    # shellcheck disable=SC2086
    "${CXX:-g++}" -g -O1 $warnings $includes "${@:2}" -o "$build/$1" $link
}
# Each program twice: optimised as C++17, plain and under valgrind, and as C++20 with the sanitizers, without optimising, which takes
# twice as long to compile and leaves out accesses. What C++20 becomes when it is optimised, the conformance cases below run.
sanitize="-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"
for program in api features; do
    check "$program, c++17: compiles" compile $program -std=c++17 "$here/tests/$program.cpp"
    check "$program, c++17" "$build/$program"
    [ -n "$valgrind" ] && check "$program, c++17, valgrind" $valgrind "$build/$program"
    # shellcheck disable=SC2086
    check "$program, c++20, sanitized: compiles" compile $program.asan -std=c++20 $sanitize "$here/tests/$program.cpp"
    check "$program, c++20, sanitized" "$build/$program.asan"
done

for standard in c++17 c++2b; do # the second with std::expected
    check "noexceptions, $standard: compiles" compile noexceptions -std=$standard -fno-exceptions "$here/tests/noexceptions.cpp"
    check "noexceptions, $standard" "$build/noexceptions"
done
[ -n "$valgrind" ] && check "noexceptions, valgrind" $valgrind "$build/noexceptions"

mixed() {
    # shellcheck disable=SC2086
    compile mixed1.o -c -std=c++17 -DPART=1 "$here/tests/mixed.cpp" &&
        compile mixed2.o -c -std=c++2b -fno-exceptions -DPART=2 "$here/tests/mixed.cpp" &&
        "${CXX:-g++}" "$build/mixed1.o" "$build/mixed2.o" -o "$build/mixed" $link &&
        "$build/mixed"
}
check "mixed standards in one program" mixed

check "conformance: compiles" compile conformance -std=c++17 "$here/tests/conformance.cpp"
check "conformance" "$build/conformance" "$root/tests/conformance" "$scratch/case"
check "conformance, no exceptions: compiles" compile conformance.try -std=c++20 -fno-exceptions "$here/tests/conformance.cpp"
# The same cases on the same calls, without exceptions: with one I/O kind for each kind of index, and in memory.
check "conformance, no exceptions" "$build/conformance.try" --quick "$root/tests/conformance" "$memory/case"
wrong() { # a runner that passes a wrong case does not look
    "$build/$1" "$root/tests/conformance/wrong" "$scratch/case" | grep '^0 passed'
}
check "conformance: wrong cases fail" wrong conformance
check "conformance, no exceptions: wrong cases fail" wrong conformance.try
# Without the large cases, which valgrind makes slow and no different, with half of the combinations, and in memory.
[ -n "$valgrind" ] &&
    check "conformance, valgrind" $valgrind "$build/conformance" --quick "$root/tests/conformance" "$memory/case"

echo
echo "$passed passed, $failed failed"
test $failed = 0
