#!/usr/bin/env bash
# Builds what measures the bindings: for Python a virtual environment with our package and its peers, for Go a program with its. A peer
# that can't be installed or built is left out, and said. All of it goes below target/bench/languages.
#
# usage: bench/languages/build.sh [python] [go]    (default: both)
#   PYTHON    the interpreter (python3); 3.10 or newer
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)
built=$root/target/bench/languages
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$built" "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target PIP_DISABLE_PIP_VERSION_CHECK=1

build_python() {
    local python=${PYTHON:-python3} venv=$built/python wheels=$built/wheels made_of line
    # New if what it is made of has changed.
    made_of=$("$python" -c 'import sys; print(sys.executable, sys.version)'; cat python/requirements*.txt)
    if [ "$(cat "$venv/made-of" 2>/dev/null)" != "$made_of" ]; then
        "$python" -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet -r python/requirements-dev.txt
        # Each by itself, so that one that fails leaves the others.
        while read -r line; do
            "$venv/bin/pip" install --quiet "$line" || echo "left out, since it could not be installed: $line" >&2
        done < <(grep -v '^ *#' python/requirements.txt)
        echo "$made_of" >"$venv/made-of"
    fi
    rm -rf "$wheels"
    (cd "$root/bindings/python" && "$venv/bin/maturin" build --quiet --release --locked --compatibility linux --out "$wheels" --interpreter "$venv/bin/python" >"$built/maturin.log" 2>&1) ||
        { cat "$built/maturin.log" >&2; return 1; }
    "$venv/bin/pip" install --quiet --no-index --no-deps --force-reinstall "$wheels"/bitcask-*.whl
}

build_go() {
    local peers=(bbolt lmdb pebble badger goleveldb) tags=() others peer
    "$root/bindings/go/build-lib.sh"
    mkdir -p "$built/go"
    cd go
    if go build -o "$built/go/languages" .; then return; fi
    echo "not all peers could be built: trying each by itself" >&2
    for peer in "${peers[@]}"; do
        others=$(printf 'no_%s\n' "${peers[@]}" | grep -vx "no_$peer" | paste -sd,)
        if ! go build -tags "$others" -o /dev/null . 2>/dev/null; then
            echo "left out, since it could not be built: $peer" >&2
            tags+=("no_$peer")
        fi
    done
    go build -tags "$(IFS=,; echo "${tags[*]}")" -o "$built/go/languages" .
}

[ $# -gt 0 ] || set -- python go
for language in "$@"; do
    cd "$here"
    case $language in
    python | go) "build_$language" ;;
    *)
        echo "usage: $0 [python] [go]" >&2
        exit 2
        ;;
    esac
done
