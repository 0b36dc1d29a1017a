#!/usr/bin/env bash
# Checks the programs that measure the bindings: types and form, and a run of few pairs in which all stores must give the same answers,
# with the page that is made of it.
# usage: bench/languages/test.sh [python] [go]    (default: both; BENCH_FEATURES as for `make bench`)
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- python go
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bench/languages/build.sh "$@"
for language in "$@"; do
    case $language in
    python) (cd bench/languages/python && "$OLDPWD/target/bench/languages/python/bin/mypy" --strict --cache-dir "$work/mypy" .) ;;
    go)
        unformatted=$(gofmt -l bench/languages/go)
        [ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }
        (cd bench/languages/go && go vet ./... && go mod verify >"$work/verify")
        ;;
    esac
done
bench() {
    # shellcheck disable=SC2086
    cargo run --release --locked --quiet --manifest-path bench/Cargo.toml ${BENCH_FEATURES:-} --bin bench -- "$@"
}
for language in "$@"; do
    bench "$language" --keys 10000 --rounds 1 --dir "$work/stores" --out "$work/out"
done
bench report --out "$work/out" --docs "$work/docs"
for language in "$@"; do
    grep -q "^!\[.*\](benchmarks/$language.svg)$" "$work/docs/BENCHMARKS.md"
    [ -s "$work/docs/benchmarks/$language.svg" ]
done
