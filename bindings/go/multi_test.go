// Many keys at once, lengths, the ends, counts, random keys; and the options that say how data is read.

package bitcask_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func numbered(i int) []byte { return fmt.Appendf(nil, "%06d", i) }

// valueOf gives values of many lengths: none, small ones that share memory, and some that do not.
func valueOf(i int) []byte {
	n := []int{0, 1, 30, 150, 1023, 1024, 1025, 5000}[i%8]
	return bytes.Repeat([]byte{byte(i)}, n)
}

func filled(t testing.TB, n int, opts ...bitcask.Option) *bitcask.DB {
	t.Helper()
	db := open(t, opts...)
	for i := range n {
		must(t, db.Put(numbered(i), valueOf(i)))
	}
	return db
}

func TestMultiGet(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		n := scaled(2000)
		db := filled(t, n, append(opts, bitcask.WithMaxFileSize(1<<16))...)
		rng := rand.New(rand.NewPCG(1, 2))
		for _, count := range []int{0, 1, 2, 63, 64, 65, scaled(3000)} {
			asked, keys := make([]int, count), make([][]byte, count)
			for i := range asked {
				asked[i] = rng.IntN(n * 3 / 2) // every third is missing; some come twice
				keys[i] = numbered(asked[i])
			}
			values, err := db.MultiGet(keys)
			must(t, err)
			if values == nil || len(values) != count {
				t.Fatalf("%d values of %d keys", len(values), count)
			}
			for i, value := range values {
				switch {
				case asked[i] >= n && value != nil:
					t.Fatalf("%q is missing, and has %d bytes", keys[i], len(value))
				case asked[i] < n && (value == nil || !bytes.Equal(value, valueOf(asked[i]))):
					t.Fatalf("%q has %d bytes (nil: %v)", keys[i], len(value), value == nil)
				}
			}
		}
	})
}

// A value is the caller's: writing to one, or appending to it, changes no other, nor what a later call gives.
func TestMultiGetGivesCopies(t *testing.T) {
	db := filled(t, 100)
	keys := [][]byte{numbered(1), numbered(2), numbered(3), numbered(10), numbered(7)}
	values, err := db.MultiGet(keys)
	must(t, err)
	for i := range values {
		if cap(values[i]) != len(values[i]) {
			t.Errorf("value %d has room for more", i)
		}
		_ = append(values[i], 'x')
		clear(values[i])
	}
	for i := range keys {
		clear(keys[i])
	}
	keys = [][]byte{numbered(1), numbered(2), numbered(3), numbered(10), numbered(7)}
	again, err := db.MultiGet(keys)
	must(t, err)
	for i, n := range []int{1, 2, 3, 10, 7} {
		if !bytes.Equal(again[i], valueOf(n)) {
			t.Errorf("value %d is %q", i, again[i])
		}
		if !bytes.Equal(values[i], make([]byte, len(values[i]))) {
			t.Errorf("the later call wrote to value %d of the earlier", i)
		}
	}
}

func TestMultiGetOfEmptyValuesOnly(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		put(t, db, "a", "")
		put(t, db, "b", "")
		for range 20 {
			values, err := db.MultiGet([][]byte{[]byte("a"), []byte("x"), []byte("b")})
			must(t, err)
			if values[0] == nil || values[1] != nil || values[2] == nil {
				t.Fatalf("%#v", values)
			}
			grown(50) // moves the stack, whose pointers are looked at then
			runtime.GC()
		}
		key, value, err := db.First()
		must(t, err)
		if string(key) != "a" || value == nil || len(value) != 0 {
			t.Fatalf("first: %q, %#v", key, value)
		}
	})
}

func grown(n int) int {
	var room [1000]byte
	if n == 0 {
		return int(room[0])
	}
	return grown(n-1) + int(room[n])
}

func TestMultiGetErrors(t *testing.T) {
	db := filled(t, 10)
	good := numbered(1)
	for _, c := range []struct {
		keys [][]byte
		want error
	}{
		{[][]byte{good, nil}, bitcask.ErrKeyEmpty},
		{[][]byte{{}, good}, bitcask.ErrKeyEmpty},
		{[][]byte{good, make([]byte, 65_536)}, bitcask.ErrKeyTooLarge},
		{[][]byte{nil, make([]byte, 65_536)}, bitcask.ErrKeyEmpty},
	} {
		values, err := db.MultiGet(c.keys)
		wantErr(t, err, c.want)
		if values != nil {
			t.Errorf("values beside %v", err)
		}
	}
	values, err := db.MultiGet([][]byte{good})
	must(t, err)
	if !bytes.Equal(values[0], valueOf(1)) {
		t.Errorf("after the errors: %q", values[0])
	}
	_, err = db.ValueSize(nil)
	wantErr(t, err, bitcask.ErrKeyEmpty)
}

// Memory of calls is used again, whatever store they are on, and given up where it was a lot.
func TestMultiGetOnTwoStoresAndOfMuch(t *testing.T) {
	a, b := open(t), open(t, bitcask.WithIndex(bitcask.IndexHash))
	put(t, a, "k", "a")
	put(t, b, "k", "b")
	large := bytes.Repeat([]byte{7}, 3<<20)
	must(t, b.Put([]byte("large"), large))
	for range scaled(200) {
		for want, db := range map[string]*bitcask.DB{"a": a, "b": b} {
			values, err := db.MultiGet([][]byte{[]byte("k"), []byte("large")})
			must(t, err)
			if string(values[0]) != want || (db == b) != bytes.Equal(values[1], large) {
				t.Fatalf("%q, %d bytes", values[0], len(values[1]))
			}
		}
	}
}

func TestMultiGetAllocatesLittle(t *testing.T) {
	if bitcask.GCStress {
		t.Skip("collects in every call")
	}
	db := open(t)
	keys := randomBytes(1, 1000, 24)
	for _, key := range keys {
		must(t, db.Put(key, make([]byte, 150)))
	}
	allocs := testing.AllocsPerRun(20, func() {
		if _, err := db.MultiGet(keys); err != nil {
			t.Error(err)
		}
	})
	if allocs > 60 {
		t.Errorf("%v allocations for 1000 keys", allocs)
	}
}

func TestMultiGetSeesOneMoment(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, append(opts, bitcask.WithDurability(bitcask.DurabilityNone))...)
		var keys [][]byte
		for i := range 20 {
			keys = append(keys, numbered(i*50))
		}
		write := func(value string) {
			b := db.NewBatch()
			for _, key := range keys {
				must(t, b.Put(key, []byte(value)))
			}
			must(t, b.Commit())
		}
		write("0")
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					values, err := db.MultiGet(keys)
					if err != nil {
						t.Error(err)
						return
					}
					for _, value := range values {
						if !bytes.Equal(value, values[0]) {
							t.Errorf("%q beside %q", value, values[0])
							return
						}
					}
				}
			})
		}
		for i := range scaled(300) {
			write(strconv.Itoa(i))
		}
		close(stop)
		readers.Wait()
	})
}

func TestReadingWhileClosing(t *testing.T) {
	db := filled(t, scaled(1000))
	keys := [][]byte{numbered(1), numbered(2), numbered(3)}
	var readers sync.WaitGroup
	for _, call := range []func() error{
		func() error { _, err := db.MultiGet(keys); return err },
		func() error { _, err := db.ValueSize(keys[0]); return err },
		func() error { _, _, err := db.Last(); return err },
		func() error { _, err := db.RandomKey(); return err },
		func() error { _, err := db.Count(bitcask.From(keys[0])); return err },
	} {
		readers.Go(func() {
			for {
				if err := call(); err != nil {
					if err != bitcask.ErrClosed {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	must(t, db.Close())
	readers.Wait()
}

func TestValueSize(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := filled(t, 16, opts...)
		for i := range 16 {
			n, err := db.ValueSize(numbered(i))
			must(t, err)
			if n != uint64(len(valueOf(i))) {
				t.Errorf("%d has %d bytes", i, n)
			}
		}
		_, err := db.ValueSize([]byte("missing"))
		wantErr(t, err, bitcask.ErrNotFound)
	})
}

func TestEndsCountsAndRandomKeys(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		_, _, err := db.First()
		wantErr(t, err, bitcask.ErrNotFound)
		_, _, err = db.Last()
		wantErr(t, err, bitcask.ErrNotFound)
		_, err = db.RandomKey()
		wantErr(t, err, bitcask.ErrNotFound)
		n := scaled(500)
		for i := range n {
			must(t, db.Put(numbered(i), valueOf(i)))
		}
		for _, c := range []struct {
			edge func() ([]byte, []byte, error)
			want int
		}{{db.First, 0}, {db.Last, n - 1}} {
			key, value, err := c.edge()
			must(t, err)
			if !bytes.Equal(key, numbered(c.want)) || !bytes.Equal(value, valueOf(c.want)) || value == nil {
				t.Errorf("the end is %q, %d bytes", key, len(value))
			}
		}
		for _, c := range []struct {
			opts []bitcask.IterOption
			want int
		}{
			{nil, n},
			{[]bitcask.IterOption{bitcask.From(numbered(5)), bitcask.Before(numbered(15))}, 10},
			{[]bitcask.IterOption{bitcask.After(numbered(5)), bitcask.To(numbered(15)), bitcask.Reverse()}, 10},
			{[]bitcask.IterOption{bitcask.WithPrefix([]byte("00000"))}, 10},
			{[]bitcask.IterOption{bitcask.WithPrefix([]byte("00000")), bitcask.From(numbered(4))}, 6},
			{[]bitcask.IterOption{bitcask.WithPrefix([]byte("x"))}, 0},
			{[]bitcask.IterOption{bitcask.WithPrefix([]byte("x")), bitcask.WithPrefix([]byte("00000"))}, 10},
			{[]bitcask.IterOption{bitcask.Limit(7)}, 7},
			{[]bitcask.IterOption{bitcask.From(numbered(15)), bitcask.To(numbered(5))}, 0},
			{[]bitcask.IterOption{bitcask.KeysOnly(), bitcask.NoCopy()}, n},
		} {
			got, err := db.Count(c.opts...)
			must(t, err)
			seen := 0
			it := db.Range(c.opts...)
			for range it.Seq() {
				seen++
			}
			must(t, it.Err())
			if got != uint64(c.want) || seen != c.want {
				t.Errorf("%d records, of which an iterator sees %d; want %d", got, seen, c.want)
			}
		}
		drawn := map[string]int{}
		for range scaled(5000) {
			key, err := db.RandomKey()
			must(t, err)
			drawn[string(key)]++
		}
		for key, times := range drawn {
			if has, err := db.Has([]byte(key)); err != nil || !has || n == 500 && times > 40 {
				t.Fatalf("random key %q %d times: %v, %v", key, times, has, err)
			}
		}
		if n == 500 && len(drawn) < 480 {
			t.Errorf("%d of %d keys were drawn", len(drawn), n)
		}
	})
}

func TestIOKinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for round, kind := range []bitcask.IO{bitcask.IOMmap, bitcask.IOFile, bitcask.IOMmap} {
		db, err := bitcask.Open(path, bitcask.WithIO(kind), bitcask.WithMaxFileSize(4096))
		must(t, err)
		for i := range 100 {
			must(t, db.Put(numbered(round*100+i), valueOf(i)))
		}
		stats, err := db.Stats()
		must(t, err)
		want := stats.Files
		if kind == bitcask.IOFile {
			want = 0
		}
		if stats.MappedFiles != want || stats.Files < 2 || stats.Keys != uint64(round+1)*100 {
			t.Errorf("%+v", stats)
		}
		must(t, db.Close())
	}
	for _, opt := range []bitcask.Option{bitcask.WithIO(2), bitcask.WithIO(-1), bitcask.WithIndex(5), bitcask.WithIndex(-1),
		bitcask.WithIndexBudget(1<<20 - 1), bitcask.WithIndexBudget(0)} {
		_, err := bitcask.Open(path, opt)
		wantErr(t, err, bitcask.ErrInvalidArgument)
	}
	db := openAt(t, path, bitcask.WithIndexBudget(1<<20), bitcask.WithSortBudget(0))
	wantLen(t, db, 300)
}

func TestSortBudget(t *testing.T) {
	db := filled(t, 200, bitcask.WithIndex(bitcask.IndexHash), bitcask.WithSortBudget(1000))
	it := db.All(bitcask.Limit(1))
	if it.Next() || !errors.Is(it.Err(), bitcask.ErrUnsupported) {
		t.Errorf("%v", it.Err())
	}
	n, err := db.Count(bitcask.From(numbered(100)))
	must(t, err)
	key, _, err := db.Last()
	must(t, err)
	if n != 100 || !bytes.Equal(key, numbered(199)) {
		t.Errorf("%d records, the last is %q", n, key)
	}
}
