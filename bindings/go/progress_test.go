// Opening: progress, stopping it, and readers that refresh.

package bitcask_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// storeOf40 makes a store with some data and gives its directory.
func storeOf40(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	db, err := bitcask.Open(path, bitcask.WithMaxFileSize(1<<20))
	must(t, err)
	for i := range 40 {
		must(t, db.Put([]byte{byte(i)}, make([]byte, 256<<10)))
	}
	must(t, db.Close())
	return path
}

// wantOpenable tells that a failed opening left nothing locked.
func wantOpenable(t *testing.T, path string) {
	t.Helper()
	db, err := bitcask.Open(path)
	must(t, err)
	wantLen(t, db, 40)
	must(t, db.Close())
}

func TestProgress(t *testing.T) {
	path := storeOf40(t)
	for _, kind := range kinds {
		var told []bitcask.Progress
		db, err := bitcask.Open(path, bitcask.WithIndex(kind.index), bitcask.WithProgress(func(p bitcask.Progress) error {
			told = append(told, p)
			return nil
		}))
		must(t, err)
		must(t, db.Close())
		if len(told) < 2 {
			t.Fatalf("told %v", told)
		}
		first, last := told[0], told[len(told)-1]
		if first.Phase != bitcask.PhaseRead || first.BytesTotal == 0 || last.Phase != bitcask.PhaseFinish || last.BytesDone != last.BytesTotal {
			t.Errorf("%s: from %+v to %+v", kind.name, first, last)
		}
		for i, p := range told[1:] {
			if p.BytesDone < told[i].BytesDone || p.Records < told[i].Records || p.BytesDone > p.BytesTotal {
				t.Errorf("%s: %+v after %+v", kind.name, p, told[i])
			}
		}
	}
}

func TestProgressStopsTheOpening(t *testing.T) {
	path := storeOf40(t)
	enough := errors.New("enough")
	for _, at := range []bitcask.Phase{bitcask.PhaseRead, bitcask.PhaseFinish} {
		db, err := bitcask.Open(path, bitcask.WithProgress(func(p bitcask.Progress) error {
			if p.Phase == at {
				return fmt.Errorf("at %d of %d: %w", p.BytesDone, p.BytesTotal, enough)
			}
			return nil
		}))
		if db != nil {
			t.Fatal("a store beside an error")
		}
		wantErr(t, err, bitcask.ErrCancelled)
		wantErr(t, err, enough)
		wantOpenable(t, path)
	}
}

func TestOpenContext(t *testing.T) {
	path := storeOf40(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	db, err := bitcask.OpenContext(ctx, path)
	must(t, err)
	why := errors.New("shutting down")
	cancel(why)
	wantLen(t, db, 40) // the store does not depend on the context
	must(t, db.Close())

	_, err = bitcask.OpenContext(ctx, path)
	for _, want := range []error{bitcask.ErrCancelled, context.Canceled, why} {
		wantErr(t, err, want)
	}
	// One that ends during the opening.
	ctx, cancel = context.WithCancelCause(context.Background())
	db, err = bitcask.OpenContext(ctx, path, bitcask.WithProgress(func(bitcask.Progress) error {
		cancel(why)
		return nil
	}))
	if db != nil {
		t.Fatal("a store beside an error")
	}
	for _, want := range []error{bitcask.ErrCancelled, context.Canceled, why} {
		wantErr(t, err, want)
	}
	wantOpenable(t, path)
}

// What unwinds Go's frames in the function may not unwind the library's.
func TestProgressThatDoesNotReturn(t *testing.T) {
	path := storeOf40(t)
	func() {
		defer func() {
			if got := recover(); got != "oh" {
				t.Errorf("recovered %v", got)
			}
		}()
		_, err := bitcask.Open(path, bitcask.WithProgress(func(bitcask.Progress) error { panic("oh") }))
		t.Errorf("no panic, but %v", err)
	}()
	wantOpenable(t, path)

	// A test that fails in the function ends there, and so does the goroutine that opens.
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = bitcask.Open(path, bitcask.WithProgress(func(bitcask.Progress) error {
			(&testing.T{}).SkipNow()
			return nil
		}))
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("Open returned")
	}
	wantOpenable(t, path)
}

// Other stores may be used in the function, and several openings may be told by one.
func TestProgressUsesStores(t *testing.T) {
	path, other := storeOf40(t), open(t)
	var mu sync.Mutex
	n := 0
	option := bitcask.WithProgress(func(bitcask.Progress) error {
		mu.Lock()
		defer mu.Unlock()
		n++
		return other.Put([]byte{byte(n)}, nil)
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := bitcask.Open(path, bitcask.WithReadOnly(), option)
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n < 8 {
		t.Errorf("told %d times", n)
	}
	wantLen(t, other, uint64(n))
}

func TestRefresh(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		path := filepath.Join(t.TempDir(), "store")
		writer := openAt(t, path, opts...)
		put(t, writer, "a", "1")
		reader := openAt(t, path, append(opts, bitcask.WithReadOnly())...)
		refreshed := func(db *bitcask.DB, records uint64) {
			t.Helper()
			got, err := db.Refresh()
			must(t, err)
			stats, err := db.Stats()
			must(t, err)
			if want := (bitcask.Refreshed{Records: records, LastSeq: stats.LastSeq}); got != want || got.Changed() != (records > 0) {
				t.Fatalf("got %+v, expected %+v", got, want)
			}
		}
		refreshed(reader, 0)
		it := reader.All()
		defer it.Close()
		put(t, writer, "b", "2")
		_, err := writer.Delete([]byte("a"))
		must(t, err)
		wantMissing(t, reader, "b")
		refreshed(reader, 2)
		wantValue(t, reader, "b", "2")
		wantMissing(t, reader, "a")
		refreshed(reader, 0)
		if got := pairs(t, it); got != "a=1" {
			t.Errorf("the iterator shows %q", got)
		}
		put(t, writer, "c", "3")
		refreshed(writer, 0)
		merged, err := writer.Merge(t.Context(), bitcask.MergeEverything())
		must(t, err)
		got, err := reader.Refresh()
		must(t, err)
		if len(merged.RemovedFiles) == 0 || !got.Reloaded || !got.Changed() {
			t.Errorf("after a merge: %+v, %+v", merged, got)
		}
		must(t, reader.Close())
		_, err = reader.Refresh()
		wantErr(t, err, bitcask.ErrClosed)
	})
}
