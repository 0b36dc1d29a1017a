// Helpers for the tests: stores in fresh directories, checks that stop a test, sizes that fit the build.

package bitcask_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

type indexKind struct {
	name  string
	index bitcask.Index
}

// kinds are the index kinds that every test of reading runs under: those that the library has.
var kinds = func() (known []indexKind) {
	dir, err := os.MkdirTemp("", "bitcask-kinds-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, kind := range []indexKind{{"btree", bitcask.IndexBTree}, {"hash", bitcask.IndexHash}, {"art", bitcask.IndexART},
		{"skiplist", bitcask.IndexSkipList}, {"bptree", bitcask.IndexBPTree}} {
		db, err := bitcask.Open(filepath.Join(dir, kind.name), bitcask.WithIndex(kind.index))
		switch {
		case err == nil:
			err = db.Close()
			known = append(known, kind)
		case errors.Is(err, bitcask.ErrInvalidArgument):
			err = nil
		}
		if err != nil {
			panic(err)
		}
	}
	return known
}()

// ios are the ways of reading.
var ios = []struct {
	name string
	io   bitcask.IO
}{{"mmap", bitcask.IOMmap}, {"file", bitcask.IOFile}}

// forEachKind runs a test under each combination of an index kind and a way of reading.
func forEachKind(t *testing.T, f func(t *testing.T, opts ...bitcask.Option)) {
	t.Helper()
	for _, kind := range kinds {
		for _, io := range ios {
			t.Run(kind.name+"-"+io.name, func(t *testing.T) { f(t, bitcask.WithIndex(kind.index), bitcask.WithIO(io.io)) })
		}
	}
}

func forEachIndex(t *testing.T, f func(t *testing.T, index bitcask.Index)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) { f(t, kind.index) })
	}
}

// scaled makes a count small where each call collects garbage.
func scaled(n int) int {
	if bitcask.GCStress {
		return max(n/100, 20)
	}
	return n
}

func open(t testing.TB, opts ...bitcask.Option) *bitcask.DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store"), opts...)
}

func openAt(t testing.TB, path string, opts ...bitcask.Option) *bitcask.DB {
	t.Helper()
	db, err := bitcask.Open(path, opts...)
	must(t, err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func put(t testing.TB, db *bitcask.DB, key, value string) {
	t.Helper()
	must(t, db.Put([]byte(key), []byte(value)))
}

func wantValue(t testing.TB, db *bitcask.DB, key, value string) {
	t.Helper()
	got, err := db.Get([]byte(key))
	must(t, err)
	if got == nil || string(got) != value {
		t.Fatalf("get %q: got %q (nil: %v), want %q", key, got, got == nil, value)
	}
}

func wantMissing(t testing.TB, db *bitcask.DB, key string) {
	t.Helper()
	got, err := db.Get([]byte(key))
	wantErr(t, err, bitcask.ErrNotFound)
	if got != nil {
		t.Fatalf("get %q: got %q beside the error", key, got)
	}
}

func wantLen(t testing.TB, db *bitcask.DB, want uint64) {
	t.Helper()
	n, err := db.Len()
	must(t, err)
	if n != want {
		t.Fatalf("len: got %d, want %d", n, want)
	}
}

// pairs gives what a loop over an iterator sees, as "key=value key=value …".
func pairs(t testing.TB, it *bitcask.Iterator) string {
	t.Helper()
	var out bytes.Buffer
	for key, value := range it.Seq() {
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		fmt.Fprintf(&out, "%s=%s", key, value)
	}
	must(t, it.Err())
	return out.String()
}
