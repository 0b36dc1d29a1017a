// The state machine: random histories of every call on a store, against a map, with reopens under other options.
//
// Long runs: go test -run TestMachine -rapid.checks=50000 -timeout 0

package bitcask_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
	"pgregory.net/rapid"
)

// machine is a store beside the map that it has to equal. Batches and iterators keep what they must do or show.
type machine struct {
	path    string
	db      *bitcask.DB
	model   map[string]string
	batches []*openBatch
	iters   []*openIter
	moments
}

type openBatch struct {
	b *bitcask.Batch
	pending
}

type openIter struct {
	it   *bitcask.Iterator
	rest []string // the keys that are still to come
	all  []string
	view map[string]string
}

// Few keys, so that they are met again; some are prefixes of others.
func keys() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Repeat("k", rapid.IntRange(0, 2).Draw(t, "ks")) + string(rune('a'+rapid.IntRange(0, 20).Draw(t, "letter")))
	})
}

func values() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{0, 1, 10, 150, 511, 512, 513, 5000, 20_000}).Draw(t, "size")
		return strings.Repeat(rapid.SampledFrom([]string{"x", "y", "\x00"}).Draw(t, "byte"), n)
	})
}

func (m *machine) open(t *rapid.T) {
	opts := []bitcask.Option{
		bitcask.WithIndex(rapid.SampledFrom(kinds).Draw(t, "index").index),
		bitcask.WithIO(rapid.SampledFrom(ios).Draw(t, "io").io),
		bitcask.WithDurability(rapid.SampledFrom([]bitcask.Durability{bitcask.DurabilityNone, bitcask.DurabilityInterval}).Draw(t, "durability")),
		bitcask.WithMaxFileSize(rapid.SampledFrom([]uint64{4096, 64 << 10, 1 << 30}).Draw(t, "file size")),
		bitcask.WithVerifyChecksums(rapid.Bool().Draw(t, "verify")),
		bitcask.WithCheckpointBytes(rapid.SampledFrom([]uint64{0, 4096, 64 << 20}).Draw(t, "checkpoint bytes")),
	}
	db, err := bitcask.Open(m.path, opts...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.db = db
}

func (m *machine) fatal(t *rapid.T, call string, err error) {
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
}

func (m *machine) Put(t *rapid.T) {
	key, value := keys().Draw(t, "key"), values().Draw(t, "value")
	var opts []bitcask.WriteOption
	if rapid.IntRange(0, 9).Draw(t, "sync") == 0 {
		opts = append(opts, bitcask.Sync())
	}
	k, v := []byte(key), []byte(value)
	m.fatal(t, "put", m.db.Put(k, v, opts...))
	clear(k)
	clear(v)
	m.committed(putting(key, value))
}

func (m *machine) Delete(t *rapid.T) {
	key := keys().Draw(t, "key")
	existed, err := m.db.Delete([]byte(key))
	m.fatal(t, "delete", err)
	if _, want := m.model[key]; existed != want {
		t.Fatalf("delete %q: existed %v", key, existed)
	}
	if existed {
		m.committed(deleting(key))
	}
}

func (m *machine) Get(t *rapid.T) {
	key := keys().Draw(t, "key")
	want, there := m.model[key]
	has, err := m.db.Has([]byte(key))
	m.fatal(t, "has", err)
	if has != there {
		t.Fatalf("has %q: %v", key, has)
	}
	into := make([]byte, rapid.SampledFrom([]int{0, 100, 30_000}).Draw(t, "room"))
	n, errInto := m.db.GetInto([]byte(key), into)
	got, errGet := m.db.Get([]byte(key))
	if !there {
		if errGet != bitcask.ErrNotFound || errInto != bitcask.ErrNotFound {
			t.Fatalf("get %q: %v, %v", key, errGet, errInto)
		}
		return
	}
	if errGet != nil || got == nil || string(got) != want {
		t.Fatalf("get %q: %d bytes, %v", key, len(got), errGet)
	}
	if n != len(want) || (errInto == nil) != (n <= len(into)) || errInto == nil && string(into[:n]) != want {
		t.Fatalf("get %q into %d bytes: %d, %v", key, len(into), n, errInto)
	}
}

func (m *machine) MultiGet(t *rapid.T) {
	asked := rapid.SliceOfN(keys(), 0, 12).Draw(t, "keys")
	given := make([][]byte, len(asked))
	for i, key := range asked {
		given[i] = []byte(key)
	}
	got, err := m.db.MultiGet(given)
	m.fatal(t, "multi get", err)
	if len(got) != len(asked) {
		t.Fatalf("%d values of %d keys", len(got), len(asked))
	}
	for i, key := range asked {
		if want, there := m.model[key]; string(got[i]) != want || (got[i] != nil) != there {
			t.Fatalf("multi get %q: %d bytes (nil: %v) for %q", asked, len(got[i]), got[i] == nil, key)
		}
		n, err := m.db.ValueSize([]byte(key))
		if got[i] == nil && err == bitcask.ErrNotFound {
			continue
		}
		m.fatal(t, "value size", err)
		if n != uint64(len(got[i])) {
			t.Fatalf("value size of %q: %d", key, n)
		}
	}
}

func (m *machine) Ends(t *rapid.T) {
	sorted := slices.Sorted(maps.Keys(m.model))
	for i, edge := range []func() ([]byte, []byte, error){m.db.First, m.db.Last} {
		key, value, err := edge()
		if len(sorted) == 0 {
			if err != bitcask.ErrNotFound {
				t.Fatalf("the end of an empty store: %q, %v", key, err)
			}
			continue
		}
		m.fatal(t, "end", err)
		if want := sorted[i*(len(sorted)-1)]; string(key) != want || string(value) != m.model[want] || value == nil {
			t.Fatalf("end %d: %q, %d bytes; want %q", i, key, len(value), want)
		}
	}
	key, err := m.db.RandomKey()
	if _, there := m.model[string(key)]; there != (err == nil) || err != nil && (err != bitcask.ErrNotFound || len(sorted) > 0) {
		t.Fatalf("random key: %q, %v", key, err)
	}
}

func (m *machine) Count(t *rapid.T) {
	from, to, limit := keys().Draw(t, "from"), keys().Draw(t, "to"), rapid.IntRange(0, 30).Draw(t, "limit")
	prefix := rapid.SampledFrom([]string{"", "k", "kk"}).Draw(t, "prefix")
	want := 0
	for key := range m.model {
		if key > from && key <= to && strings.HasPrefix(key, prefix) {
			want++
		}
	}
	n, err := m.db.Count(bitcask.WithPrefix([]byte(prefix)), bitcask.After([]byte(from)), bitcask.To([]byte(to)), bitcask.Limit(uint64(limit)))
	m.fatal(t, "count", err)
	if n != uint64(min(want, limit)) {
		t.Fatalf("count %d, want %d, at most %d", n, want, limit)
	}
}

func (m *machine) Len(t *rapid.T) {
	n, err := m.db.Len()
	m.fatal(t, "len", err)
	stats, err := m.db.Stats()
	m.fatal(t, "stats", err)
	if count, err := m.db.Count(); err != nil || count != n {
		t.Fatalf("count %d, %v; len %d", count, err, n)
	}
	if n != uint64(len(m.model)) || stats.Keys != n {
		t.Fatalf("len %d, stats %d; want %d", n, stats.Keys, len(m.model))
	}
}

func (m *machine) BatchBegin(t *rapid.T) {
	m.batches = append(m.batches, &openBatch{b: m.db.NewBatch()})
}

func (m *machine) pickBatch(t *rapid.T) (int, *openBatch) {
	if len(m.batches) == 0 {
		t.Skip("no batch")
	}
	i := rapid.IntRange(0, len(m.batches)-1).Draw(t, "batch")
	return i, m.batches[i]
}

func (m *machine) BatchWrite(t *rapid.T) {
	_, b := m.pickBatch(t)
	b.write(t, b.b)
}

func (m *machine) BatchSavepoints(t *rapid.T) {
	_, b := m.pickBatch(t)
	b.rollBack(t, b.b)
}

func (m *machine) BatchRead(t *rapid.T) {
	_, b := m.pickBatch(t)
	b.read(t, b.b, m.model)
}

func (m *machine) BatchClear(t *rapid.T) {
	_, b := m.pickBatch(t)
	m.fatal(t, "batch clear", b.b.Clear())
	b.pending = pending{}
}

func (m *machine) BatchLen(t *rapid.T) {
	_, b := m.pickBatch(t)
	n, err := b.b.Len()
	m.fatal(t, "batch len", err)
	if want := len(b.written()); n != want {
		t.Fatalf("batch len %d, want %d", n, want)
	}
}

func (m *machine) BatchEnd(t *rapid.T) {
	i, b := m.pickBatch(t)
	m.batches = slices.Delete(m.batches, i, i+1)
	if rapid.IntRange(0, 3).Draw(t, "drop") > 0 {
		m.fatal(t, "commit", b.b.Commit())
		m.committed(b.changes...)
		if err := b.b.Commit(); err == nil {
			t.Fatal("a batch was committed twice")
		}
	}
	b.b.Close()
}

func (m *machine) IterBegin(t *rapid.T) {
	var opts []bitcask.IterOption
	view := maps.Clone(m.model)
	all := slices.Sorted(maps.Keys(view))
	from, to := keys().Draw(t, "from"), keys().Draw(t, "to")
	if rapid.Bool().Draw(t, "use from") {
		opts = append(opts, bitcask.From([]byte(from)))
		all = slices.DeleteFunc(all, func(k string) bool { return k < from })
	}
	if rapid.Bool().Draw(t, "use to") {
		opts = append(opts, bitcask.Before([]byte(to)))
		all = slices.DeleteFunc(all, func(k string) bool { return k >= to })
	}
	if rapid.Bool().Draw(t, "no copy") {
		opts = append(opts, bitcask.NoCopy())
	}
	prefix := rapid.SampledFrom([]string{"", "k", "kk"}).Draw(t, "prefix")
	all = slices.DeleteFunc(all, func(k string) bool { return !strings.HasPrefix(k, prefix) })
	m.iters = append(m.iters, &openIter{m.db.Prefix([]byte(prefix), opts...), all, all, view})
}

func (m *machine) IterStep(t *rapid.T) {
	if len(m.iters) == 0 {
		t.Skip("no iterator")
	}
	i := rapid.IntRange(0, len(m.iters)-1).Draw(t, "iterator")
	it := m.iters[i]
	switch rapid.IntRange(0, 5).Draw(t, "step") {
	case 0:
		it.it.Close()
		m.iters = slices.Delete(m.iters, i, i+1)
	case 1:
		m.fatal(t, "rewind", it.it.Rewind())
		it.rest = it.all
	case 2:
		key := keys().Draw(t, "seek")
		m.fatal(t, "seek", it.it.Seek([]byte(key)))
		at, _ := slices.BinarySearch(it.all, key)
		it.rest = it.all[at:]
	default:
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if !it.it.Next() {
				m.fatal(t, "next", it.it.Err())
				if len(it.rest) > 0 {
					t.Fatalf("the iterator ends before %q", it.rest[0])
				}
				break
			}
			if len(it.rest) == 0 || string(it.it.Key()) != it.rest[0] || string(it.it.Value()) != it.view[it.rest[0]] {
				t.Fatalf("the iterator is at %q; to come: %q", it.it.Key(), it.rest)
			}
			it.rest = it.rest[1:]
		}
	}
}

func (m *machine) Reopen(t *rapid.T) {
	m.close(t)
	m.open(t)
}

func (m *machine) close(t *rapid.T) {
	if rapid.Bool().Draw(t, "children first") {
		m.closeChildren()
	}
	m.fatal(t, "close", m.db.Close())
	m.closeChildren()
}

func (m *machine) closeChildren() {
	for _, b := range m.batches {
		b.b.Close()
	}
	for _, it := range m.iters {
		it.it.Close()
	}
	m.batches, m.iters = nil, nil
	m.moments.close()
}

// Check runs after every step.
func (m *machine) Check(t *rapid.T) {
	seen := 0
	it := m.db.All()
	for key, value := range it.Seq() {
		want, there := m.model[string(key)]
		if !there || !bytes.Equal(value, []byte(want)) {
			t.Fatalf("the store has %q, %d bytes; want %v, %d", key, len(value), there, len(want))
		}
		seen++
	}
	m.fatal(t, "iterate", it.Err())
	if seen != len(m.model) {
		t.Fatalf("%d keys, want %d", seen, len(m.model))
	}
}

func TestMachine(t *testing.T) {
	if bitcask.GCStress {
		defer setFlag(t, "rapid.checks", "5")()
	}
	dir, run := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		m := &machine{path: filepath.Join(dir, fmt.Sprint(run)), model: map[string]string{}}
		m.open(t)
		defer os.RemoveAll(m.path)
		defer func() { _ = m.db.Close() }()
		defer func() {
			if m.reader != nil {
				_ = m.reader.Close()
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"put": m.Put, "put again": m.Put, "delete": m.Delete, "get": m.Get, "len": m.Len,
			"multi get": m.MultiGet, "ends": m.Ends, "count": m.Count,
			"batch begin": m.BatchBegin, "batch write": m.BatchWrite, "batch clear": m.BatchClear, "batch len": m.BatchLen,
			"batch end": m.BatchEnd, "iter begin": m.IterBegin, "iter step": m.IterStep, "reopen": m.Reopen, "": m.Check,
			"batch savepoints": m.BatchSavepoints, "batch read": m.BatchRead,
			"snapshot begin": m.SnapshotBegin, "snapshot read": m.SnapshotRead, "txn begin": m.TxnBegin, "txn write": m.TxnWrite,
			"txn savepoints": m.TxnSavepoints, "txn read": m.TxnRead, "txn end": m.TxnEnd, "update": m.Update, "swap": m.Swap, "add": m.Add,
			"load begin": m.LoadBegin, "load put": m.LoadPut, "load end": m.LoadEnd, "numbers": m.Numbers, "reader": m.Reader,
		})
		m.close(t)
	})
}

// setFlag sets a flag of the test program and returns what sets it back.
func setFlag(t *testing.T, name, value string) func() {
	before := flag.Lookup(name).Value.String()
	must(t, flag.Set(name, value))
	return func() { must(t, flag.Set(name, before)) }
}
