#!/usr/bin/env bash
# Breaks the code on purpose, one patch of tests/mutations at a time in a copy of the tree, and expects the core's suites to notice.
# usage: scripts/mutations.sh [NAME...]    (default: all)
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/mutations
mkdir -p "$CARGO_TARGET_DIR"
passed=0
failed=0

[ $# -gt 0 ] || set -- $(cd tests/mutations && printf '%s\n' *.patch | sed 's/\.patch$//')
for name in "$@"; do
    patch=$root/tests/mutations/$name.patch
    log=$CARGO_TARGET_DIR/$name.log
    rm -rf "${copy:?}/tree"
    mkdir "$copy/tree"
    git ls-files -z --cached --others --exclude-standard | xargs -0 tar cf - | tar xf - -C "$copy/tree"
    if ! (cd "$copy/tree" && patch --quiet -p1 <"$patch"); then
        echo "FAILED  $name: the patch does not apply; make it anew"
        failed=$((failed + 1))
        continue
    fi
    if ! (cd "$copy/tree" && cargo test --quiet -p bitcask --no-run) >"$log" 2>&1; then
        echo "FAILED  $name: it does not compile, see $log"
        failed=$((failed + 1))
        continue
    fi
    if (cd "$copy/tree" && cargo test --quiet -p bitcask --no-fail-fast) >"$log" 2>&1; then
        echo "FAILED  $name: no test noticed, see $log"
        failed=$((failed + 1))
    else
        noticed=$(grep -oE '^    [a-z0-9_:]+$' "$log" | sort -u | tr -d ' ')
        echo "ok      $name: noticed by $(wc -l <<<"$noticed"): $(head -n 6 <<<"$noticed" | paste -sd ' ')"
        passed=$((passed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
