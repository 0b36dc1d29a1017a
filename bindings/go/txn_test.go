// Transactions: what they read, what they write, and when they meet conflicts.

package bitcask_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func begin(t testing.TB, db *bitcask.DB) *bitcask.Txn {
	t.Helper()
	txn, err := db.Begin()
	must(t, err)
	t.Cleanup(txn.Close)
	return txn
}

func TestTransaction(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		for _, key := range []string{"a", "b", "c", "d1", "d2"} {
			put(t, db, key, "old")
		}
		at, err := db.LastSeq()
		must(t, err)
		txn := begin(t, db)
		seq, err := txn.Seq()
		must(t, err)
		if seq != at {
			t.Errorf("seq %d, want %d", seq, at)
		}
		value, err := txn.Get([]byte("a"))
		must(t, err)
		if string(value) != "old" {
			t.Errorf("get: %q", value)
		}
		clear(value)
		k, v := []byte("a"), []byte("new")
		must(t, txn.Put(k, v))
		clear(k)
		clear(v)
		must(t, txn.Put([]byte("e"), nil))
		must(t, txn.Delete([]byte("b")))
		must(t, txn.DeletePrefix([]byte("d")))
		must(t, txn.Put([]byte("d3"), []byte("3")))
		for _, update := range []bool{false, true} {
			get := txn.Get
			if update {
				get = txn.GetForUpdate
			}
			value, err = get([]byte("e"))
			must(t, err)
			if value == nil || len(value) > 0 {
				t.Errorf("an empty value: %v", value)
			}
			_, err = get([]byte("b"))
			wantErr(t, err, bitcask.ErrNotFound)
		}
		for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d1": false, "d3": true, "x": false} {
			has, err := txn.Has([]byte(key))
			must(t, err)
			if has != want {
				t.Errorf("has %s: %v", key, has)
			}
		}
		if got := pairs(t, txn.All()); got != "a=new c=old d3=3 e=" {
			t.Errorf("it sees %q", got)
		}
		if got := pairs(t, txn.Prefix([]byte("d"))); got != "d3=3" {
			t.Errorf("with d it sees %q", got)
		}
		n, err := txn.Len()
		must(t, err)
		if n != 4 {
			t.Errorf("len %d", n)
		}
		wantLen(t, db, 5)
		wantValue(t, db, "a", "old")
		committed, err := txn.CommitSeq(bitcask.Sync())
		must(t, err)
		wantSeqs(t, db, committed, committed)
		if got := pairs(t, db.All()); got != "a=new c=old d3=3 e=" {
			t.Errorf("the store has %q", got)
		}
		wantErr(t, txn.Commit(), bitcask.ErrTransactionFinished)
	})
}

func TestTransactionSavepoints(t *testing.T) {
	db := open(t)
	put(t, db, "a", "old")
	txn := begin(t, db)
	must(t, txn.Put([]byte("a"), []byte("1")))
	one, err := txn.Savepoint()
	must(t, err)
	must(t, txn.DeleteRange(nil, nil))
	must(t, txn.Put([]byte("b"), []byte("2")))
	two, err := txn.Savepoint()
	must(t, err)
	must(t, txn.DeleteRange([]byte("b"), []byte{})) // no key is before an empty end
	must(t, txn.Put([]byte("c"), []byte("3")))
	if got := pairs(t, txn.All()); got != "b=2 c=3" {
		t.Errorf("%q", got)
	}
	must(t, txn.RollbackTo(two))
	if got := pairs(t, txn.All()); got != "b=2" {
		t.Errorf("%q after the first rollback", got)
	}
	must(t, txn.RollbackTo(one))
	if got := pairs(t, txn.All()); got != "a=1" {
		t.Errorf("%q after the second", got)
	}
	wantErr(t, txn.RollbackTo(two), bitcask.ErrInvalidArgument)
	must(t, txn.Release(one))
	wantErr(t, txn.RollbackTo(one), bitcask.ErrInvalidArgument)
	wantErr(t, txn.Release(bitcask.Savepoint{}), bitcask.ErrInvalidArgument)
	must(t, txn.Commit())
	if got := pairs(t, db.All()); got != "a=1" {
		t.Errorf("the store has %q", got)
	}
}

func TestConflicts(t *testing.T) {
	// What a transaction does, what another commit does meanwhile, and whether that is a conflict.
	get := func(t *bitcask.Txn) error { _, err := t.Get([]byte("k")); return err }
	for name, c := range map[string]struct {
		in       func(*bitcask.Txn) error
		meantime func(*bitcask.DB) error
		conflict bool
	}{
		"read":    {get, func(db *bitcask.DB) error { return db.Put([]byte("k"), nil) }, true},
		"another": {get, func(db *bitcask.DB) error { return db.Put([]byte("l"), nil) }, false},
		"missing": {func(t *bitcask.Txn) error { _, err := t.Has([]byte("new")); return err },
			func(db *bitcask.DB) error { return db.Put([]byte("new"), nil) }, true},
		"written": {func(t *bitcask.Txn) error { return t.Put([]byte("k"), nil) },
			func(db *bitcask.DB) error { return db.Put([]byte("k"), nil) }, false},
		"for update": {func(t *bitcask.Txn) error {
			// Get would find the transaction's own write, and read nothing of the store.
			err := t.Put([]byte("k"), nil)
			_, err2 := t.GetForUpdate([]byte("k"))
			return errors.Join(err, err2)
		}, func(db *bitcask.DB) error { return db.Put([]byte("k"), nil) }, true},
		"phantom": {func(t *bitcask.Txn) error {
			it := t.Prefix([]byte("k"))
			for range it.Seq() {
			}
			return it.Err()
		}, func(db *bitcask.DB) error { return db.Put([]byte("k2"), nil) }, true},
		// A limit keeps an iterator from reading further.
		"beyond the limit": {func(t *bitcask.Txn) error {
			it := t.Range(bitcask.Limit(1))
			for range it.Seq() {
			}
			return it.Err()
		}, func(db *bitcask.DB) error { return db.Put([]byte("z"), nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			forEachIndex(t, func(t *testing.T, index bitcask.Index) {
				db := open(t, bitcask.WithIndex(index))
				put(t, db, "k", "v")
				put(t, db, "z", "v")
				txn := begin(t, db)
				must(t, c.in(txn))
				must(t, txn.Put([]byte("out"), []byte("v")))
				must(t, c.meantime(db))
				err := txn.Commit()
				if !c.conflict {
					must(t, err)
					wantValue(t, db, "out", "v")
					return
				}
				wantErr(t, err, bitcask.ErrConflict)
				wantMissing(t, db, "out")
				wantErr(t, txn.Commit(), bitcask.ErrTransactionFinished)
			})
		})
	}
}

func TestTransactionsThatAreOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for name, end := range map[string]func(*bitcask.Txn, *bitcask.DB) error{
		"commit":   func(txn *bitcask.Txn, _ *bitcask.DB) error { return txn.Commit() },
		"rollback": func(txn *bitcask.Txn, _ *bitcask.DB) error { return txn.Rollback() },
		"close":    func(txn *bitcask.Txn, _ *bitcask.DB) error { txn.Close(); return nil },
		"store":    func(_ *bitcask.Txn, db *bitcask.DB) error { return db.Close() },
	} {
		db := openAt(t, path)
		txn := begin(t, db)
		must(t, txn.Put([]byte("k"), nil))
		savepoint, err := txn.Savepoint()
		must(t, err)
		must(t, end(txn, db))
		want := error(bitcask.ErrTransactionFinished)
		if name == "close" || name == "store" {
			want = bitcask.ErrClosed
		}
		_, errGet := txn.Get([]byte("k"))
		_, errUpdate := txn.GetForUpdate([]byte("k"))
		_, errHas := txn.Has([]byte("k"))
		_, errSeq := txn.Seq()
		_, errPoint := txn.Savepoint()
		it := txn.All()
		if it.Next() {
			t.Error("an iterator goes on")
		}
		for i, err := range []error{errGet, errUpdate, errHas, errSeq, errPoint, it.Err(), txn.Put([]byte("k"), nil), txn.Delete([]byte("k")),
			txn.DeleteRange(nil, nil), txn.DeletePrefix(nil), txn.RollbackTo(savepoint), txn.Release(savepoint), txn.Commit()} {
			if !errors.Is(err, want) {
				t.Errorf("%s: call %d gives %v", name, i, err)
			}
		}
		if n, err := txn.Len(); n != 0 || want == bitcask.ErrClosed != errors.Is(err, want) {
			t.Errorf("%s: len %d, %v", name, n, err)
		}
		if name == "store" {
			must(t, txn.Rollback())
			wantErr(t, txn.Put([]byte("k"), nil), bitcask.ErrClosed)
			want = bitcask.ErrTransactionFinished
		}
		wantErr(t, txn.Rollback(), want)
		txn.Close()
		must(t, db.Close())
		_, err = db.Begin()
		wantErr(t, err, bitcask.ErrClosed)
		wantErr(t, db.Update(func(*bitcask.Txn) error { panic("called") }), bitcask.ErrClosed)
	}
	reader := openAt(t, path, bitcask.WithReadOnly())
	wantErr(t, reader.Update(func(txn *bitcask.Txn) error { return txn.Put([]byte("k"), nil) }), bitcask.ErrReadOnly)
}

func TestUpdate(t *testing.T) {
	db := open(t)
	put(t, db, "k", "0")
	calls := 0
	must(t, db.Update(func(txn *bitcask.Txn) error {
		calls++
		value, err := txn.Get([]byte("k"))
		must(t, err)
		if calls < 3 {
			put(t, db, "k", strconv.Itoa(calls)) // another writer
		}
		return txn.Put([]byte("out"), value)
	}, bitcask.Sync()))
	if calls != 3 {
		t.Errorf("called %d times", calls)
	}
	wantValue(t, db, "out", "2")

	// An error, also ErrConflict itself, ends it.
	for _, enough := range []error{errors.New("enough"), bitcask.ErrConflict} {
		calls = 0
		err := db.Update(func(txn *bitcask.Txn) error {
			calls++
			must(t, txn.Put([]byte("out"), nil))
			return enough
		})
		if err != enough || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	}
	// So does a panic.
	func() {
		defer func() { _ = recover() }()
		_ = db.Update(func(txn *bitcask.Txn) error {
			must(t, txn.Put([]byte("out"), nil))
			panic("oh")
		})
	}()
	wantValue(t, db, "out", "2")

	var kept *bitcask.Txn
	must(t, db.Update(func(txn *bitcask.Txn) error {
		kept = txn
		wantErr(t, txn.Commit(), bitcask.ErrInvalidArgument)
		wantErr(t, txn.Rollback(), bitcask.ErrInvalidArgument)
		return txn.Put([]byte("out"), []byte("3"))
	}))
	wantValue(t, db, "out", "3")
	wantErr(t, kept.Put([]byte("out"), nil), bitcask.ErrTransactionFinished)
	wantErr(t, db.Update(func(txn *bitcask.Txn) error { txn.Close(); return nil }), bitcask.ErrClosed)
}

// An iterator of a transaction reads 64 records ahead at most, so that what is far beyond is no conflict.
func TestTransactionsReadLittleAhead(t *testing.T) {
	db := open(t)
	for i := range 400 {
		put(t, db, fmt.Sprintf("%03d", i), "v")
	}
	txn := begin(t, db)
	it := txn.All()
	defer it.Close()
	for range 90 {
		if !it.Next() {
			t.Fatal(it.Err())
		}
	}
	must(t, txn.Put([]byte("out"), nil))
	put(t, db, "200", "changed")
	must(t, txn.Commit())
}

// Goroutines move money between accounts; the sum never changes, in no snapshot and in no transaction.
func TestTransfers(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index), bitcask.WithDurability(bitcask.DurabilityNone))
		const accounts, each = 6, 100
		account := func(i int) []byte { return fmt.Appendf(nil, "account-%d", i) }
		for i := range accounts {
			must(t, db.Put(account(i), binary.LittleEndian.AppendUint64(nil, each)))
		}
		sum := func(it *bitcask.Iterator) (total uint64, err error) {
			for _, value := range it.Seq() {
				total += binary.LittleEndian.Uint64(value)
			}
			return total, it.Err()
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range scaled(60) {
					from, to := account((g+i)%accounts), account((g*3+i*5+1)%accounts)
					err := db.Update(func(txn *bitcask.Txn) error {
						a, err := txn.Get(from)
						if err != nil || string(from) == string(to) {
							return err
						}
						b, err := txn.Get(to)
						if err != nil {
							return err
						}
						have := binary.LittleEndian.Uint64(a)
						if have == 0 {
							return nil
						}
						return errors.Join(txn.Put(from, binary.LittleEndian.AppendUint64(nil, have-1)),
							txn.Put(to, binary.LittleEndian.AppendUint64(nil, binary.LittleEndian.Uint64(b)+1)))
					})
					if err != nil {
						t.Error(err)
					}
					err = db.View(func(s *bitcask.Snapshot) error {
						total, err := sum(s.All())
						if total != accounts*each {
							t.Errorf("a snapshot has %d", total)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		total, err := sum(db.All())
		must(t, err)
		if total != accounts*each {
			t.Errorf("%d in the end", total)
		}
	})
}
