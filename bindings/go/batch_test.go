// Batches: all or nothing, whatever their size, and the same whether they crossed into C once or often.

package bitcask_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func wantBatchLen(t testing.TB, b *bitcask.Batch, want int) {
	t.Helper()
	n, err := b.Len()
	must(t, err)
	if n != want {
		t.Fatalf("batch len: got %d, want %d", n, want)
	}
}

func TestBatch(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		put(t, db, "old", "1")
		put(t, db, "gone", "1")
		b := db.NewBatch()
		wantBatchLen(t, b, 0)
		must(t, b.Put([]byte("new"), []byte("2")))
		must(t, b.Put([]byte("old"), []byte("2")))
		must(t, b.Delete([]byte("gone")))
		must(t, b.Delete([]byte("never")))
		must(t, b.Put([]byte("twice"), []byte("1")))
		must(t, b.Put([]byte("twice"), []byte("")))
		wantBatchLen(t, b, 5)
		wantMissing(t, db, "new")
		wantValue(t, db, "old", "1")
		must(t, b.Commit(bitcask.Sync()))
		for key, value := range map[string]string{"new": "2", "old": "2", "twice": ""} {
			wantValue(t, db, key, value)
		}
		wantMissing(t, db, "gone")
		wantMissing(t, db, "never")
		wantLen(t, db, 3)

		wantBatchLen(t, b, 0)
		wantErr(t, b.Commit(), bitcask.ErrBatchFinished)
		wantErr(t, b.Put([]byte("k"), nil), bitcask.ErrBatchFinished)
		wantErr(t, b.Delete([]byte("k")), bitcask.ErrBatchFinished)
		wantErr(t, b.Clear(), bitcask.ErrBatchFinished)
		b.Close()
		wantErr(t, b.Commit(), bitcask.ErrBatchFinished)
	})
}

func TestBatchWithoutCommit(t *testing.T) {
	db := open(t)
	for _, size := range []int{1, 100 << 10} {
		b := db.NewBatch()
		must(t, b.Put([]byte("k"), make([]byte, size)))
		b.Close()
		b.Close()
		wantErr(t, b.Put([]byte("k"), nil), bitcask.ErrClosed)
		wantErr(t, b.Delete([]byte("k")), bitcask.ErrClosed)
		wantErr(t, b.Clear(), bitcask.ErrClosed)
		wantErr(t, b.Commit(), bitcask.ErrClosed)
		_, err := b.Len()
		wantErr(t, err, bitcask.ErrClosed)
	}
	must(t, db.NewBatch().Commit())
	wantLen(t, db, 0)
}

func TestBatchClear(t *testing.T) {
	db := open(t)
	for _, size := range []int{1, 100 << 10} { // queued in Go; handed over
		b := db.NewBatch()
		must(t, b.Put([]byte("cleared"), make([]byte, size)))
		must(t, b.Clear())
		wantBatchLen(t, b, 0)
		must(t, b.Put([]byte("kept"), make([]byte, size)))
		wantBatchLen(t, b, 1)
		must(t, b.Commit())
	}
	wantMissing(t, db, "cleared")
	wantLen(t, db, 1)
}

// Batches of every size and mix, against a map.
func TestBatchesOfManySizes(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		path := filepath.Join(t.TempDir(), "store")
		db := openAt(t, path, bitcask.WithIndex(index))
		rng := rand.New(rand.NewPCG(1, 2))
		want := map[string][]byte{}
		for _, ops := range []int{1, 10, scaled(1000), scaled(20_000)} {
			b := db.NewBatch()
			keys := map[string]bool{}
			for range ops {
				key := fmt.Sprintf("key%d", rng.IntN(ops*2))
				keys[key] = true
				if rng.IntN(4) == 0 {
					must(t, b.Delete([]byte(key)))
					delete(want, key)
					continue
				}
				size := rng.IntN(100)
				switch rng.IntN(200) {
				case 0:
					size = rng.IntN(100 << 10)
				case 1:
					size = 16<<10 - rng.IntN(3) // around the size that is handed over at once
				}
				value := bytes.Repeat([]byte{byte(rng.Uint32())}, size)
				want[key] = bytes.Clone(value)
				must(t, b.Put([]byte(key), value))
				clear(value) // the batch has its own
			}
			wantBatchLen(t, b, len(keys))
			must(t, b.Commit())
			wantLen(t, db, uint64(len(want)))
		}
		must(t, db.Close())
		db = openAt(t, path, bitcask.WithIndex(index))
		wantLen(t, db, uint64(len(want)))
		for key, value := range want {
			wantValue(t, db, key, string(value))
		}
	})
}

// After a store is closed its batches say so, whether they have a C object or not.
func TestBatchOutlivesTheStore(t *testing.T) {
	for _, size := range []int{1, 100 << 10} {
		db := open(t)
		b := db.NewBatch()
		must(t, b.Put([]byte("k"), make([]byte, size)))
		must(t, db.Close())
		wantErr(t, b.Put([]byte("k"), nil), bitcask.ErrClosed)
		wantErr(t, b.Delete([]byte("k")), bitcask.ErrClosed)
		wantErr(t, b.Commit(), bitcask.ErrClosed)
		wantErr(t, b.Clear(), bitcask.ErrClosed)
		_, err := b.Len()
		wantErr(t, err, bitcask.ErrClosed)
		b.Close()
		b.Close()
	}
}
