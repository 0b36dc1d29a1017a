// Beginning and end of a store: closed once, twice, while in use, by nobody; opened twice, here and in another process.

package bitcask_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// holdStore in the environment makes this program open the store there and wait for the end of its input.
const holdStore = "BITCASK_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdStore); path != "" {
		db, err := bitcask.Open(path)
		if err == nil {
			err = db.Put([]byte("from"), []byte("the other process"))
		}
		fmt.Println(err)
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0) // without a close, like a process that is killed
	}
	os.Exit(m.Run())
}

// allCalls makes every call of a store and gives their errors.
func allCalls(db *bitcask.DB) map[string]error {
	errs := map[string]error{}
	key := []byte("k")
	_, errs["get"] = db.Get(key)
	_, errs["append to"] = db.AppendTo(make([]byte, 0, 8), key)
	_, errs["append to nil"] = db.AppendTo(nil, key)
	_, errs["get into"] = db.GetInto(key, make([]byte, 8))
	_, errs["has"] = db.Has(key)
	_, errs["value size"] = db.ValueSize(key)
	_, errs["multi get"] = db.MultiGet([][]byte{key, key})
	_, errs["multi get of nothing"] = db.MultiGet(nil)
	_, _, errs["first"] = db.First()
	_, _, errs["last"] = db.Last()
	_, errs["random key"] = db.RandomKey()
	_, errs["count"] = db.Count()
	_, errs["count of a range"] = db.Count(bitcask.From(key))
	errs["put"] = db.Put(key, key)
	_, errs["delete"] = db.Delete(key)
	_, errs["len"] = db.Len()
	errs["sync"] = db.Sync()
	_, errs["stats"] = db.Stats()
	b := db.NewBatch()
	errs["batch put"] = b.Put(key, key)
	errs["batch delete"] = b.Delete(key)
	errs["batch commit"] = b.Commit()
	b.Close()
	it := db.All()
	it.Next()
	errs["all"] = it.Err()
	it.Close()
	return errs
}

func TestUseAfterClose(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		put(t, db, "k", "v")
		must(t, db.Close())
		for range 3 {
			must(t, db.Close())
			for call, err := range allCalls(db) {
				if !errors.Is(err, bitcask.ErrClosed) {
					t.Errorf("%s after close: %v", call, err)
				}
			}
		}
	})
}

// Many goroutines use a store while another closes it: each call works or says that the store is closed.
func TestCloseWhileInUse(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		for range scaled(50) {
			db := open(t, bitcask.WithIndex(index))
			put(t, db, "k", "v")
			var wg sync.WaitGroup
			var closed atomic.Int32
			for range 4 {
				wg.Go(func() {
					for closed.Load() == 0 {
						for call, err := range allCalls(db) {
							if err != nil && !errors.Is(err, bitcask.ErrClosed) && !errors.Is(err, bitcask.ErrNotFound) {
								t.Errorf("%s: %v", call, err)
							}
						}
					}
				})
			}
			for range 2 {
				wg.Go(func() {
					time.Sleep(100 * time.Microsecond)
					if err := db.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
					closed.Add(1)
				})
			}
			wg.Wait()
		}
	})
}

func TestSecondOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	put(t, db, "k", "v")
	_, err := bitcask.Open(path)
	wantErr(t, err, bitcask.ErrLocked)
	var details *bitcask.Error
	if !errors.As(err, &details) || details.Path == "" || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("got %v", err)
	}
	must(t, db.Close())
	db = openAt(t, path)
	wantValue(t, db, "k", "v")
}

// A store that another process has open, and what that process wrote before it ended without a close.
func TestOpenInAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holdStore+"="+path)
	other.Stderr = os.Stderr
	stdin, err := other.StdinPipe()
	must(t, err)
	stdout, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	line := make([]byte, 256)
	n, err := stdout.Read(line)
	must(t, err)
	if said := string(line[:n]); said != "<nil>\n" {
		t.Fatalf("the other process: %s", said)
	}

	_, err = bitcask.Open(path)
	wantErr(t, err, bitcask.ErrLocked)
	if !strings.Contains(err.Error(), fmt.Sprintf(" %d", other.Process.Pid)) {
		t.Errorf("no process id %d in %q", other.Process.Pid, err)
	}
	beside := openAt(t, path, bitcask.WithReadOnly())
	wantValue(t, beside, "from", "the other process")
	must(t, beside.Close())

	must(t, stdin.Close())
	must(t, other.Wait())
	db := openAt(t, path)
	wantValue(t, db, "from", "the other process")
}

// Nobody closes the store, its batches and its iterators: the collector does, and the lock is free again.
func TestForgottenStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	func() {
		db, err := bitcask.Open(path)
		must(t, err)
		put(t, db, "k", "v")
		b := db.NewBatch()
		must(t, b.Put([]byte("large"), make([]byte, 100<<10)))
		it := db.All()
		if !it.Next() {
			t.Fatal(it.Err())
		}
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		runtime.GC()
		db, err := bitcask.Open(path)
		if err == nil {
			wantValue(t, db, "k", "v")
			wantMissing(t, db, "large")
			must(t, db.Close())
			return
		}
		wantErr(t, err, bitcask.ErrLocked)
		if time.Now().After(deadline) {
			t.Fatal("a forgotten store is still open")
		}
		time.Sleep(time.Millisecond)
	}
}

// An iterator and a batch keep their store open although nobody holds it any more.
func TestChildrenKeepTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	it, b := func() (*bitcask.Iterator, *bitcask.Batch) {
		db, err := bitcask.Open(path)
		must(t, err)
		for i := range 2000 {
			must(t, db.Put(fmt.Appendf(nil, "%04d", i), []byte("v")))
			if bitcask.GCStress && i > 100 {
				break
			}
		}
		return db.All(), db.NewBatch()
	}()
	n := 0
	for it.Next() {
		n++
		if n%100 == 0 {
			runtime.GC()
			runtime.Gosched()
		}
	}
	must(t, it.Err())
	if n < 100 {
		t.Fatalf("%d records", n)
	}
	must(t, b.Put([]byte("k"), []byte("v")))
	runtime.GC()
	must(t, b.Commit())
	it.Close()
	b.Close()
}

// Every call as the last use of its store: while it runs, nothing else keeps the store from the collector. With the build tag
// bitcask_gcstress the collector comes in the middle of each.
func TestLastUse(t *testing.T) {
	key, buf := []byte("k"), make([]byte, 8)
	dir, run := t.TempDir(), 0
	fresh := func() *bitcask.DB {
		run++
		db, err := bitcask.Open(filepath.Join(dir, fmt.Sprint(run)), bitcask.WithDurability(bitcask.DurabilityNone))
		must(t, err)
		must(t, db.Put(key, make([]byte, 2000)))
		must(t, db.Put([]byte("s"), []byte("small")))
		return db
	}
	for name, call := range map[string]func() error{
		"get":              func() error { _, err := fresh().Get([]byte("s")); return err },
		"get large":        func() error { _, err := fresh().Get(key); return err },
		"append to":        func() error { _, err := fresh().AppendTo(buf[:0], []byte("s")); return err },
		"append to, large": func() error { _, err := fresh().AppendTo(buf[:0], key); return err },
		"get into":         func() error { _, err := fresh().GetInto([]byte("s"), buf); return err },
		"has":              func() error { _, err := fresh().Has(key); return err },
		"put":              func() error { return fresh().Put(key, buf) },
		"delete":           func() error { _, err := fresh().Delete(key); return err },
		"len":              func() error { _, err := fresh().Len(); return err },
		"sync":             func() error { return fresh().Sync() },
		"stats":            func() error { _, err := fresh().Stats(); return err },
		"close":            func() error { return fresh().Close() },
		"commit": func() error {
			b := fresh().NewBatch()
			return errors.Join(b.Put(key, buf), b.Commit())
		},
		"commit large": func() error {
			b := fresh().NewBatch()
			return errors.Join(b.Put(key, make([]byte, 100<<10)), b.Delete(key), b.Commit())
		},
		"batch len": func() error {
			b := fresh().NewBatch()
			err := b.Put(key, buf)
			_, errLen := b.Len()
			return errors.Join(err, errLen)
		},
		"batch clear": func() error {
			b := fresh().NewBatch()
			return errors.Join(b.Put(key, make([]byte, 100<<10)), b.Clear())
		},
		"next": func() error {
			it := fresh().All()
			for it.Next() {
			}
			return it.Err()
		},
		"value": func() error {
			it := fresh().All()
			if !it.Next() {
				return it.Err()
			}
			if value := it.Value(); !bytes.Equal(value, make([]byte, 2000)) {
				return fmt.Errorf("%d other bytes", len(value))
			}
			return nil
		},
		"seek":   func() error { return fresh().All().Seek(key) },
		"rewind": func() error { return fresh().All().Rewind() },
		"loop": func() error {
			n := 0
			for range fresh().All().Seq() {
				n++
			}
			if n != 2 {
				return fmt.Errorf("%d records", n)
			}
			return nil
		},
	} {
		for range 3 {
			if err := call(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
