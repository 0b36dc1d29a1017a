# Builds the examples with every language's ordinary tools; to be sourced. What is built lies below $built; the
# tools themselves notice what has changed, and need no network once they have built.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target/examples"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target
built=$target/examples
python=$built/venv/bin/python

# quietly WHAT COMMAND...: says what, runs it, shows its output if it fails. Within a function that it runs set -e is off.
quietly() {
    local what=$1 log=$built/build.log
    shift
    echo "building $what"
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "building $what failed" >&2
        return 1
    fi
}

in_root() { (cd "$root" && "$@"); }

build_library() {
    quietly "the C library" in_root cargo build --release --locked -p bitcask-ffi
}

# build_c SOURCE PROGRAM
build_c() {
    quietly "$2 (C)" "${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$root/include" \
        "$root/examples/$1" "$target/release/libbitcask.a" -pthread -ldl -lm -o "$built/$2"
}

# build_cpp SOURCE PROGRAM
build_cpp() {
    quietly "$2 (C++)" "${CXX:-c++}" -std=c++17 -O2 -Wall -Wextra -Werror -I"$root/include" -I"$root/bindings/cpp/include" \
        "$root/examples/$1" "$target/release/libbitcask.a" -pthread -ldl -lm -o "$built/$2"
}

# build_rust PROGRAM...
build_rust() {
    local bins=()
    for program in "$@"; do bins+=(--bin "$program"); done
    quietly "$* (Rust)" in_root cargo build --release --locked -p bitcask-examples "${bins[@]}"
}

# build_go PACKAGE PROGRAM
build_go() {
    quietly "$2 (Go)" go_program "$1" "$2"
}

go_program() {
    "$root/bindings/go/build-lib.sh" &&
        (cd "$root/examples" && go build -o "$built/$2" "$1")
}

# A virtual environment with the package, as a wheel. $python is its interpreter.
build_python() {
    quietly "the Python package" python_package
}

python_package() {
    local wheels=$built/wheels wheel digest
    if ! "$python" -m maturin --version; then
        rm -rf "$built/venv"
        python3 -m venv "$built/venv" || return
        "$python" -m pip install --disable-pip-version-check 'maturin>=1.9.4,<2' || return
    fi
    rm -rf "$wheels"
    (cd "$root/bindings/python" && "$python" -m maturin build --release --locked --out "$wheels" --interpreter "$python") || return
    wheel=$(echo "$wheels"/*.whl)
    digest=$(cksum <"$wheel") || return
    if [ "$(cat "$built/venv/wheel" 2>/dev/null)" != "$digest" ]; then
        "$python" -m pip install --disable-pip-version-check --no-index --no-deps --force-reinstall "$wheel" &&
            echo "$digest" >"$built/venv/wheel"
    fi
}
