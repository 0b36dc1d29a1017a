#!/bin/sh
# Runs all of the Go binding's tests. Usage: run_tests.sh [BUILD_DIR]
#
# BUILD_DIR, if given, is where cargo builds; the default is cargo's own. Beside the plain tests these run: the race
# detector; the collector on every call (tag bitcask_gcstress); GOEXPERIMENT=cgocheck2, which looks at every pointer that is
# stored where C could find it. Nothing is taken from Go's cache of test results, because it does not know the library.
set -eu
cd "$(dirname "$0")"
if [ $# -gt 0 ]; then
    mkdir -p "$1"
    CARGO_TARGET_DIR=$(cd "$1" && pwd)
    export CARGO_TARGET_DIR
fi

# shellcheck source=tests/memory_dir.sh
. ../../tests/memory_dir.sh
memory=$(memory_dir "${TMPDIR:-/tmp}")
trap 'rm -rf "$memory"' EXIT
# Go's own temporary files stay where they are: programs may not run from the other place.
in_memory="env TMPDIR=$memory GOTMPDIR=${TMPDIR:-/tmp}"

step() {
    echo "== $*"
    "$@"
}

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
    echo "gofmt would change: $unformatted" >&2
    exit 1
fi

step ./build-lib.sh
step go vet ./...
step go vet -tags bitcask_gcstress ./...
step go mod verify
step go test -count=1 ./...
step go test -count=1 -short -race ./...
# These look at what the calls do with memory, so that the disk would only make them wait.
# shellcheck disable=SC2086
step $in_memory go test -count=1 -short -tags bitcask_gcstress .
# shellcheck disable=SC2086
step $in_memory GOEXPERIMENT=cgocheck2 go test -count=1 -short .
step go run ./cmd/figures -keys 2000 -gets 2000 -rounds 1
step env BITCASK_BENCH_KEYS=2000 go test -run '^$' -bench . -benchtime 50x .
