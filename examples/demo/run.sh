#!/usr/bin/env bash
# Stores a directory in a store, kills the program that writes it, and compares the store with the directory in C++, Python,
# Go and Rust. README.md beside this tells how and by which rules.
# usage: examples/demo/run.sh DIRECTORY
#   DEMO_SABOTAGE=byte|missing|extra|progress|disk  spoils the store first
#   DEMO_BUILT=yes                                  builds nothing
set -euo pipefail
[ $# -eq 1 ] || {
    echo "usage: run.sh DIRECTORY" >&2
    exit 2
}
directory=$(cd "$1" && pwd -P)
# shellcheck source=examples/build.sh
. "$(dirname "$0")/../build.sh"

if [ -z "${DEMO_BUILT:-}" ]; then
    build_library
    build_c demo/store.c demo-store
    build_cpp demo/check.cpp demo-check-cpp
    build_python
    build_go ./demo/go demo-check-go
    build_rust demo-check
fi

work=$target/demo
rm -rf "$work"
mkdir -p "$work"
writer=
# Nothing is left running, however this ends.
trap '[ -z "$writer" ] || kill -KILL "$writer" 2>/dev/null || true' EXIT
began=$SECONDS

printf '\nstoring %s\n' "$directory"
"$built/demo-store" "$work" "$directory" &
writer=$!
until [ -e "$work/midst" ]; do
    if ! kill -0 "$writer" 2>/dev/null; then
        wait "$writer" || true
        writer=
        echo "the program that stores ended by itself" >&2
        exit 1
    fi
    sleep 0.02
done
kill -KILL "$writer"
code=0
{ wait "$writer" || code=$?; } 2>/dev/null
writer=
if [ "$code" -ne $((128 + 9)) ]; then
    echo "the program that stores should have died by SIGKILL; it ended with code $code" >&2
    exit 1
fi
echo "killed it with SIGKILL; the last acknowledged write of the second round was number $((10#$(cat "$work/acknowledged")))"

if [ -n "${DEMO_SABOTAGE:-}" ]; then
    "$python" "$root/examples/demo/sabotage.py" "$work" "$DEMO_SABOTAGE"
fi

echo
"$built/demo-check-cpp" "$work" "$directory"
"$python" "$root/examples/demo/check.py" "$work" "$directory" c++
"$built/demo-check-go" "$work" "$directory" c++ python
"$target/release/demo-check" "$work" "$directory" c++ python go
"$built/demo-store" "$work"

echo
awk -F'\t' '
    BEGIN { printf "%-12s %10s %12s %10s %12s %12s\n", "language", "files", "MB", "seconds", "files/s", "opened in" }
    { printf "%-12s %10d %12.1f %10.3f %12.0f %12s\n", $1, $2, $3 / 1e6, $4, ($4 > 0 ? $2 / $4 : 0), ($5 == "-" ? "-" : sprintf("%.1f ms", $5 * 1e3)) }
' "$work/results"
echo
echo "no difference; $((SECONDS - began)) s without the building"
