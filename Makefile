# libbitcask: `make demo` shows the main job, `make test` runs every suite in its normal size.
#
#   make test LANGS="c python"    a part: rust, c, cpp, python, go
#   make demo DEMO_DIR=/etc       store another directory
#   make examples                 each language's short program, and the demonstration on odd files, also spoiled
#   make mutations                breaks the code on purpose and expects the suites to notice
#   make figures                  speed and memory, printed and written to target/figures/
#   make bench                speed beside other stores, indexes beside other maps, YCSB; writes docs/BENCHMARKS.md; hours
#   make bench BENCH_N=100000 BENCH_ROUNDS=1    with fewer pairs and rounds
#   make bench-quick          the same in minutes, which says less; writes nothing into docs/
#   make bench-engines bench-index bench-ycsb bench-languages bench-report    the parts of `make bench`
#   make install PREFIX=/usr/local DESTDIR=

LANGS ?= rust c python cpp go
BUILD ?= target
DEMO_DIR ?= /usr/include

.PHONY: all demo examples test lint figures mutations long clean bench bench-quick \
	$(addprefix bench-,build engines index ycsb languages report lint) $(addprefix test-,rust c cpp python go)

all:
	cargo build --release -p bitcask-ffi

demo:
	@scripts/check-system.sh rust cpp python go
	@examples/demo/run.sh "$(DEMO_DIR)"

examples:
	@scripts/check-system.sh rust cpp python go
	@examples/run_hello.sh
	@examples/demo/test.sh

test:
	@scripts/check-system.sh $(LANGS)
	@scripts/test.sh $(LANGS)

lint:
	@scripts/lint.sh

figures:
	@scripts/check-system.sh python go
	@scripts/figures.sh

# Breaks the code on purpose, one fault at a time, and expects the suites to notice.
mutations:
	@scripts/check-system.sh rust
	@scripts/mutations.sh

# The benchmarks are a workspace of their own in bench/, so that nothing else builds the peers. BENCH_N: pairs, records or keys
# instead of 5, 1, 3 and 1 million. BENCH_FLAGS: more options, as
# `--only redb,lmdb`, where stores are compared. BENCH_FEATURES=--no-default-features: no RocksDB.
BENCH_ROUNDS ?= 3
BENCH_CARGO = --manifest-path bench/Cargo.toml $(BENCH_FEATURES)
BENCH_ARGS = $(if $(BENCH_N),--keys $(BENCH_N)) --rounds $(BENCH_ROUNDS)
bench_run = cargo run --release --locked --quiet $(BENCH_CARGO) --bin $(1) --

bench: bench-build
	@$(MAKE) --no-print-directory -j1 bench-engines bench-index bench-ycsb bench-languages
	@$(MAKE) --no-print-directory bench-report

bench-build:
	@scripts/check-system.sh $(if $(BENCH_FEATURES),,bench)
	@cargo build --release --locked $(BENCH_CARGO)

bench-engines: bench-build
	@$(call bench_run,bench) engines $(BENCH_ARGS) $(BENCH_FLAGS)

bench-index: bench-build
	@$(call bench_run,index) $(BENCH_ARGS)

bench-ycsb: bench-build
	@$(call bench_run,bench) ycsb $(BENCH_ARGS) $(BENCH_FLAGS)

# BENCH_LANGUAGES: one of them. Their peers are installed below target/.
BENCH_LANGUAGES ?= python go

bench-languages: bench-build
	@scripts/check-system.sh $(BENCH_LANGUAGES)
	@bench/languages/build.sh $(BENCH_LANGUAGES)
	@for language in $(BENCH_LANGUAGES); do $(call bench_run,bench) $$language $(BENCH_ARGS) $(BENCH_LANGUAGES_FLAGS) || exit; done

bench-report: bench-build
	@$(call bench_run,bench) report

# One round of everything with few keys: all of it stays in caches, so ratios are not those of `make bench`.
bench-quick: bench-build
	@$(call bench_run,bench) engines --keys 100000 --rounds 1 --out target/bench/quick $(BENCH_FLAGS)
	@$(call bench_run,index) --keys 200000 --rounds 1 --out target/bench/quick
	@$(call bench_run,bench) ycsb --keys 50000 --rounds 1 --out target/bench/quick $(BENCH_FLAGS)
	@scripts/check-system.sh $(BENCH_LANGUAGES)
	@bench/languages/build.sh $(BENCH_LANGUAGES)
	@for language in $(BENCH_LANGUAGES); do \
		$(call bench_run,bench) $$language --keys 50000 --rounds 1 --out target/bench/quick $(BENCH_LANGUAGES_FLAGS) || exit; done

bench-lint:
	@cargo fmt --manifest-path bench/Cargo.toml --check
	@cargo clippy $(BENCH_CARGO) --all-targets --quiet -- -D warnings
	@cargo test $(BENCH_CARGO) --quiet
	@BENCH_FEATURES="$(BENCH_FEATURES)" bench/languages/test.sh $(BENCH_LANGUAGES)

# The suites in their long size; hours.
long:
	@scripts/test-long.sh

clean:
	cargo clean
	rm -rf bindings/python/.venv bindings/go/lib

include install.mk
