package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// The workload, the same for all stores: pairs of 24 + 150 random bytes, in one order for writing and in another for reading. Keys
// to be read are made before the clock starts and lie in memory in the order of use. Of each value the length is checked, and the
// first eight bytes are summed up, within the time; the sums must be those of what was written.
const (
	keyLen   = 24
	valueLen = 150
	rangeLen = 10
	together = 1000 // keys of a call that asks for many
	routines = 4
	passes   = 3 // the median of so many counts
)

// sample is a number of a row, as `bench` reads it.
type sample struct {
	Row   string   `json:"row"`
	Unit  string   `json:"unit"`
	Value *float64 `json:"value"`
	Check uint64   `json:"check"`
	Note  string   `json:"note,omitempty"`
}

type workload struct {
	subject subject
	dir     string
	count   int
	pairs   []byte // key and value, one behind the other, in the order of writing
	probes  []byte // keys in the order of reading
	some    int    // the first so many are read where it takes long
	starts  int    // the first so many begin ranges
	sum     uint64 // of all values
	someSum uint64 // of the values of the first probes
	keySum  uint64 // of all keys
	samples []sample
}

func head(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// tally sums up what was read.
type tally struct {
	sum   uint64
	wrong bool
}

func (t *tally) value(value []byte) {
	if len(value) != valueLen {
		t.wrong = true
		return
	}
	t.sum += head(value)
}

func (t *tally) pair(key, value []byte) {
	t.sum += head(key)
	t.value(value)
}

func (t *tally) is(expected uint64, what string) error {
	if t.wrong || t.sum != expected {
		return fmt.Errorf("%s: the values are not those that were written", what)
	}
	return nil
}

func measure(s subject, count int, dir string) ([]sample, error) {
	w := &workload{subject: s, dir: dir, count: count, some: max(count/5, 1), starts: max(count/10, 1)}
	w.prepare()
	err := w.run()
	return w.samples, err
}

func (w *workload) prepare() {
	random := rand.NewChaCha8([32]byte{3})
	w.pairs = make([]byte, w.count*(keyLen+valueLen))
	random.Read(w.pairs)
	w.probes = make([]byte, 0, w.count*keyLen)
	for i, at := range rand.New(random).Perm(w.count) {
		key, value := w.pair(at)
		w.probes = append(w.probes, key...)
		w.sum += head(value)
		w.keySum += head(key)
		if i < w.some {
			w.someSum += head(value)
		}
	}
}

func (w *workload) pair(at int) (key, value []byte) {
	pair := w.pairs[at*(keyLen+valueLen):][:keyLen+valueLen]
	return pair[:keyLen:keyLen], pair[keyLen:]
}

func (w *workload) probe(at int) []byte { return w.probes[at*keyLen : (at+1)*keyLen : (at+1)*keyLen] }

func (w *workload) tell(row, unit string, value float64, check uint64) {
	w.samples = append(w.samples, sample{row, unit, &value, check, ""})
}

// ofPasses tells the middle one of what a pass gives, which must have read what adds up to the check.
func (w *workload) ofPasses(row, unit string, check uint64, pass func(*tally) (float64, error)) error {
	var values []float64
	for range passes {
		// What an earlier phase left to collect must not cost this one.
		runtime.GC()
		var t tally
		value, err := pass(&t)
		if err == nil {
			err = t.is(check, row)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		values = append(values, value)
	}
	slices.Sort(values)
	// 0 would stand for no check.
	w.tell(row, unit, values[(passes-1)/2], check|1)
	return nil
}

func (w *workload) run() error {
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	db, err := w.subject.open(w.dir)
	if err != nil {
		return err
	}
	if err := w.put(db); err != nil {
		return err
	}
	expected := w.rangeSum()
	for _, phase := range []func(store) error{
		w.get, w.getInto, w.getAlone, w.getMany, w.getByMany,
		func(db store) error { return w.walks(db, "", expected) },
	} {
		if err := phase(db); err != nil {
			return err
		}
	}
	start := time.Now()
	db, dir, err := db.compact(w.dir)
	if err != nil {
		return err
	}
	w.tell("compaction", "nanos", float64(time.Since(start)), 0)
	if err := w.walks(db, ", compacted", expected); err != nil {
		return err
	}
	if err := db.close(); err != nil {
		return err
	}
	return w.open(dir)
}

func (w *workload) put(db store) error {
	runtime.GC()
	start := time.Now()
	for i := range w.count {
		key, value := w.pair(i)
		if err := db.put(key, value); err != nil {
			return err
		}
	}
	w.tell("put, no sync", "nanos", float64(time.Since(start))/float64(w.count), uint64(w.count))
	return db.sync()
}

// reading is a pass with a reader, which is made and closed within the time.
func reading(db store, read func(reader) error) (time.Duration, error) {
	start := time.Now()
	r, err := db.reader()
	if err != nil {
		return 0, err
	}
	if err := read(r); err != nil {
		return 0, err
	}
	err = r.close()
	return time.Since(start), err
}

func (w *workload) get(db store) error {
	return w.ofPasses("get", "nanos", w.sum, func(t *tally) (float64, error) {
		spent, err := reading(db, func(r reader) error { return w.getShare(r, t, 0, w.count) })
		return float64(spent) / float64(w.count), err
	})
}

func (w *workload) getShare(r reader, t *tally, from, to int) error {
	for i := from; i < to; i++ {
		value, err := r.get(w.probe(i))
		if err != nil {
			return err
		}
		t.value(value)
	}
	return nil
}

func (w *workload) getInto(db store) error {
	buf := make([]byte, valueLen)
	return w.ofPasses("get, into a buffer", "nanos", w.sum, func(t *tally) (float64, error) {
		spent, err := reading(db, func(r reader) error {
			for i := range w.count {
				n, err := r.getInto(w.probe(i), buf)
				if err != nil {
					return err
				}
				t.value(buf[:n])
			}
			return nil
		})
		return float64(spent) / float64(w.count), err
	})
}

func (w *workload) getAlone(db store) error {
	return w.ofPasses("get, by itself", "nanos", w.someSum, func(t *tally) (float64, error) {
		start := time.Now()
		for i := range w.some {
			if err := db.get(w.probe(i), t.value); err != nil {
				return 0, err
			}
		}
		return float64(time.Since(start)) / float64(w.some), nil
	})
}

func (w *workload) getMany(db store) error {
	keys := make([][]byte, w.count)
	for i := range keys {
		keys[i] = w.probe(i)
	}
	return w.ofPasses("get, 1000 keys a call", "nanos", w.sum, func(t *tally) (float64, error) {
		spent, err := reading(db, func(r reader) error {
			for some := range slices.Chunk(keys, together) {
				if err := r.multi(some, t.value); err != nil {
					return err
				}
			}
			return nil
		})
		return float64(spent) / float64(w.count), err
	})
}

// getByMany reads all keys, a share for each goroutine, with a reader for each.
func (w *workload) getByMany(db store) error {
	rate := func(routines int, all *tally) (float64, error) {
		tallies, failures := make([]tally, routines), make([]error, routines)
		var group sync.WaitGroup
		start := time.Now()
		for i := range routines {
			group.Go(func() {
				// Not beside those of the others in a cache line.
				var own tally
				_, failures[i] = reading(db, func(r reader) error {
					return w.getShare(r, &own, w.count*i/routines, w.count*(i+1)/routines)
				})
				tallies[i] = own
			})
		}
		group.Wait()
		spent := time.Since(start)
		for i := range routines {
			if failures[i] != nil {
				return 0, failures[i]
			}
			all.sum += tallies[i].sum
			all.wrong = all.wrong || tallies[i].wrong
		}
		return float64(w.count) / spent.Seconds(), nil
	}
	var against []float64
	err := w.ofPasses("get, 4 goroutines", "keys", w.sum, func(t *tally) (float64, error) {
		var alone tally
		one, err := rate(1, &alone)
		if err != nil {
			return 0, err
		}
		many, err := rate(routines, t)
		against = append(against, many/one)
		return many, err
	})
	if err != nil {
		return err
	}
	slices.Sort(against)
	w.tell("get, 4 goroutines against one", "times", against[(passes-1)/2], 0)
	return nil
}

// rangeSum is what all ranges together read.
func (w *workload) rangeSum() (sum uint64) {
	order := make([]int, w.count)
	for i := range order {
		order[i] = i
	}
	key := func(at int) []byte { key, _ := w.pair(at); return key }
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(key(a), key(b)) })
	for i := range w.starts {
		at, _ := slices.BinarySearchFunc(order, w.probe(i), func(at int, start []byte) int { return bytes.Compare(key(at), start) })
		for _, pair := range order[at:min(at+rangeLen, w.count)] {
			key, value := w.pair(pair)
			sum += head(key) + head(value)
		}
	}
	return sum
}

func (w *workload) walks(db store, after string, ranges uint64) error {
	if row := "range of 10" + after; w.subject.Ordered {
		err := w.ofPasses(row, "nanos", ranges, func(t *tally) (float64, error) {
			spent, err := reading(db, func(r reader) error {
				for i := range w.starts {
					if err := r.scan(w.probe(i), rangeLen, t.pair); err != nil {
						return err
					}
				}
				return nil
			})
			return float64(spent) / float64(w.starts), err
		})
		if err != nil {
			return err
		}
	} else {
		w.samples = append(w.samples, sample{Row: row, Unit: "nanos", Note: "keeps no order"})
	}
	return w.ofPasses("iteration"+after, "keys", w.sum+w.keySum, func(t *tally) (float64, error) {
		spent, err := reading(db, func(r reader) error { return r.scan(nil, 0, t.pair) })
		return float64(w.count) / spent.Seconds(), err
	})
}

func (w *workload) open(dir string) error {
	first := w.probe(0)
	at := slices.IndexFunc(slices.Collect(slices.Chunk(w.pairs, keyLen+valueLen)), func(pair []byte) bool {
		return bytes.Equal(pair[:keyLen], first)
	})
	_, value := w.pair(at)
	return w.ofPasses("open, clean, to the first get", "nanos", head(value), func(t *tally) (float64, error) {
		start := time.Now()
		db, err := w.subject.open(dir)
		if err != nil {
			return 0, err
		}
		if err := db.get(first, t.value); err != nil {
			return 0, err
		}
		spent := time.Since(start)
		return float64(spent), db.close()
	})
}
