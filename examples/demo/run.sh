#!/usr/bin/env bash
# Stores a directory in a store, kills the program that writes it, and compares the store with the directory in C++, Python,
# Go and Rust; then, in a second act, overwrites and deletes half of it while merges run and three of them look. README.md beside
# this tells how and by which rules.
# usage: examples/demo/run.sh DIRECTORY
#   DEMO_SABOTAGE=byte|missing|extra|progress|disk  spoils the store before it is compared
#   DEMO_SABOTAGE=back|old|lost                     spoils it behind the second act
#   DEMO_SABOTAGE=unmerged                          merges nothing
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
    build_rust demo-check demo-second
fi

work=$target/demo
rm -rf "$work"
mkdir -p "$work"
writer=
readers=()
# Nothing is left running, however this ends.
trap 'for process in $writer "${readers[@]}"; do kill -KILL "$process" 2>/dev/null || true; done' EXIT
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

spoil() { # at this moment, which ways
    case " ${*} " in *" ${DEMO_SABOTAGE:-none} "*) "$python" "$root/examples/demo/sabotage.py" "$work" "$DEMO_SABOTAGE" "$directory" ;; esac
}

spoil byte missing extra progress disk
echo
"$built/demo-check-cpp" "$work" "$directory"
"$python" "$root/examples/demo/check.py" "$work" "$directory" c++
"$built/demo-check-go" "$work" "$directory" c++ python
"$target/release/demo-check" "$work" "$directory" c++ python go
"$built/demo-store" "$work"

printf '\nthe second act: half of the files are overwritten or deleted while merges run and others look\n'
unmerged=
[ "${DEMO_SABOTAGE:-}" != unmerged ] || unmerged=--unmerged
"$target/release/demo-second" $unmerged "$work" c++ python go &
writer=$!
until [ -e "$work/second" ]; do
    kill -0 "$writer" 2>/dev/null || break
    sleep 0.02
done
look() { # one look at what is there, or as many as the second act goes on for
    case "$1" in
    c++) exec "$built/demo-check-cpp" --beside "$work" "$directory" ;;
    python) exec "$python" "$root/examples/demo/check.py" --beside "$work" "$directory" ;;
    go) exec "$built/demo-check-go" --beside "$work" "$directory" ;;
    esac
}
if [ -e "$work/second" ]; then
    for reader in c++ python go; do
        look "$reader" &
        readers+=($!)
    done
fi
# The first that fails ends it, whichever it is: they wait for each other.
for _ in writer "${readers[@]}"; do wait -n; done
writer=
readers=()
spoil back old lost
for reader in c++ python go; do (look "$reader"); done

echo
awk -F'\t' '
    BEGIN { printf "%-12s %10s %12s %10s %12s %12s\n", "language", "files", "MB", "seconds", "files/s", "opened in" }
    { printf "%-12s %10d %12.1f %10.3f %12.0f %12s\n", $1, $2, $3 / 1e6, $4, ($4 > 0 ? $2 / $4 : 0), ($5 == "-" ? "-" : sprintf("%.1f ms", $5 * 1e3)) }
' "$work/results"
echo
awk -F'\t' '
    BEGIN { printf "%-24s %10s\n", "space", "MB" }
    { printf "%-24s %10.1f\n", $1, $2 / 1e6 }
' "$work/space"
echo
echo "no difference; $((SECONDS - began)) s without the building"
