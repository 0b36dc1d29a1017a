#!/usr/bin/env bash
# The demonstration on a small directory of odd files, as it is and spoiled in every way. Slow only in building.
# usage: examples/demo/test.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
odd=$(mktemp -d)
trap 'chmod -R u+rwx "$odd"; rm -rf "$odd"' EXIT

mkdir -p "$odd/a folder/deep/deeper" "$odd/closed" "$odd/folder.2"
printf 'contents\n' >"$odd/plain"
: >"$odd/empty"
: >"$odd/a folder/empty too"
printf 'a\0b\n' >"$odd/$(printf 'new\nline')"
printf 'not UTF-8' >"$odd/a folder/$(printf 'latin-\344\366\374')"
printf 'x' >"$odd/a folder/-dash"
head -c 3000000 /dev/zero >"$odd/a folder/deep/deeper/zeros"
for i in 1 2 3 4 5 6 7 8 9; do printf '%s\n' "$i" >"$odd/a folder/deep/$i"; done
printf 'sorts between' >"$odd/a folder.txt"
printf 'nobody reads this' >"$odd/closed/file"
printf 'nobody reads this' >"$odd/unreadable"
ln -s plain "$odd/link"
ln -s missing "$odd/broken link"
ln -s . "$odd/circle"
mkfifo "$odd/pipe"
chmod 000 "$odd/unreadable" "$odd/closed"
# A file that was there before the storing begins counts as changed for a second longer, because the kernel's clock is coarse.
sleep 1.5

log=$odd.log
trap 'chmod -R u+rwx "$odd"; rm -rf "$odd" "$log"' EXIT
# shellcheck source=examples/build.sh
. "$here/../build.sh"

expect() { # code, what the output has, name, command...
    local code=0 wanted=$1 text=$2 name=$3
    shift 3
    "$@" >"$log" 2>&1 || code=$?
    if [ "$code" -ne "$wanted" ] || ! grep -qF -- "$text" "$log"; then
        cat "$log"
        echo "FAILED  $name: expected code $wanted and \"$text\", got code $code" >&2
        exit 1
    fi
    echo "ok      $name: $(grep -F -- "$text" "$log" | head -n1)"
}

# Spoiled, each of the four finds it; the first ends the demonstration, the others are asked one by one.
expect_found() { # way, what the output has
    expect 1 "$2" "demo, spoiled ($1)" env DEMO_BUILT=yes DEMO_SABOTAGE="$1" "$here/run.sh" "$odd"
    expect 1 "$2" "  in Python" "$python" "$here/check.py" "$target/demo" "$odd"
    expect 1 "$2" "  in Go" "$built/demo-check-go" "$target/demo" "$odd"
    expect 1 "$2" "  in Rust" "$target/release/demo-check" "$target/demo" "$odd"
}

# The same for the second act, in which Rust wrote and the others look.
expect_second() { # way, what the output has
    expect 1 "$2" "demo, spoiled ($1)" env DEMO_BUILT=yes DEMO_SABOTAGE="$1" "$here/run.sh" "$odd"
    expect 1 "$2" "  in Python" "$python" "$here/check.py" --beside "$target/demo" "$odd"
    expect 1 "$2" "  in Go" "$built/demo-check-go" --beside "$target/demo" "$odd"
}

expect 0 "no difference" "demo" "$here/run.sh" "$odd"
expect_found byte "other bytes from offset"
expect_found missing "missing in the store"
expect_found extra "in the store, but no file"
expect_found progress "was acknowledged, the store has"
expect_found disk "checksum"
expect_second back "was deleted, and is there"
expect_second old "not what it was at this moment"
expect_second lost "missing in the store"
expect 1 "the space was not given back" "demo, not merged" env DEMO_BUILT=yes DEMO_SABOTAGE=unmerged "$here/run.sh" "$odd"
mkdir "$odd/nothing"
expect 0 "no difference" "demo of nothing" env DEMO_BUILT=yes "$here/run.sh" "$odd/nothing"
