#!/bin/bash
# Tests `make install`: what is there, and that programs build against it through pkg-config and CMake and then run.
#
#   tests/c/install_test.sh
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$work/log" | head -40
    fi
}

cat >"$work/program.c" <<'C'
#include <bitcask.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    bitcask_db *db;
    uint8_t value[8];
    size_t len;
    if (argc != 2 || bitcask_open(argv[1], NULL, &db, NULL) != BITCASK_OK) return 1;
    if (bitcask_put(db, (const uint8_t *)"k", 1, (const uint8_t *)"value", 5, 0, NULL) != BITCASK_OK) return 2;
    if (bitcask_get_into(db, (const uint8_t *)"k", 1, value, sizeof value, &len, NULL) != BITCASK_OK) return 3;
    if (len != 5 || memcmp(value, "value", 5) != 0 || bitcask_close(db, NULL) != BITCASK_OK) return 4;
    puts(bitcask_version());
    return 0;
}
C

# try LAYOUT PREFIX LIBDIR: installs into a directory of its own and uses what is there.
try() {
    local layout=$1 prefix=$2 libdir=$3 dest=$work/$1
    check "$layout: install" make -s -C "$root" -f install.mk install DESTDIR="$dest" PREFIX="$prefix" LIBDIR="$libdir"
    local lib=$dest$libdir
    local version
    version=$(sed -n 's/^Version: //p' "$lib/pkgconfig/bitcask.pc")
    check "$layout: symbolic links" bash -c "
        test \"\$(readlink '$lib/libbitcask.so')\" = libbitcask.so.0 &&
        test \"\$(readlink '$lib/libbitcask.so.0')\" = 'libbitcask.so.$version' && test -x '$lib/libbitcask.so.$version'"
    check "$layout: nothing else is installed, nothing names the build" bash -c "
        ! grep -rlE '@[A-Z_]+@|$dest' '$lib/pkgconfig' '$lib/cmake' && test -f '$dest$prefix/include/bitcask.h'"

    export PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest
    check "$layout: pkg-config, shared" bash -c "
        cc -Wall -Werror '$work/program.c' -o '$work/shared' \$(pkg-config --cflags --libs bitcask) &&
        LD_LIBRARY_PATH='$lib' '$work/shared' '$work/$layout-shared' | grep -qx '$version' &&
        readelf -d '$work/shared' | grep -q 'NEEDED.*libbitcask.so.0]'"
    # With both libraries in one directory the linker takes the shared one unless it is told the file.
    check "$layout: pkg-config, static" bash -c "
        cc -Wall -Werror '$work/program.c' -o '$work/static' \
            \$(pkg-config --static --cflags --libs bitcask | sed 's/-lbitcask/-l:libbitcask.a/') &&
        '$work/static' '$work/$layout-static' | grep -qx '$version' &&
        ! readelf -d '$work/static' | grep -q 'NEEDED.*bitcask'"

    if command -v cmake >/dev/null; then
        mkdir -p "$work/$layout-cmake"
        cp "$work/program.c" "$work/$layout-cmake"
        cat >"$work/$layout-cmake/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(bitcask $version EXACT REQUIRED CONFIG)
find_package(bitcask ${version%%.*} REQUIRED CONFIG)
add_executable(shared program.c)
target_link_libraries(shared PRIVATE bitcask::bitcask)
add_executable(static program.c)
target_link_libraries(static PRIVATE bitcask::bitcask_static)
CMAKE
        check "$layout: CMake builds both" bash -c "
            cmake -S '$work/$layout-cmake' -B '$work/$layout-cmake/build' -DCMAKE_PREFIX_PATH='$dest$prefix' \
                -Dbitcask_DIR='$lib/cmake/bitcask' && cmake --build '$work/$layout-cmake/build'"
        for kind in shared static; do
            check "$layout: CMake, $kind" bash -c "
                '$work/$layout-cmake/build/$kind' '$work/$layout-cmake-$kind' | grep -qx '$version'"
        done
        check "$layout: CMake refuses a newer version" bash -c "
            echo 'cmake_minimum_required(VERSION 3.16)
project(none NONE)
find_package(bitcask 99 CONFIG QUIET)
if(bitcask_FOUND)
  message(FATAL_ERROR found)
endif()' >'$work/CMakeLists.txt' && cmake -S '$work' -B '$work/newer' -Dbitcask_DIR='$lib/cmake/bitcask'"
        if [ -e "$dest$prefix/include/bitcask.hpp" ]; then
            echo '#include <bitcask.hpp>
int main() {}' >"$work/program.cpp"
            check "$layout: the C++ header" bash -c "
                c++ -std=c++17 -Wall -Werror '$work/program.cpp' -o '$work/cpp' \$(pkg-config --cflags --libs bitcask)"
        fi
    else
        echo "skipped CMake: not installed"
    fi
    unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
    check "$layout: uninstall" bash -c "
        make -s -C '$root' -f install.mk uninstall DESTDIR='$dest' PREFIX='$prefix' LIBDIR='$libdir' &&
        test -z \"\$(find '$dest' ! -type d)\""
}

try local /usr/local /usr/local/lib
try distribution /usr /usr/lib/multiarch-triplet

echo
echo "$passed passed, $failed failed"
test $failed = 0
