// Keys that expire, in the store, batches, transactions and loads.

package bitcask_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// wantTTL tells whether a key's ttl is that, give or take a minute: time goes on, and a transaction counts from its beginning.
func wantTTL(t *testing.T, got time.Duration, err error, want time.Duration) {
	t.Helper()
	must(t, err)
	if (got - want).Abs() > time.Minute {
		t.Errorf("ttl %v, want %v", got, want)
	}
}

// awaitGone waits until a key has expired.
func awaitGone(t *testing.T, has func([]byte) (bool, error), key string) {
	t.Helper()
	for {
		there, err := has([]byte(key))
		must(t, err)
		if !there {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestExpiry(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		path := filepath.Join(t.TempDir(), "store")
		db := openAt(t, path, opts...)
		key := []byte("k")
		must(t, db.PutWithTTL(key, []byte("v"), time.Hour))
		wantValue(t, db, "k", "v")
		ttl, err := db.TTL(key)
		wantTTL(t, ttl, err, time.Hour)
		found, err := db.Expire(key, 2*time.Hour, bitcask.Sync())
		must(t, err)
		ttl, err = db.TTL(key)
		if wantTTL(t, ttl, err, 2*time.Hour); !found || ttl <= time.Hour {
			t.Errorf("found: %v, ttl %v", found, ttl)
		}
		for _, want := range []bool{true, false} {
			if had, err := db.Persist(key); err != nil || had != want {
				t.Errorf("persist: %v, %v", had, err)
			}
			if ttl, err := db.TTL(key); err != nil || ttl != bitcask.NoExpiry {
				t.Errorf("ttl %v, %v", ttl, err)
			}
		}
		for _, missing := range []func() error{
			func() error { _, err := db.TTL([]byte("none")); return err },
			func() error {
				found, err := db.Expire([]byte("none"), time.Hour)
				had, err2 := db.Persist([]byte("none"))
				if err := errors.Join(err, err2); err != nil || found || had {
					t.Errorf("%v %v %v", found, had, err)
				}
				return bitcask.ErrNotFound
			},
		} {
			wantErr(t, missing(), bitcask.ErrNotFound)
		}
		// The longest, and none.
		must(t, db.PutWithTTL([]byte("long"), nil, math.MaxInt64))
		ttl, err = db.TTL([]byte("long"))
		wantTTL(t, ttl, err, math.MaxInt64)
		must(t, db.PutWithTTL([]byte("long"), nil, 0))
		wantMissing(t, db, "long")
		found, err = db.Expire(key, -1)
		must(t, err)
		if wantMissing(t, db, "k"); !found {
			t.Error("it was there")
		}

		must(t, db.Put([]byte("old"), []byte("1")))
		must(t, db.PutWithTTL([]byte("old"), []byte("2"), 1))
		stored, err := db.PutIfAbsentWithTTL([]byte("lock"), nil, time.Millisecond)
		must(t, err)
		awaitGone(t, db.Has, "old")
		awaitGone(t, db.Has, "lock")
		again, err := db.PutIfAbsentWithTTL([]byte("lock"), []byte("mine"), time.Hour)
		must(t, err)
		other, err := db.PutIfAbsentWithTTL([]byte("lock"), []byte("other"), time.Hour)
		must(t, err)
		if !stored || !again || other {
			t.Errorf("stored %v, %v, %v", stored, again, other)
		}
		// Nothing older comes back, and the sweep takes the key that is left.
		wantMissing(t, db, "old")
		if got := pairs(t, db.All()); got != "lock=mine" {
			t.Errorf("left is %s", got)
		}
		seq, err := db.PutSeqWithTTL([]byte("swap"), []byte("1"), time.Hour)
		must(t, err)
		if last, err := db.LastSeq(); err != nil || seq != last {
			t.Errorf("commit %d, the last is %d, %v", seq, last, err)
		}
		swapped, err := db.CompareAndSwap([]byte("swap"), []byte("1"), []byte("2"), bitcask.KeepExpiry())
		must(t, err)
		left, err := db.TTL([]byte("swap"))
		wantTTL(t, left, err, time.Hour)
		prolonged, err := db.CompareAndSwapWithTTL([]byte("swap"), []byte("2"), []byte("3"), 2*time.Hour, bitcask.Sync())
		must(t, err)
		left, err = db.TTL([]byte("swap"))
		if wantTTL(t, left, err, 2*time.Hour); !swapped || !prolonged {
			t.Errorf("swapped %v, %v", swapped, prolonged)
		}
		before, err := db.FetchAddWithTTL([]byte("count"), 2, time.Hour)
		must(t, err)
		left, err = db.TTL([]byte("count"))
		if wantTTL(t, left, err, time.Hour); before != 0 {
			t.Errorf("before: %d", before)
		}
		wantErr(t, db.Put([]byte("swap"), nil, bitcask.KeepExpiry()), bitcask.ErrInvalidArgument)
		for _, key := range []string{"swap", "count"} {
			if existed, err := db.Delete([]byte(key)); err != nil || !existed {
				t.Errorf("%s: %v, %v", key, existed, err)
			}
		}
		files, err := db.FileStats()
		must(t, err)
		if f := files[0]; f.ExpiredRecords != 1 || f.ExpiredBytes < 4 || f.ExpiredBytes >= f.LiveBytes {
			t.Errorf("%+v", f)
		}
		counted, err := db.Recount()
		if must(t, err); !slices.EqualFunc(files, counted, sameFigures) {
			t.Errorf("%+v, counted anew %+v", files, counted)
		}
		swept, err := db.SweepExpired()
		must(t, err)
		if wantLen(t, db, 1); swept != 1 {
			t.Errorf("swept %d", swept)
		}
		must(t, db.Close())
		db = openAt(t, path, opts...)
		wantMissing(t, db, "old")
		ttl, err = db.TTL([]byte("lock"))
		wantTTL(t, ttl, err, time.Hour)
	})
}

func TestExpiryInBatchesTransactionsAndLoads(t *testing.T) {
	db := open(t)
	put(t, db, "a", "1")
	b := db.NewBatch()
	must(t, b.PutWithTTL([]byte("b"), []byte("2"), time.Hour))
	found, err := b.Expire([]byte("a"), time.Hour)
	must(t, err)
	had, err := b.Persist([]byte("b"))
	must(t, err)
	if !found || !had {
		t.Errorf("found %v, had %v", found, had)
	}
	ttl, err := b.TTL([]byte("a"))
	wantTTL(t, ttl, err, time.Hour)
	if ttl, err := b.TTL([]byte("b")); err != nil || ttl != bitcask.NoExpiry {
		t.Errorf("%v, %v", ttl, err)
	}
	_, err = b.TTL([]byte("c"))
	wantErr(t, err, bitcask.ErrNotFound)
	if ttl, err := db.TTL([]byte("a")); err != nil || ttl != bitcask.NoExpiry {
		t.Errorf("before the commit: %v, %v", ttl, err)
	}
	must(t, b.Commit())
	ttl, err = db.TTL([]byte("a"))
	wantTTL(t, ttl, err, time.Hour)
	wantErr(t, b.PutWithTTL([]byte("b"), nil, time.Hour), bitcask.ErrBatchFinished)

	must(t, db.Update(func(txn *bitcask.Txn) error {
		must(t, txn.PutWithTTL([]byte("c"), []byte("3"), 2*time.Hour))
		ttl, err := txn.TTL([]byte("c"))
		wantTTL(t, ttl, err, 2*time.Hour)
		had, err := txn.Persist([]byte("a"))
		must(t, err)
		found, err := txn.Expire([]byte("b"), 3*time.Hour)
		must(t, err)
		none, err := txn.Expire([]byte("none"), time.Hour)
		must(t, err)
		if !had || !found || none {
			t.Errorf("%v %v %v", had, found, none)
		}
		return nil
	}))
	for key, want := range map[string]time.Duration{"b": 3 * time.Hour, "c": 2 * time.Hour} {
		ttl, err = db.TTL([]byte(key))
		wantTTL(t, ttl, err, want)
	}
	if ttl, err := db.TTL([]byte("a")); err != nil || ttl != bitcask.NoExpiry {
		t.Errorf("a: %v, %v", ttl, err)
	}

	load, err := db.BulkLoad()
	must(t, err)
	defer load.Close()
	wantErr(t, load.PutWithTTL([]byte("l"), nil, 0), bitcask.ErrInvalidArgument)
	must(t, load.PutWithTTL([]byte("l"), []byte("4"), time.Hour))
	must(t, load.Finish())
	ttl, err = db.TTL([]byte("l"))
	wantTTL(t, ttl, err, time.Hour)
	must(t, db.Close())
	wantErr(t, db.PutWithTTL([]byte("l"), nil, time.Hour), bitcask.ErrClosed)
	_, err = db.Expire([]byte("l"), time.Hour)
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.Persist([]byte("l"))
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.TTL([]byte("l"))
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.SweepExpired()
	wantErr(t, err, bitcask.ErrClosed)
}

func TestExpiryByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	_, err := bitcask.Open(path, bitcask.WithExpiry(-time.Hour))
	wantErr(t, err, bitcask.ErrInvalidArgument)
	db := openAt(t, path, bitcask.WithExpiry(time.Hour))
	put(t, db, "by age", "1")
	must(t, db.PutWithTTL([]byte("by itself"), nil, 2*time.Hour))
	ttl, err := db.TTL([]byte("by age"))
	wantTTL(t, ttl, err, time.Hour)
	ttl, err = db.TTL([]byte("by itself"))
	wantTTL(t, ttl, err, 2*time.Hour)
	must(t, db.Close())
	db = openAt(t, path, bitcask.WithExpiry(time.Millisecond))
	awaitGone(t, db.Has, "by age")
	wantValue(t, db, "by itself", "")
	must(t, db.Close())
	// Nothing of it was stored.
	db = openAt(t, path, bitcask.WithExpiry(0))
	wantValue(t, db, "by age", "1")
}
