// Sequence numbers, and waiting until they are durable.

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

func wantSeqs(t testing.TB, db *bitcask.DB, last, durable uint64) {
	t.Helper()
	gotLast, err := db.LastSeq()
	must(t, err)
	gotDurable, err := db.DurableSeq()
	must(t, err)
	if gotLast != last || gotDurable != durable {
		t.Fatalf("last %d, durable %d; want %d, %d", gotLast, gotDurable, last, durable)
	}
}

// Nobody syncs a store without durability, so what is durable is known exactly.
func TestSequenceNumbers(t *testing.T) {
	db := open(t, bitcask.WithDurability(bitcask.DurabilityNone))
	background := context.Background()
	wantSeqs(t, db, 0, 0)
	one, err := db.PutSeq([]byte("a"), []byte("1"))
	must(t, err)
	two, err := db.PutSeq([]byte("b"), nil)
	must(t, err)
	if one == 0 || two <= one {
		t.Fatalf("%d, then %d", one, two)
	}
	wantSeqs(t, db, two, 0)
	must(t, db.WaitDurable(background, 0))
	wantSeqs(t, db, two, 0)
	must(t, db.WaitDurable(background, one))
	wantSeqs(t, db, two, two)

	existed, three, err := db.DeleteSeq([]byte("a"))
	must(t, err)
	if !existed || three <= two {
		t.Fatalf("delete: %v, %d after %d", existed, three, two)
	}
	existed, same, err := db.DeleteSeq([]byte("a"))
	must(t, err)
	if existed || same != three {
		t.Fatalf("delete of a missing key: %v, %d after %d", existed, same, three)
	}
	wantSeqs(t, db, three, two)

	batch := db.NewBatch()
	must(t, batch.Put([]byte("c"), nil))
	must(t, batch.Put([]byte("d"), nil))
	four, err := batch.CommitSeq()
	must(t, err)
	wantSeqs(t, db, four, two)
	_, err = batch.CommitSeq()
	wantErr(t, err, bitcask.ErrBatchFinished)
	empty, err := db.NewBatch().CommitSeq()
	must(t, err)
	if empty != four {
		t.Fatalf("an empty batch: %d after %d", empty, four)
	}
	large := db.NewBatch()
	must(t, large.Put([]byte("e"), make([]byte, 200_000)))
	five, err := large.CommitSeq(bitcask.Sync())
	must(t, err)
	wantSeqs(t, db, five, five)
	six, err := db.PutSeq([]byte("f"), nil, bitcask.Sync())
	must(t, err)
	wantSeqs(t, db, six, six)
}

func TestWaitDurableErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path, bitcask.WithDurability(bitcask.DurabilityNone))
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	wantErr(t, db.WaitDurable(ctx, 7), bitcask.ErrInvalidArgument)
	wantErr(t, db.WaitDurable(context.Background(), 7), bitcask.ErrInvalidArgument)
	seq, err := db.PutSeq([]byte("k"), nil)
	must(t, err)

	why := errors.New("no more time")
	cancel(why)
	err = db.WaitDurable(ctx, seq)
	for _, want := range []error{bitcask.ErrCancelled, context.Canceled, why} {
		wantErr(t, err, want)
	}
	if want := "bitcask: wait durable: the caller ended it: no more time"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	wantErr(t, db.WaitDurable(ctx, seq+1), bitcask.ErrInvalidArgument)
	wantSeqs(t, db, seq, 0)
	must(t, db.Sync())
	must(t, db.WaitDurable(ctx, seq)) // nothing to wait for
	_, err = db.PutSeq(nil, nil)
	wantErr(t, err, bitcask.ErrKeyEmpty)
	_, _, err = db.DeleteSeq(nil)
	wantErr(t, err, bitcask.ErrKeyEmpty)

	must(t, db.Close())
	wantErr(t, db.WaitDurable(context.Background(), seq), bitcask.ErrClosed)
	for _, call := range []func() (uint64, error){db.LastSeq, db.DurableSeq,
		func() (uint64, error) { return db.PutSeq([]byte("k"), nil) },
		func() (uint64, error) { _, seq, err := db.DeleteSeq([]byte("k")); return seq, err }} {
		_, err := call()
		wantErr(t, err, bitcask.ErrClosed)
	}
	reader := openAt(t, path, bitcask.WithReadOnly())
	last, err := reader.LastSeq()
	must(t, err)
	if last != seq {
		t.Errorf("a reader's last number is %d, not %d", last, seq)
	}
	_, err = reader.DurableSeq()
	wantErr(t, err, bitcask.ErrReadOnly)
	wantErr(t, reader.WaitDurable(context.Background(), seq), bitcask.ErrReadOnly)
}

// Many goroutines write and wait, some of them with contexts that end meanwhile. Each number that was waited for is durable.
func TestManyWait(t *testing.T) {
	db := open(t, bitcask.WithDurability(bitcask.DurabilityNone))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range scaled(40) {
				seq, err := db.PutSeq(fmt.Appendf(nil, "%d-%d", i, j), nil)
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(context.Background())
				if (i+j)%3 == 0 {
					go cancel()
				}
				err = db.WaitDurable(ctx, seq)
				if durable, _ := db.DurableSeq(); err == nil && durable < seq {
					t.Errorf("waited for %d, and durable is %d", seq, durable)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}
