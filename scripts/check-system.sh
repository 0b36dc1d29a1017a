#!/usr/bin/env bash
# Says which system packages are missing for the named languages, and how to install them. Installs nothing.
# usage: scripts/check-system.sh [rust] [c] [cpp] [python] [go] [bench]
set -euo pipefail

missing=()
packages=()
need() { # command, Debian package, what for
    if ! command -v "$1" >/dev/null 2>&1; then
        missing+=("$1 ($3)")
        packages+=("$2")
    fi
}

at_least() { # name, found, wanted
    [ "$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n1)" = "$3" ] || missing+=("$1 $3 or newer (found $2)")
}

need cc gcc "to link"
if command -v cargo >/dev/null 2>&1; then
    at_least rustc "$(rustc --version | cut -d' ' -f2)" 1.90
else
    missing+=("cargo and rustc 1.90 or newer, from https://rustup.rs")
fi
for lang in "$@"; do
    case "$lang" in
    rust) need python3 python3 "to check the golden vectors" ;;
    c | cpp)
        need g++ g++ "to compile C++"
        need valgrind valgrind "to check memory"
        need pkg-config pkg-config "to test the installed library"
        need cmake cmake "to test the CMake package"
        need nm binutils "to compare the exported symbols"
        ;;
    python)
        need python3 python3 "3.10 or newer"
        if command -v python3 >/dev/null 2>&1; then
            at_least python3 "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" 3.10
            python3 -c 'import venv, ensurepip' 2>/dev/null || {
                missing+=("the venv module of Python")
                packages+=(python3-venv)
            }
        fi
        ;;
    go)
        if command -v go >/dev/null 2>&1; then
            at_least go "$(go env GOVERSION | sed 's/^go//')" 1.25
        else
            missing+=("go 1.25 or newer, from https://go.dev/dl")
        fi
        ;;
    bench)
        need g++ g++ "to compile RocksDB"
        # bindgen loads the library, which has no name that a command could be asked for.
        libclang=("${LIBCLANG_PATH:-/nowhere}"/libclang*.so* /usr/lib*/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib/llvm*/lib*/libclang*.so*)
        found=
        for file in "${libclang[@]}"; do [[ $file == *cpp* || ! -e $file ]] || found=yes; done
        if [ -z "$found" ]; then
            missing+=("libclang (to read RocksDB's header)")
            packages+=(libclang-dev)
        fi
        ;;
    *)
        echo "unknown language: $lang (known: rust c cpp python go bench)" >&2
        exit 2
        ;;
    esac
done

if [ "${#missing[@]}" -gt 0 ]; then
    echo "Missing on this system:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    if [ "${#packages[@]}" -gt 0 ]; then
        echo "On Debian or Ubuntu: apt-get install $(printf '%s\n' "${packages[@]}" | sort -u | tr '\n' ' ')" >&2
    fi
    exit 1
fi
