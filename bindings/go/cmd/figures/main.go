// Command figures measures the Go binding and prints one line of JSON for each figure:
//
//	{"name":"go_get_ns","value":412.3,"unit":"ns","index":"btree","keys":1000000,"command":"figures -keys 1000000"}
//
// The workload is the one of the repository's other figures: random keys of 24 bytes with values of 150, no sync, gets in
// random order. Each figure is the best of several rounds, because a busy machine only ever makes one slower. The figures of
// one run belong together: compare them as ratios or differences, for instance go_get_ns less the core's own.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const (
	keyLen   = 24
	valueLen = 150
)

var (
	keyCount = flag.Int("keys", 1_000_000, "number of keys")
	rounds   = flag.Int("rounds", 5, "rounds, of which the best counts")
	gets     = flag.Int("gets", 1_000_000, "gets in a round")
	only     = flag.String("index", "btree,hash", "index kinds")
	which    = flag.String("figures", "", "regular expression of the figures to measure (default: all)")
	cpu      = flag.Bool("cpu", false, "count processor time of the process instead of time passed, for busy machines")
	dir      = flag.String("dir", "", "directory to work in (default: a temporary one)")
)

// clock gives nanoseconds since some moment: of time, or of work with -cpu (all threads', the collector's too).
func clock() int64 {
	if !*cpu {
		return int64(time.Since(start))
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

var start = time.Now()

var wanted *regexp.Regexp

func main() {
	flag.Parse()
	wanted = regexp.MustCompile(*which)
	if err := measureAll(); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func measureAll() error {
	work, err := os.MkdirTemp(*dir, "bitcask-figures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, name := range strings.Split(*only, ",") {
		index, ok := map[string]bitcask.Index{"btree": bitcask.IndexBTree, "hash": bitcask.IndexHash, "art": bitcask.IndexART,
			"skiplist": bitcask.IndexSkipList, "bptree": bitcask.IndexBPTree}[name]
		if !ok {
			return fmt.Errorf("unknown index kind %q", name)
		}
		path := filepath.Join(work, name)
		db, err := bitcask.Open(path, bitcask.WithIndex(index), bitcask.WithDurability(bitcask.DurabilityNone))
		if err != nil {
			return err
		}
		m := &meter{db: db, index: name}
		if err := m.run(); err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
		if wanted.MatchString("go_get_extra_ns") {
			if err := compare(m, path, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// meter measures one store.
type meter struct {
	db    *bitcask.DB
	index string
	keys  [][]byte // in the order of their gets
	err   error
}

// figure runs a measurement of n operations several times, and prints the best as a time for each.
func (m *meter) figure(name string, rounds, n int, f func(round int) error) {
	if !wanted.MatchString(name) && name != "go_put_ns" { // whose puts all others need
		return
	}
	best := 0.0
	for round := range rounds {
		if m.err != nil {
			return
		}
		runtime.GC()
		begin := clock()
		m.err = f(round)
		if each := float64(clock()-begin) / float64(n); round == 0 || each < best {
			best = each
		}
	}
	if m.err == nil {
		m.print(name, best, "ns")
	}
}

func (m *meter) print(name string, value float64, unit string) {
	line, err := json.Marshal(struct {
		Name    string  `json:"name"`
		Value   float64 `json:"value"`
		Unit    string  `json:"unit"`
		Index   string  `json:"index"`
		Keys    int     `json:"keys"`
		Command string  `json:"command"`
	}{name, float64(int(value*10+0.5)) / 10, unit, m.index, *keyCount, strings.Join(append([]string{"figures"}, os.Args[1:]...), " ")})
	if err != nil {
		m.err = err
		return
	}
	fmt.Println(string(line))
}

func (m *meter) run() error {
	rng := rand.NewChaCha8([32]byte{1})
	block := make([]byte, *keyCount*keyLen)
	_, _ = rng.Read(block)
	value := make([]byte, valueLen)
	_, _ = rng.Read(value)
	m.keys = make([][]byte, *keyCount)
	for i := range m.keys {
		m.keys[i] = block[i*keyLen : (i+1)*keyLen : (i+1)*keyLen]
	}
	all := m.keys
	m.figure("go_put_ns", 1, len(all), func(int) error {
		for _, key := range all {
			if err := m.db.Put(key, value); err != nil {
				return err
			}
		}
		return nil
	})
	rand.New(rng).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })

	buf := make([]byte, 0, 1024)
	m.figure("go_get_ns", *rounds, *gets, m.each(func(key []byte) error { _, err := m.db.Get(key); return err }))
	m.figure("go_append_to_ns", *rounds, *gets, m.each(func(key []byte) error { _, err := m.db.AppendTo(buf, key); return err }))
	m.figure("go_get_into_ns", *rounds, *gets, m.each(func(key []byte) error { _, err := m.db.GetInto(key, buf[:cap(buf)]); return err }))
	m.figure("go_has_ns", *rounds, *gets, m.each(func(key []byte) error { _, err := m.db.Has(key); return err }))
	m.figure("go_multi_get_ns", *rounds, *gets, m.multi)
	m.figure("go_value_size_ns", *rounds, *gets, m.each(func(key []byte) error { _, err := m.db.ValueSize(key); return err }))
	m.figure("go_get_4_goroutines_ns", *rounds, *gets, m.parallel)
	m.figure("go_overwrite_ns", *rounds, *gets, m.each(func(key []byte) error { return m.db.Put(key, value) }))
	m.figure("go_batch_1000_put_ns", *rounds, *gets, func(round int) error { return m.batches(round, value) })
	ranges := max(*gets/10, 1)
	if m.index != "hash" { // which sorts all keys first
		m.figure("go_range10_ns", *rounds, ranges, m.ranges(ranges))
		m.figure("go_range10_no_copy_ns", *rounds, ranges, m.ranges(ranges, bitcask.NoCopy()))
	}
	m.figure("go_iterate_ns_per_key", *rounds, len(all), m.iterate())
	m.figure("go_iterate_no_copy_ns_per_key", *rounds, len(all), m.iterate(bitcask.NoCopy()))
	m.figure("go_iterate_keys_only_ns_per_key", *rounds, len(all), m.iterate(bitcask.KeysOnly()))
	return m.err
}

// each calls f with so many keys as there are gets in a round; every round goes on where the last ended.
func (m *meter) each(f func(key []byte) error) func(int) error {
	return func(round int) error {
		at := round * *gets % len(m.keys)
		for range *gets {
			if err := f(m.keys[at]); err != nil {
				return err
			}
			if at++; at == len(m.keys) {
				at = 0
			}
		}
		return nil
	}
}

// multi gets a thousand keys with each call; its figure is for one of them.
func (m *meter) multi(round int) error {
	at := round * *gets % len(m.keys)
	for done := 0; done < *gets; {
		n := min(1000, *gets-done, len(m.keys)-at)
		if _, err := m.db.MultiGet(m.keys[at : at+n]); err != nil {
			return err
		}
		done += n
		if at += n; at == len(m.keys) {
			at = 0
		}
	}
	return nil
}

func (m *meter) parallel(round int) error {
	const goroutines = 4
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			at := (round**gets + g*len(m.keys)/goroutines) % len(m.keys)
			for range *gets / goroutines {
				if _, err := m.db.Get(m.keys[at]); err != nil {
					errs[g] = err
					return
				}
				if at++; at == len(m.keys) {
					at = 0
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *meter) batches(round int, value []byte) error {
	var b *bitcask.Batch
	n := 0
	err := m.each(func(key []byte) error {
		if b == nil {
			b = m.db.NewBatch()
		}
		n++
		if err := b.Put(key, value); err != nil || n%1000 != 0 {
			return err
		}
		done := b
		b = nil
		return done.Commit()
	})(round)
	if err == nil && b != nil {
		err = b.Commit()
	}
	return err
}

func (m *meter) ranges(n int, opts ...bitcask.IterOption) func(int) error {
	return func(round int) error {
		for i := range n {
			key := m.keys[(round*n+i)%len(m.keys)]
			it := m.db.Range(append(opts[:len(opts):len(opts)], bitcask.From(key), bitcask.Limit(10))...)
			for range it.Seq() {
			}
			if it.Err() != nil {
				return it.Err()
			}
		}
		return nil
	}
}

func (m *meter) iterate(opts ...bitcask.IterOption) func(int) error {
	return func(int) error {
		n := 0
		it := m.db.All(opts...)
		for range it.Seq() {
			n++
		}
		if it.Err() == nil && n != len(m.keys) {
			return fmt.Errorf("%d records of %d", n, len(m.keys))
		}
		return it.Err()
	}
}
