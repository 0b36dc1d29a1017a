#!/usr/bin/env bash
# Every suite in its normal size, for the named languages, one after the other; a table of times at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
BUILD_DIR=${CARGO_TARGET_DIR:-$PWD/target}
failed=0
passed=0
table=""

step() { # name, command...
    local name=$1 start=$SECONDS
    shift
    printf '\n=== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        table+=$(printf '%-28s passed %5ds' "$name" $((SECONDS - start)))$'\n'
    else
        failed=$((failed + 1))
        table+=$(printf '%-28s FAILED %5ds' "$name" $((SECONDS - start)))$'\n'
    fi
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
    python) step "python" bindings/python/run_tests.sh "$BUILD_DIR" ;;
    go) step "go" bindings/go/run_tests.sh "$BUILD_DIR" ;;
    esac
done

if [ "$#" -eq 5 ]; then
    step "examples" examples/run_hello.sh
    step "demo, small and spoilt" examples/demo/test.sh
fi

printf '\n%s\n' "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
