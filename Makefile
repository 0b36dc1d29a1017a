# libbitcask: `make demo` shows the main job, `make test` runs every suite in its normal size.
#
#   make test LANGS="c python"    a part: rust, c, cpp, python, go
#   make demo DEMO_DIR=/etc       store another directory
#   make examples                 each language's short program, and the demonstration on odd files, also spoiled
#   make mutations                breaks the code on purpose and expects the suites to notice
#   make figures                  speed and memory, printed and written to target/figures/
#   make install PREFIX=/usr/local DESTDIR=

LANGS ?= rust c cpp python go
BUILD ?= target
DEMO_DIR ?= /usr/include

.PHONY: all demo examples test lint figures mutations long clean $(addprefix test-,rust c cpp python go)

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

# The suites in their long size; hours.
long:
	@scripts/test-long.sh

clean:
	cargo clean
	rm -rf bindings/python/.venv bindings/go/lib

include install.mk
