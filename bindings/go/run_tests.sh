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
step go test -count=1 -short -tags bitcask_gcstress .
step env GOEXPERIMENT=cgocheck2 go test -count=1 -short .
step go run ./cmd/figures -keys 2000 -gets 2000 -rounds 1
step env BITCASK_BENCH_KEYS=2000 go test -run '^$' -bench . -benchtime 50x .
