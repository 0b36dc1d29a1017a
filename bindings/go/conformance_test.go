// The conformance runner: the operations of tests/conformance in terms of this package. Knows no case.

package bitcask_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const conformanceDir = "../../tests/conformance"

func TestConformance(t *testing.T) {
	if got := written(generated(1, 8)); got != "6c82a562cb808d10" {
		t.Fatalf("gen:1*8 is %s", got)
	}
	if _, err := os.Stat(conformanceDir); errors.Is(err, os.ErrNotExist) {
		t.Skip("not in a checkout of the repository")
	}
	passed, failures := runCases(t, conformanceDir)
	for _, err := range failures {
		t.Error(err)
	}
	t.Logf("%d passed, %d failed", passed, len(failures))
	if passed == 0 {
		t.Error("no case passed")
	}
}

// A runner that passes one of these cases, of which every one is wrong, does not look.
func TestWrongCasesFail(t *testing.T) {
	dir := filepath.Join(conformanceDir, "wrong")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		t.Skip("not in a checkout of the repository")
	}
	passed, failures := runCases(t, dir)
	t.Logf("%d passed, %d failed", passed, len(failures))
	if passed > 0 || len(failures) == 0 {
		t.Errorf("%d wrong cases passed; these failed: %v", passed, failures)
	}
}

// runCases runs all cases of a directory under each index kind and I/O kind. The failures are in the order of the cases.
func runCases(t *testing.T, dir string) (passed int, failures []error) {
	cases, err := readCases(dir)
	must(t, err)
	type run struct {
		c        confCase
		kind, io int
		err      error
	}
	var runs []*run
	for number, c := range cases {
		if c.large && (testing.Short() || bitcask.GCStress) || bitcask.GCStress && c.calls() > 500 {
			continue
		}
		var under []*run
		for i, kind := range kinds {
			for j, io := range ios {
				if (c.index == "" || c.index == kind.name) && (c.io == "" || c.io == io.name) && (!c.ordered || kind.index != bitcask.IndexHash) {
					under = append(under, &run{c: c, kind: i, io: j})
				}
			}
		}
		if bitcask.GCStress && len(under) > 1 { // each case once, and all combinations in turn
			under = under[number%len(under):][:1]
		}
		runs = append(runs, under...)
	}
	// Cases wait for the disk most of the time, so several run at once.
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(runs)); i = next.Add(1) - 1 {
				r := runs[i]
				r.err = runCase(r.c, r.kind, r.io)
			}
		})
	}
	wg.Wait()
	for _, r := range runs {
		if r.err != nil {
			failures = append(failures, r.err)
		} else {
			passed++
		}
	}
	return passed, failures
}

// calls tells how many calls on the store a case makes, about.
func (c *confCase) calls() int {
	n := len(c.ops)
	for _, op := range c.ops {
		if op.name == "random_key" {
			count, _ := op.number(0)
			n += 2 * count
		}
		if strings.HasSuffix(op.name, "fill") || strings.HasSuffix(op.name, "filled") {
			count, _ := op.number(0)
			n += count
		}
	}
	return n
}

func runCase(c confCase, kind, io int) (err error) {
	under := kinds[kind].name + " " + ios[io].name
	dir, err := os.MkdirTemp("", "bitcask-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &confRunner{
		dir: dir, kind: kind, io: ios[io].io, reuse: c.reuse,
		stores: map[string]*confStore{}, batches: map[string]*bitcask.Batch{},
		iters: map[string]*confIter{}, held: map[string][]byte{}, confObjects: newConfObjects(),
	}
	defer func() {
		if closeErr := r.finish(); err == nil && closeErr != nil {
			err = fmt.Errorf("%s [%s]: at the end: %w", c.name, under, closeErr)
		}
	}()
	for _, op := range c.ops {
		got, err := r.run(&op)
		want := op.want
		plain := strings.TrimPrefix(op.name, "snapshot_")
		if err == nil && bytesResults[plain] && want[0] != "none" && (!isStatus(want[0]) || plain == "multi_get") {
			want = slices.Clone(want)
			for i := range want {
				if isStatus(want[i]) {
					continue
				}
				if want[i], err = normalized(want[i]); err != nil {
					break
				}
			}
		}
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("got %s, expected %s", shortened(got), shortened(want))
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %s [%s]: %s: %w", op.file, op.line, c.name, under, op.text, err)
		}
	}
	return nil
}

var bytesResults = map[string]bool{"get": true, "get_into": true, "held": true, "iter": true, "iter_next": true,
	"multi_get": true, "first": true, "last": true, "batch_get": true, "batch_iter": true, "txn_get": true, "txn_get_for_update": true,
	"txn_iter": true, "update_append": true}

func shortened(result []string) string {
	text := strings.Join(result, " ")
	if len(text) > 200 {
		return fmt.Sprintf("%s… (%d characters)", text[:200], len(text))
	}
	return text
}

type confStore struct {
	db   *bitcask.DB // nil: a snapshot, which is only read
	read reader
	opts []confOption // of the last open
}

type confIter struct {
	it       *bitcask.Iterator
	keysOnly bool
}

type confRunner struct {
	dir     string
	kind    int // of kinds
	io      bitcask.IO
	reuse   bool
	handed  [][]byte // the buffers that the library was given in this call
	stores  map[string]*confStore
	batches map[string]*bitcask.Batch
	iters   map[string]*confIter
	held    map[string][]byte
	confObjects
}

// finish frees what a case left open.
func (r *confRunner) finish() error {
	for _, it := range r.iters {
		it.it.Close()
	}
	for _, b := range r.batches {
		b.Close()
	}
	r.confObjects.close()
	var err error
	for _, s := range r.stores {
		err = errors.Join(err, s.db.Close())
	}
	return err
}

// give makes a buffer that is handed to the library; returned overwrites all of them, if the case says so.
func (r *confRunner) give(b []byte) []byte {
	if r.reuse {
		b = bytes.Clone(b)
		r.handed = append(r.handed, b)
	}
	return b
}

func (r *confRunner) returned() {
	for _, b := range r.handed {
		for i := range b {
			b[i] = 0xaa
		}
	}
	r.handed = r.handed[:0]
}

// outcome turns an error into the name of its status, and success into the given tokens. An error without a status is a
// failure of the binding.
func outcome(err error, ok ...string) ([]string, error) {
	var status bitcask.Status
	switch {
	case err == nil:
		return ok, nil
	case errors.As(err, &status):
		return []string{status.Name()}, nil
	}
	return nil, fmt.Errorf("an error without a status: %w", err)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// run runs one operation. Its error says that the operation itself is wrong, or the binding is beyond the language's words.
func (r *confRunner) run(op *confOp) ([]string, error) {
	if op.wrong != "" {
		return nil, errors.New(op.wrong)
	}
	if snapshotReads[op.name] {
		return r.onSnapshot(op)
	}
	if f, ok := storeOps[op.name]; ok {
		if err := op.arguments(f.args); err != nil && f.args >= 0 {
			return nil, err
		}
		name := op.object
		if name == "" || f.of {
			name = "db"
		}
		if of, ok := op.take("of"); ok && f.of {
			name = of
		}
		s := r.stores[name]
		if s == nil {
			return nil, fmt.Errorf("no store %s", name)
		}
		got, err := f.run(r, s, op)
		return op.finished(got, err)
	}
	switch {
	case op.name == "open":
		if err := op.arguments(0); err != nil {
			return nil, err
		}
		return r.open(op.named("db"), op.opts)
	case strings.HasPrefix(op.name, "batch_"):
		b := r.batches[op.named("b")]
		if b == nil {
			return nil, errors.New("no such batch")
		}
		return op.finished(r.onBatch(b, op))
	case strings.HasPrefix(op.name, "iter_"):
		it := r.iters[op.named("it")]
		if it == nil {
			return nil, errors.New("no such iterator")
		}
		return op.finished(r.onIter(it, op))
	case objectOps[op.name] != nil:
		got, err := objectOps[op.name](r, op)
		return op.finished(got, err)
	case op.name == "held" || op.name == "release":
		value, ok := r.held[op.named("v")]
		if !ok {
			return nil, errors.New("no such value")
		}
		if op.name == "held" {
			return op.finished([]string{written(value)}, nil)
		}
		delete(r.held, op.named("v"))
		return op.finished([]string{"OK"}, nil)
	}
	return nil, errors.New("unknown operation")
}

func (op *confOp) named(byDefault string) string {
	if op.object == "" {
		return byDefault
	}
	return op.object
}

func (op *confOp) arguments(n int) error {
	if len(op.args) != n {
		return fmt.Errorf("%d arguments, not %d", len(op.args), n)
	}
	return nil
}

// take gives an option's value and takes it from the list.
func (op *confOp) take(name string) (string, bool) {
	for i, o := range op.opts {
		if o.name == name {
			op.opts = slices.Delete(slices.Clone(op.opts), i, i+1)
			return o.value, true
		}
	}
	return "", false
}

// finished fails an operation some of whose options nobody took.
func (op *confOp) finished(got []string, err error) ([]string, error) {
	if err == nil && len(op.opts) > 0 {
		return nil, fmt.Errorf("unknown option %s", op.opts[0].name)
	}
	return got, err
}

func (op *confOp) number(i int) (int, error) { return strconv.Atoi(op.args[i]) }

// open makes a store, with the later of two options that say the same.
func (r *confRunner) open(name string, given []confOption) ([]string, error) {
	path := filepath.Join(r.dir, "store")
	last := map[string]string{}
	for _, o := range given {
		last[o.name] = o.value
	}
	opts := []bitcask.Option{bitcask.WithIndex(kinds[r.kind].index), bitcask.WithIO(r.io), bitcask.WithBackgroundMerge(false)}
	yes := func(value string) bool { return value == "yes" }
	var interval time.Duration
	var intervalBytes uint64
	watch := &progressWatch{}
	for option, value := range last {
		var err error
		ok := true
		switch option {
		case "dir":
			path = filepath.Join(r.dir, value)
		case "index":
			i := slices.IndexFunc(kinds, func(k indexKind) bool { return k.name == value })
			if value == "next" {
				i = (r.kind + 1) % len(kinds)
			}
			if ok = i >= 0; ok {
				opts = append(opts, bitcask.WithIndex(kinds[i].index))
			}
		case "progress":
			opts, ok = append(opts, bitcask.WithProgress(watch.tell(value))), value == "watch" || value == "cancel"
		case "io":
			kind, known := map[string]bitcask.IO{"mmap": bitcask.IOMmap, "file": bitcask.IOFile}[value]
			opts, ok = append(opts, bitcask.WithIO(kind)), known
		case "sort_budget":
			var budget uint64
			budget, err = strconv.ParseUint(value, 10, 64)
			opts = append(opts, bitcask.WithSortBudget(budget))
		case "index_budget":
			var budget uint64
			budget, err = strconv.ParseUint(value, 10, 64)
			opts = append(opts, bitcask.WithIndexBudget(budget))
		case "checkpoint_bytes":
			var bytes uint64
			bytes, err = strconv.ParseUint(value, 10, 64)
			opts = append(opts, bitcask.WithCheckpointBytes(bytes))
		case "durability":
			d, known := map[string]bitcask.Durability{"none": bitcask.DurabilityNone, "interval": bitcask.DurabilityInterval,
				"always": bitcask.DurabilityAlways}[value]
			opts, ok = append(opts, bitcask.WithDurability(d)), known
		case "interval_ms":
			var ms int64
			ms, err = strconv.ParseInt(value, 10, 64)
			interval = time.Duration(ms) * time.Millisecond
		case "interval_bytes":
			intervalBytes, err = strconv.ParseUint(value, 10, 64)
			opts = append(opts, bitcask.WithDurability(bitcask.DurabilityInterval))
		case "max_file_size":
			var size uint64
			size, err = strconv.ParseUint(value, 10, 64)
			opts = append(opts, bitcask.WithMaxFileSize(size))
		case "expiry_ms":
			var ms int64
			ms, err = strconv.ParseInt(value, 10, 64)
			opts = append(opts, bitcask.WithExpiry(time.Duration(ms)*time.Millisecond))
		case "create":
			opts, ok = append(opts, bitcask.WithCreateIfMissing(yes(value))), yes(value) || value == "no"
		case "read_only":
			if yes(value) {
				opts = append(opts, bitcask.WithReadOnly())
			}
			ok = yes(value) || value == "no"
		case "verify":
			opts, ok = append(opts, bitcask.WithVerifyChecksums(yes(value))), yes(value) || value == "no"
		case "on_damage":
			policy, known := map[string]bitcask.OnDamage{"refuse": bitcask.OnDamageRefuse, "serve": bitcask.OnDamageServe}[value]
			opts, ok = append(opts, bitcask.WithOnDamage(policy)), known
		default:
			var n uint64
			n, err = strconv.ParseUint(value, 10, 64)
			opt := policyOption(option, n)
			opts, ok = append(opts, opt), opt != nil
		}
		if err != nil || !ok {
			return nil, fmt.Errorf("unknown option %s=%s", option, value)
		}
	}
	if _, ok := last["interval_ms"]; ok {
		opts = append(opts, bitcask.WithSyncInterval(interval, intervalBytes))
	}
	db, err := bitcask.Open(path, opts...)
	if err == nil {
		given = slices.DeleteFunc(slices.Clone(given), func(o confOption) bool { return o.name == "progress" })
		r.stores[name] = &confStore{db, db, given}
		if wrong := watch.judge(last["progress"]); wrong != nil {
			return nil, wrong
		}
	}
	return outcome(err, "OK")
}
