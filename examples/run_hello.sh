#!/usr/bin/env bash
# Builds and runs the short program of each language, and compares what it prints with what it should.
# usage: examples/run_hello.sh [c] [cpp] [python] [go] [rust]    (default: all)
set -euo pipefail
# shellcheck source=examples/build.sh
. "$(dirname "$0")/build.sh"

[ $# -gt 0 ] || set -- c cpp python go rust
expected='user:1 is Ada
user:2: Grace
user:3: Edsger'
stores=$built/hello-stores
rm -rf "$stores"
mkdir -p "$stores"
failed=0

case " $* " in *" c "* | *" cpp "*) build_library ;; esac
for lang in "$@"; do
    case "$lang" in
    c) build_c c/hello.c hello-c && run=("$built/hello-c") ;;
    cpp) build_cpp cpp/hello.cpp hello-cpp && run=("$built/hello-cpp") ;;
    python) build_python && run=("$python" "$root/examples/python/hello.py") ;;
    go) build_go ./go hello-go && run=("$built/hello-go") ;;
    rust) build_rust hello && run=("$target/release/hello") ;;
    *)
        echo "unknown language: $lang (known: c cpp python go rust)" >&2
        exit 2
        ;;
    esac
    # Twice: the second run finds what the first one stored.
    for round in first second; do
        if printed=$("${run[@]}" "$stores/$lang") && [ "$printed" = "$expected" ]; then
            echo "ok      hello in $lang, $round run"
        else
            echo "FAILED  hello in $lang, $round run: it printed"
            echo "$printed"
            failed=1
        fi
    done
done
rm -rf "$stores"
exit $failed
