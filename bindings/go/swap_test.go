// Changes of single keys that depend on what they were.

package bitcask_test

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"sync"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestCompareAndSwap(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		k := []byte("k")
		step := func(expected, replacement []byte, want bool, then string, there bool) {
			t.Helper()
			swapped, err := db.CompareAndSwap(k, expected, replacement)
			must(t, err)
			if swapped != want {
				t.Fatalf("swapped: %v", swapped)
			}
			if there {
				wantValue(t, db, "k", then)
			} else {
				wantMissing(t, db, "k")
			}
		}
		step([]byte("x"), []byte("y"), false, "", false)
		step([]byte{}, []byte("y"), false, "", false) // an empty value is not the same as none
		step(nil, []byte{}, true, "", true)
		step(nil, []byte("x"), false, "", true)
		step([]byte{}, []byte("1"), true, "1", true)
		step([]byte("2"), []byte("3"), false, "1", true)
		step([]byte("1"), []byte("1"), true, "1", true)
		step([]byte("1"), nil, true, "", false)
		step(nil, nil, true, "", false)
		_, err := db.CompareAndSwap(nil, nil, nil)
		wantErr(t, err, bitcask.ErrKeyEmpty)
	})
}

func TestPutIfAbsent(t *testing.T) {
	db := open(t)
	for i, want := range []bool{true, false} {
		stored, err := db.PutIfAbsent([]byte("k"), []byte{'0' + byte(i)}, bitcask.Sync())
		must(t, err)
		if stored != want {
			t.Errorf("stored: %v", stored)
		}
		wantValue(t, db, "k", "0")
	}
	stored, err := db.PutIfAbsent([]byte("empty"), nil)
	must(t, err)
	if !stored {
		t.Error("an empty value was not stored")
	}
	wantValue(t, db, "empty", "")
	_, err = db.PutIfAbsent(nil, nil)
	wantErr(t, err, bitcask.ErrKeyEmpty)
}

func TestFetchAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	k := []byte("k")
	step := func(delta, want int64) {
		t.Helper()
		before, err := db.FetchAdd(k, delta)
		must(t, err)
		if before != want {
			t.Fatalf("%d before, want %d", before, want)
		}
	}
	step(5, 0)
	step(-12, 5)
	step(0, -7)
	wantValue(t, db, "k", string(binary.LittleEndian.AppendUint64(nil, math.MaxUint64-6)))
	step(math.MinInt64+7, -7)
	_, err := db.FetchAdd(k, -1)
	wantErr(t, err, bitcask.ErrInvalidArgument)
	step(0, math.MinInt64)
	put(t, db, "text", "1234567")
	_, err = db.FetchAdd([]byte("text"), 1)
	wantErr(t, err, bitcask.ErrInvalidArgument)
	wantValue(t, db, "text", "1234567")

	must(t, db.Close())
	for _, want := range []bitcask.Status{bitcask.ErrClosed, bitcask.ErrReadOnly} {
		_, err = db.FetchAdd(k, 1)
		wantErr(t, err, want)
		_, err = db.CompareAndSwap(k, nil, nil)
		if want == bitcask.ErrReadOnly {
			_, err = db.CompareAndSwap([]byte("new"), nil, []byte{})
		}
		wantErr(t, err, want)
		_, err = db.PutIfAbsent([]byte("new"), nil)
		wantErr(t, err, want)
		db = openAt(t, path, bitcask.WithReadOnly())
	}
}

// No addition of many goroutines is lost, whichever way it is made.
func TestCountTogether(t *testing.T) {
	db := open(t, bitcask.WithDurability(bitcask.DurabilityNone))
	const goroutines = 4
	n := scaled(100)
	k := []byte("k")
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range n {
				if _, err := db.FetchAdd(k, 1); err != nil {
					t.Error(err)
				}
				for swapped := false; !swapped; {
					old, err := db.Get(k)
					if err != nil {
						t.Error(err)
						return
					}
					if swapped, err = db.CompareAndSwap(k, old, binary.LittleEndian.AppendUint64(nil, binary.LittleEndian.Uint64(old)+1)); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	total, err := db.FetchAdd(k, 0)
	must(t, err)
	if total != int64(goroutines*n*2) {
		t.Errorf("%d, want %d", total, goroutines*n*2)
	}
}
