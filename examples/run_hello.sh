#!/usr/bin/env bash
# Builds and runs the short program of each language, and that of the README, and compares what they print with what they should.
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
    run=() readme=() shows=
    # A build that fails ends the script: none may be a part of a list of && or ||, where set -e is off.
    case "$lang" in
    c)
        build_c c/hello.c hello-c
        run=("$built/hello-c")
        build_c c/readme.c readme-c
        readme=("$built/readme-c") shows=Ada
        ;;
    cpp)
        build_cpp cpp/hello.cpp hello-cpp
        run=("$built/hello-cpp")
        build_cpp cpp/readme.cpp readme-cpp
        readme=("$built/readme-cpp") shows=$'Ada\nuser:1 Ada'
        ;;
    python)
        build_python
        run=("$python" "$root/examples/python/hello.py")
        readme=("$python" "$root/examples/python/readme.py") shows=$'b\'user:1\' b\'Ada\'\nb\'user:2\' b\'Grace\''
        ;;
    go)
        build_go ./go hello-go
        run=("$built/hello-go")
        build_go ./go/readme readme-go
        readme=("$built/readme-go") shows=$'user:1 Ada\nAda'
        ;;
    rust)
        build_rust hello readme
        run=("$target/release/hello")
        readme=("$target/release/readme") shows=$'user:1 Ada\nuser:2 Grace'
        ;;
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
    mkdir "$stores/readme-$lang"
    if printed=$(cd "$stores/readme-$lang" && "${readme[@]}") && [ "$printed" = "$shows" ]; then
        echo "ok      the README's program in $lang"
    else
        echo "FAILED  the README's program in $lang: it printed"
        echo "$printed"
        failed=1
    fi
done
rm -rf "$stores"
exit $failed
