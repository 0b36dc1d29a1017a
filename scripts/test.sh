#!/usr/bin/env bash
# Every suite in its normal size, for the named languages; a table of times at the end. The lints and Rust's compiling come first, since they
# use all cores themselves; the suites mostly use one each and wait for the disk, so that as many go on at a time as there are cores, each
# printed when it is done.
#
#   JOBS    how many at a time (the number of cores)
set -uo pipefail
cd "$(dirname "$0")/.."
BUILD_DIR=${CARGO_TARGET_DIR:-$PWD/target}
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
failed=0
passed=0
table=""
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# An interrupt ends what goes on too, which background jobs of scripts ignore.
trap 'trap - INT TERM; rm -rf "$logs"; kill 0' INT TERM

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

names=() commands=()
later() { # name, a command of plain words
    names+=("$1")
    commands+=("$2")
}

started=() # when, of those that go on
await_one() {
    local i
    wait -n || true # the outcome is in a file, as older shells don't say whose it was
    for i in "${!started[@]}"; do
        [ -e "$logs/$i.status" ] || continue
        printf '\n=== %s\n' "${names[i]}"
        cat "$logs/$i"
        tell "${names[i]}" "$(cat "$logs/$i.status")" $((SECONDS - started[i]))
        unset "started[$i]"
    done
}

run_later() {
    local i
    for i in "${!names[@]}"; do
        while [ "${#started[@]}" -ge "$JOBS" ]; do await_one; done
        started[i]=$SECONDS
        # shellcheck disable=SC2086
        {
            status=0
            ${commands[i]} "$BUILD_DIR" >"$logs/$i" 2>&1 || status=$?
            echo "$status" >"$logs/$i.new" && mv "$logs/$i.new" "$logs/$i.status"
        } &
    done
    while [ "${#started[@]}" -gt 0 ]; do await_one; done
}

rust_tests() { # which, as options of cargo
    cargo test --workspace --all-features --exclude bitcask-python "$@"
}

# Most of Rust's tests open thousands of stores. Without these glibc gives the memory of each back to the system and takes it again, which
# is a third of the time.
keep_memory() { # command...
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=16777216 "$@"
}

# Not the examples and the figures' programs: the lints have seen that they compile.
rust_build() { rust_tests --lib --bins --tests --no-run; }
rust_integration() { keep_memory rust_tests --test '*'; }
rust_units() { keep_memory rust_tests --lib --bins && rust_tests --doc; }

wanted() { case " $languages " in *" $1 "*) ;; *) false ;; esac }
languages=$*

# The longest first, so that they end together.
if wanted rust; then
    step "lint" scripts/lint.sh
    step "rust: build" rust_build
    later "rust" rust_integration
fi
wanted cpp && later "c++" bindings/cpp/run_tests.sh
wanted go && later "go" bindings/go/run_tests.sh
wanted python && later "python" bindings/python/run_tests.sh
wanted c && later "c" tests/c/run.sh
wanted c && later "c: conformance" tests/conformance/run_c.sh
wanted rust && later "rust: units, documentation" rust_units
wanted c && later "c: install" tests/c/install_test.sh
run_later

if [ "$#" -eq 5 ]; then
    step "examples" examples/run_hello.sh
    step "demo, small and spoilt" examples/demo/test.sh
fi

printf '\n%s\n' "$table"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
