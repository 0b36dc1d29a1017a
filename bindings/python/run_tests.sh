#!/usr/bin/env bash
# Builds the wheel, installs it into a new virtual environment, and checks it there: types by mypy, pyright and stubtest,
# then everything else by pytest. Installs what it needs into BUILD_DIR/python, from requirements-dev.txt.
#
# usage: run_tests.sh BUILD_DIR
#   PYTHON            the interpreter (python3); 3.10 or newer
#   BITCASK_EXAMPLES  histories of the state machine (60; a long run has 5000)
#   BITCASK_EXITS     interpreter exits with live objects (50; a long run has 1000)
#   PYTEST_ARGS       passed on
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIR" >&2; exit 2; }
mkdir -p "$1/python"
build=$(cd "$1" && pwd)
cd "$(dirname "$0")"
python=${PYTHON:-python3}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$build} PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$python is older than 3.10" >&2; exit 1; }
# Two environments of what the checks need: one that builds, and one that has never seen the sources. The second is new
# each time; so is the first if what it is made of has changed.
work=$build/python
tools=$work/tools
made_of=$("$python" -c 'import sys; print(sys.executable, sys.version)'; cat requirements-dev.txt)
if [ "$(cat "$tools/made-of" 2>/dev/null)" != "$made_of" ]; then
    "$python" -m venv --clear "$tools"
    "$tools/bin/python" -m pip install --quiet -r requirements-dev.txt
    echo "$made_of" >"$tools/made-of"
fi
rm -rf "$work/wheels"
"$tools/bin/maturin" build --quiet --release --locked --compatibility linux --out "$work/wheels"
"$python" -m venv --clear "$work/installed"
installed=$work/installed/bin
"$installed/python" -m pip install --quiet -r requirements-dev.txt
"$installed/python" -m pip install --quiet --no-index --no-deps "$work"/wheels/bitcask-*.whl

scratch=$(mktemp -d "$work/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export MYPY_CACHE_DIR=$work/mypy TMPDIR=$scratch
echo "types: the package as it is installed, its stub against the extension, the tests"
(cd "$scratch" && "$installed/mypy" --config-file "$OLDPWD/pyproject.toml" -p bitcask)
(cd "$scratch" && "$installed/stubtest" --mypy-config-file "$OLDPWD/pyproject.toml" bitcask)
"$installed/mypy" tests
"$installed/pyright" --pythonpath "$installed/python" python tests/typing_cases.py

"$installed/python" -X faulthandler -m pytest -q --basetemp "$scratch/pytest" -o cache_dir="$work/pytest" \
    -o faulthandler_timeout=300 ${PYTEST_ARGS:-}
