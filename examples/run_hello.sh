#!/usr/bin/env bash
# Builds and runs the short program of each language, that of the README, and that of the README of its binding, and compares what they print with
# what they should.
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

# prints WHAT EXPECTED COMMAND...: runs it in an empty directory.
prints() {
    local what=$1 expected=$2 dir printed
    shift 2
    dir=$(mktemp -d "$stores/XXXXXX")
    if printed=$(cd "$dir" && "$@") && [ "$printed" = "$expected" ]; then
        echo "ok      $what"
    else
        echo "FAILED  $what: it printed"
        echo "$printed"
        failed=1
    fi
}

case " $* " in *" c "* | *" cpp "*) build_library ;; esac
for lang in "$@"; do
    run=() readme=() shows= tour=() tells=
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
        build_cpp cpp/tour.cpp tour-cpp
        tour=("$built/tour-cpp") tells=$'Ada\nAda\n(nobody)\nGrace\nuser:3 = Grace\nuser:3 = Grace\nuser:3 1'
        ;;
    python)
        build_python
        run=("$python" "$root/examples/python/hello.py")
        tour=("$python" "$root/examples/python/tour.py")
        tells="b'user:2' b'Grace'
False
{b'k': b'v', b'last': b'one', b'order:1': b'one', b'pair:0': b'0', b'pair:1': b'1', b'pair:2': b'2', b'stock': b'7', \
b'user:1': b'Ada Lovelace', b'user:2': b'Grace', b'visits': b'1'}"
        readme=("$python" "$root/examples/python/readme.py") shows=$'b\'user:1\' b\'Ada\'\nb\'user:2\' b\'Grace\''
        ;;
    go)
        build_go ./go hello-go
        run=("$built/hello-go")
        build_go ./go/readme readme-go
        readme=("$built/readme-go") shows=$'user:1 Ada\nAda'
        build_go ./go/tour tour-go
        tour=("$built/tour-go") tells=$'user:2 = Grace\nuser:3 = Grace\ntrue 0 [Grace Grace] 2 hits 8 18 0'
        ;;
    rust)
        build_rust hello readme
        run=("$target/release/hello")
        readme=("$target/release/readme") shows=$'user:1 Ada\nuser:2 Grace\n30 minutes'
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
    prints "the README's program in $lang" "$shows" "${readme[@]}"
    [ ${#tour[@]} -eq 0 ] || prints "the program of the README for $lang" "$tells" "${tour[@]}"
done
rm -rf "$stores"
exit $failed
