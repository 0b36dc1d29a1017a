#!/usr/bin/env bash
# Measures speed and memory, prints a table, and writes target/figures/figures.json. A target that is missed is no failure.
# usage: scripts/figures.sh [NAME...]    (default: all figures; FIGURES_KEYS=N for another number of pairs than a million)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=examples/build.sh
. examples/build.sh

keys=${FIGURES_KEYS:-1000000}
work=$target/figures
parts=$work/parts
rm -rf "$parts"
mkdir -p "$parts"
programs=$target/release

wanted() { # NAME, of the names the script was called with
    local name=$1 one
    [ "${#names[@]}" -gt 0 ] || return 0
    for one in "${names[@]}"; do [ "$one" != "$name" ] || return 0; done
    return 1
}
names=("$@")

extras=(python_get_extra_ns go_get_extra_ns go_get_into_extra_ns core_get_ns)
languages=
for name in "${extras[@]}"; do if wanted "$name"; then languages=yes; fi; done

quietly "the programs that measure" cargo build --release --locked -p bitcask-figures
if [ -n "$languages" ]; then
    build_python
    quietly "the Go program" bindings/go/build-lib.sh
    (cd figures/languages && go build -o "$built/figures-go" .)
fi

count=()
[ "$keys" -eq 1000000 ] || count=(--keys "$keys")
echo "measuring memory"
"$programs/memory" "${count[@]}" "${names[@]}" >"$parts/memory"
echo "measuring speed"
"$programs/speed" "${count[@]}" "${names[@]}" >"$parts/speed"

if [ -n "$languages" ]; then
    echo "measuring the languages"
    "$programs/core_get" prepare "$keys"
    data=("$work/languages/store" "$work/languages/keys")
    # By turns, so that a busy moment of the machine hits all; the middle one of three differences counts.
    for _ in 1 2 3; do
        core=$("$programs/core_get" "${data[@]}")
        in_python=$("$python" figures/languages/get.py "${data[@]}")
        in_go=$("$built/figures-go" "${data[@]}")
        echo "$core $in_python $in_go" | tr '\n' ' '
        echo
    done | awk '{ print $2 - $1, $3 - $1, $4 - $1, $1 }' >"$parts/rounds"
    for i in 1 2 3 4; do
        name=${extras[i - 1]}
        if wanted "$name"; then
            value=$(cut -d' ' -f"$i" "$parts/rounds" | sort -g | sed -n 2p)
            printf '%s\t%s\tns\tscripts/figures.sh %s\n' "$name" "$value" "$name"
        fi
    done >"$parts/languages"
    rm -rf "$work/languages" "$parts/rounds"
fi

echo
"$programs/table" "$work/figures.json" "$parts"/*
rm -rf "$parts"
