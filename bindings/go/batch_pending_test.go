// What a batch shows, and ranges and savepoints in it.

package bitcask_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestBatchOfRanges(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		for _, key := range []string{"a", "b1", "b2", "c", "d"} {
			put(t, db, key, "old")
		}
		b := db.NewBatch()
		defer b.Close()
		must(t, b.Put([]byte("b3"), []byte("gone")))
		must(t, b.DeletePrefix([]byte("b")))
		must(t, b.Put([]byte("b4"), []byte{}))
		must(t, b.DeleteRange([]byte("c"), []byte("d")))
		must(t, b.DeleteRange([]byte("c"), []byte{})) // no key is before an empty end
		put(t, db, "b5", "came before the commit")
		want := "a=old b4= d=old"
		if got := pairs(t, b.All()); got != want {
			t.Errorf("the batch shows %q", got)
		}
		if got := pairs(t, b.Prefix([]byte("b"))); got != "b4=" {
			t.Errorf("with b it shows %q", got)
		}
		if got := pairs(t, b.Range(bitcask.From([]byte("b")), bitcask.Reverse())); got != "d=old b4=" {
			t.Errorf("backwards it shows %q", got)
		}
		value, err := b.Get([]byte("b4"))
		must(t, err)
		if value == nil || len(value) > 0 {
			t.Errorf("an empty value: %v", value)
		}
		value, err = b.Get([]byte("a"))
		must(t, err)
		if string(value) != "old" {
			t.Errorf("a is %q", value)
		}
		clear(value)
		for _, key := range []string{"b1", "b3", "b5", "c", "x"} {
			_, err = b.Get([]byte(key))
			wantErr(t, err, bitcask.ErrNotFound)
		}
		_, err = b.Get(nil)
		wantErr(t, err, bitcask.ErrKeyEmpty)
		must(t, b.Commit())
		if got := pairs(t, db.All()); got != want {
			t.Errorf("the store has %q", got)
		}
		all := db.NewBatch()
		must(t, all.DeletePrefix(nil))
		must(t, all.Commit())
		wantLen(t, db, 0)
		put(t, db, "k", "v")
		all = db.NewBatch()
		must(t, all.DeleteRange(nil, nil))
		must(t, all.Commit())
		wantLen(t, db, 0)
	})
}

func TestBatchSavepoints(t *testing.T) {
	db := open(t)
	b := db.NewBatch()
	must(t, b.Put([]byte("a"), []byte("1")))
	one, err := b.Savepoint()
	must(t, err)
	must(t, b.Put([]byte("a"), []byte(strings.Repeat("x", 40_000))))
	must(t, b.Put([]byte("b"), []byte("2")))
	two, err := b.Savepoint()
	must(t, err)
	must(t, b.DeletePrefix(nil))
	if got := pairs(t, b.All()); got != "" {
		t.Errorf("%q", got)
	}
	must(t, b.RollbackTo(two))
	n, err := b.ByteLen()
	must(t, err)
	if n != 40_003 {
		t.Errorf("%d bytes", n)
	}
	must(t, b.RollbackTo(one))
	must(t, b.RollbackTo(one))
	wantErr(t, b.RollbackTo(two), bitcask.ErrInvalidArgument)
	must(t, b.Put([]byte("c"), nil))
	must(t, b.Release(one))
	wantErr(t, b.Release(one), bitcask.ErrInvalidArgument)
	three, err := b.Savepoint()
	must(t, err)
	must(t, b.Commit())
	if got := pairs(t, db.All()); got != "a=1 c=" {
		t.Errorf("the store has %q", got)
	}
	wantErr(t, b.RollbackTo(three), bitcask.ErrBatchFinished)
	b = db.NewBatch()
	point, err := b.Savepoint()
	must(t, err)
	must(t, b.Clear())
	wantErr(t, b.RollbackTo(point), bitcask.ErrInvalidArgument)
}

func TestBatchesThatAreOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for name, end := range map[string]func(*bitcask.Batch, *bitcask.DB) error{
		"commit": func(b *bitcask.Batch, _ *bitcask.DB) error { return b.Commit() },
		"close":  func(b *bitcask.Batch, _ *bitcask.DB) error { b.Close(); return nil },
		"store":  func(_ *bitcask.Batch, db *bitcask.DB) error { return db.Close() },
	} {
		db := openAt(t, path)
		b := db.NewBatch()
		must(t, b.Put([]byte("k"), nil))
		it := b.All()
		must(t, end(b, db))
		want := error(bitcask.ErrClosed)
		if name == "commit" {
			want = bitcask.ErrBatchFinished
		}
		_, errGet := b.Get([]byte("k"))
		_, errPoint := b.Savepoint()
		none := b.All()
		if none.Next() {
			t.Error("an iterator goes on")
		}
		for i, err := range []error{errGet, errPoint, none.Err(), b.DeleteRange(nil, nil), b.DeletePrefix(nil), b.RollbackTo(bitcask.Savepoint{}),
			b.Release(bitcask.Savepoint{})} {
			if !errors.Is(err, want) {
				t.Errorf("%s: call %d gives %v", name, i, err)
			}
		}
		if n, err := b.ByteLen(); n != 0 || (name == "commit") != (err == nil) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if name != "store" {
			if got := pairs(t, it); got != "k=" {
				t.Errorf("%s: an iterator made before shows %q", name, got)
			}
		}
		it.Close()
		b.Close()
		must(t, db.Close())
	}
}
