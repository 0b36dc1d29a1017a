#!/usr/bin/env bash
# Formatting, lints with warnings denied, the layers, the generated header, the tests and calls that the documentation
# names, its programs, and its links; whether the mutations still fit.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
cargo run --quiet -p xtask -- layers
cargo run --quiet -p xtask -- tests-named
cargo run --quiet -p xtask -- calls-named
cargo run --quiet -p xtask -- readme
cargo run --quiet -p xtask -- header --check
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps -p bitcask
for patch in tests/mutations/*.patch; do
    git apply --check "$patch" || { echo "$patch: make it anew, with the same fault in the code as it is now"; exit 1; }
done
