#!/usr/bin/env bash
# The suites in their long size, some for hours: every suite of `make test` with the variables below, then what only a long run
# has. Prints what it runs.
# usage: scripts/test-long.sh [rust] [c] [cpp] [python] [go]    (default: all)
#   LONG_FACTOR  how many times as long as normal (20)
set -uo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- rust c cpp python go
factor=${LONG_FACTOR:-20}
case "$factor" in
'' | *[!0-9]*)
    echo "LONG_FACTOR is no number: $factor" >&2
    exit 2
    ;;
esac
failed=0

run() { # VARIABLE=VALUE... command...
    printf '\n+ %s\n' "$*"
    env "$@" || {
        failed=1
        printf 'FAILED: %s\n' "$*" >&2
    }
}

go_long() {
    bindings/go/build-lib.sh && cd bindings/go && go test -run TestMachine -rapid.checks="$((factor * 2500))" -timeout 0 .
}

go_collector() {
    bindings/go/build-lib.sh && cd bindings/go && go test -tags bitcask_gcstress -timeout 0 .
}
export -f go_long go_collector
export factor

for lang in "$@"; do
    case "$lang" in
    # BITCASK_LONG: the suites on the simulated disk. PROPTEST_CASES: the properties (normally 256 cases).
    rust) run BITCASK_LONG="$factor" PROPTEST_CASES="$((factor * 256))" scripts/test.sh rust ;;
    # LONG: many more rounds of threads, and the thread sanitizer.
    c) run LONG=1 scripts/test.sh c ;;
    cpp) run scripts/test.sh cpp ;;
    # Histories of the state machine (normally 60), and exits of the interpreter with live objects (normally 50).
    python) run BITCASK_EXAMPLES="$((factor * 250))" BITCASK_EXITS="$((factor * 50))" scripts/test.sh python ;;
    go)
        run scripts/test.sh go
        run bash -c go_long
        run bash -c go_collector
        ;;
    *)
        echo "unknown language: $lang (known: rust c cpp python go)" >&2
        exit 2
        ;;
    esac
done

run examples/run_hello.sh "$@"
if [ $# -eq 5 ]; then run examples/demo/test.sh; fi

echo
if [ "$failed" -eq 0 ]; then echo "all passed"; else echo "something failed, see above"; fi
exit "$failed"
