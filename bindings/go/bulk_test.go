// Bulk loads.

package bitcask_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestBulkLoad(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		path := filepath.Join(t.TempDir(), "store")
		db := openAt(t, path, opts...)
		put(t, db, "key-00000003", "before")
		load, err := db.BulkLoad()
		must(t, err)
		defer load.Close()
		n := scaled(3000)
		key, value := []byte{}, bytes.Repeat([]byte{'v'}, 100)
		for i := range n {
			// The buffers are the caller's again after each call.
			key = append(key[:0], "key-"...)
			key = binary.BigEndian.AppendUint32(key, uint32(i))
			must(t, load.Put(key, value))
		}
		must(t, load.Put([]byte("twice"), []byte("first")))
		must(t, load.Put([]byte("twice"), []byte{}))
		wantMissing(t, db, "twice")
		wantLen(t, db, 1)
		must(t, load.Finish())
		clear(key)
		clear(value)
		wantLen(t, db, uint64(n)+2)
		must(t, db.Close())
		db = openAt(t, path, opts...)
		wantLen(t, db, uint64(n)+2)
		for i := range n {
			wantValue(t, db, string(binary.BigEndian.AppendUint32([]byte("key-"), uint32(i))), string(bytes.Repeat([]byte{'v'}, 100)))
		}
		wantValue(t, db, "twice", "")
	})
}

func TestBulkLoadThatIsNotFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	load, err := db.BulkLoad(bitcask.Sync())
	must(t, err)
	before, err := os.ReadDir(path)
	must(t, err)
	for i := range 64 {
		must(t, load.Put([]byte{byte(i)}, bytes.Repeat([]byte{'v'}, 1<<20)))
	}
	during, err := os.ReadDir(path)
	must(t, err)
	load.Close()
	after, err := os.ReadDir(path)
	must(t, err)
	if len(during) == len(before) || len(after) != len(before) {
		t.Errorf("files: %v, then %v, then %v", before, during, after)
	}
	load.Close()
	wantErr(t, load.Put([]byte("k"), nil), bitcask.ErrClosed)
	wantErr(t, load.Finish(), bitcask.ErrClosed)
	wantLen(t, db, 0)
	must(t, db.Close())
	db = openAt(t, path)
	wantLen(t, db, 0)
}

func TestBulkLoadErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	load, err := db.BulkLoad()
	must(t, err)
	wantErr(t, load.Put(nil, []byte("v")), bitcask.ErrKeyEmpty)
	wantErr(t, load.Put(make([]byte, bitcask.MaxKeyLen+1), nil), bitcask.ErrKeyTooLarge)
	must(t, load.Put([]byte("k"), nil))
	must(t, load.Finish())
	wantValue(t, db, "k", "")
	wantErr(t, load.Put([]byte("k"), nil), bitcask.ErrBatchFinished)
	wantErr(t, load.Finish(), bitcask.ErrBatchFinished)
	load.Close()
	wantErr(t, load.Finish(), bitcask.ErrBatchFinished)

	open, err := db.BulkLoad()
	must(t, err)
	must(t, db.Close())
	wantErr(t, open.Put([]byte("k"), nil), bitcask.ErrClosed)
	wantErr(t, open.Finish(), bitcask.ErrClosed)
	open.Close()
	_, err = db.BulkLoad()
	wantErr(t, err, bitcask.ErrClosed)
	reader := openAt(t, path, bitcask.WithReadOnly())
	_, err = reader.BulkLoad()
	wantErr(t, err, bitcask.ErrReadOnly)
}

// A load in pieces has committed some when it is abandoned; an atomic one nothing.
func TestBulkLoadInPieces(t *testing.T) {
	for _, pieces := range []bool{false, true} {
		db := open(t)
		var opts []bitcask.BulkOption
		if pieces {
			opts = append(opts, bitcask.InPieces(), bitcask.Sync())
		}
		load, err := db.BulkLoad(opts...)
		must(t, err)
		value := bytes.Repeat([]byte{'v'}, 256<<10)
		for i := range 20 {
			must(t, load.Put([]byte{byte(i)}, value))
		}
		load.Close()
		n, err := db.Len()
		must(t, err)
		if (n > 0) != pieces || n > 20 {
			t.Errorf("pieces %v: %d keys", pieces, n)
		}
	}
}

// With Sync all is durable when Finish returns, although nobody syncs this store.
func TestBulkLoadSync(t *testing.T) {
	db := open(t, bitcask.WithDurability(bitcask.DurabilityNone))
	load, err := db.BulkLoad(bitcask.Sync())
	must(t, err)
	must(t, load.Put([]byte("k"), []byte("v")))
	must(t, load.Finish())
	last, err := db.LastSeq()
	must(t, err)
	durable, err := db.DurableSeq()
	must(t, err)
	if last == 0 || durable != last {
		t.Errorf("durable up to %d of %d", durable, last)
	}
}

// A load that is forgotten is abandoned by the collector, and its file goes.
func TestForgottenBulkLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	files := func() int {
		entries, err := os.ReadDir(path)
		must(t, err)
		return len(entries)
	}
	put(t, db, "k", "v")
	before := files()
	func() {
		load, err := db.BulkLoad()
		must(t, err)
		for i := range 64 {
			must(t, load.Put([]byte{byte(i)}, make([]byte, 1<<20)))
		}
	}()
	if files() == before {
		t.Fatal("a load of 64 MiB has no file of its own")
	}
	for deadline := time.Now().Add(time.Minute); files() != before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d files, %d before the load", files(), before)
		}
		runtime.GC()
	}
	wantLen(t, db, 1)
}
