//go:build !no_badger

package main

import (
	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

type badgerStore struct{ db *badger.DB }

func init() {
	peers["badger"] = subject{ID: "badger", Name: "Badger", Ordered: true, module: "github.com/dgraph-io/badger/v4", open: openBadger}
}

func openBadger(dir string) (store, error) {
	// Without compression its tables are mapped and need no cache, says its documentation; nor are conflicts looked for, of which
	// these transactions have none.
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(false).WithCompression(options.None).
		WithBlockCacheSize(0).WithDetectConflicts(false).WithMetricsEnabled(false))
	return badgerStore{db}, err
}

func (s badgerStore) put(key, value []byte) error {
	return s.db.Update(func(txn *badger.Txn) error { return txn.Set(key, value) })
}

func (s badgerStore) get(key []byte, use func([]byte)) error {
	return s.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		return item.Value(func(value []byte) error {
			use(value)
			return nil
		})
	})
}

func (s badgerStore) sync() error  { return s.db.Sync() }
func (s badgerStore) close() error { return s.db.Close() }

func (s badgerStore) compact(dir string) (store, string, error) { return s, dir, s.db.Flatten(2) }

func (s badgerStore) reader() (reader, error) {
	return &badgerReader{txn: s.db.NewTransaction(false)}, nil
}

type badgerReader struct {
	txn *badger.Txn
	it  *badger.Iterator // made when it is first needed
}

func (r *badgerReader) get(key []byte) (value []byte, err error) {
	item, err := r.txn.Get(key)
	if err != nil {
		return nil, err
	}
	err = item.Value(func(lent []byte) error {
		value = lent
		return nil
	})
	return value, err
}

func (r *badgerReader) getInto(key, buf []byte) (int, error) {
	value, err := r.get(key)
	return copy(buf, value), err
}

func (r *badgerReader) multi(keys [][]byte, use func(v []byte)) error { return each(r, keys, use) }

func (r *badgerReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	if r.it == nil {
		how := badger.DefaultIteratorOptions
		// Values lie beside their keys, so that there is nothing to fetch ahead.
		how.PrefetchValues = false
		r.it = r.txn.NewIterator(how)
	}
	n := 0
	for r.it.Seek(start); r.it.Valid(); r.it.Next() {
		item := r.it.Item()
		err := item.Value(func(value []byte) error {
			use(item.Key(), value)
			return nil
		})
		if err != nil {
			return err
		}
		if n++; n == limit {
			break
		}
	}
	return nil
}

func (r *badgerReader) close() error {
	if r.it != nil {
		r.it.Close()
	}
	r.txn.Discard()
	return nil
}
