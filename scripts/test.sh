#!/usr/bin/env bash
# Every suite in its normal size, for the named languages; a table of times at the end. One step after the other, but for Python's: it waits
# for the disk and runs on one core, so that it goes on beside those that follow, and is printed when they are done.
set -uo pipefail
cd "$(dirname "$0")/.."
BUILD_DIR=${CARGO_TARGET_DIR:-$PWD/target}
failed=0
passed=0
table=""

tell() { # name, exit status, seconds
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        table+=$(printf '%-28s passed %5ds' "$1" "$3")$'\n'
    else
        failed=$((failed + 1))
        table+=$(printf '%-28s FAILED %5ds' "$1" "$3")$'\n'
    fi
}

step() { # name, command...
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n=== %s\n' "$name"
    "$@" || status=$?
    tell "$name" "$status" $((SECONDS - start))
}

beside=
begin_beside() { # name, command...
    beside=$1 beside_start=$SECONDS
    beside_log=$(mktemp)
    shift
    # An interrupt ends it too, which background jobs of scripts ignore.
    trap 'rm -f "$beside_log"; trap - INT TERM; kill 0' INT TERM
    { "$@" && echo "took $SECONDS" || { echo "took $SECONDS"; false; }; } >"$beside_log" 2>&1 &
    beside_pid=$!
}

end_beside() {
    [ -n "$beside" ] || return 0
    local status=0
    wait "$beside_pid" || status=$?
    printf '\n=== %s\n' "$beside"
    sed '$d' "$beside_log"
    tell "$beside" "$status" $(($(sed -n '$s/^took //p' "$beside_log") - beside_start))
    rm -f "$beside_log"
    beside=
}

for lang in "$@"; do
    case "$lang" in
    rust)
        step "lint" scripts/lint.sh
        step "rust" cargo test --workspace --all-features --exclude bitcask-python
        ;;
    c)
        step "c" tests/c/run.sh "$BUILD_DIR"
        step "c: install" tests/c/install_test.sh "$BUILD_DIR"
        step "c: conformance" tests/conformance/run_c.sh "$BUILD_DIR"
        ;;
    cpp) step "c++" bindings/cpp/run_tests.sh "$BUILD_DIR" ;;
    python) begin_beside "python" bindings/python/run_tests.sh "$BUILD_DIR" ;;
    go) step "go" bindings/go/run_tests.sh "$BUILD_DIR" ;;
    esac
done

end_beside
if [ "$#" -eq 5 ]; then
    step "examples" examples/run_hello.sh
    step "demo, small and spoilt" examples/demo/test.sh
fi

printf '\n%s\n' "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
