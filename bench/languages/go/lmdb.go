//go:build !no_lmdb

package main

import (
	"fmt"
	"os"

	"github.com/PowerDNS/lmdb-go/lmdb"
)

type lmdbStore struct {
	env *lmdb.Env
	dbi lmdb.DBI
}

func init() {
	major, minor, patch, _ := lmdb.Version()
	peers["lmdb"] = subject{ID: "lmdb", Name: "LMDB", Ordered: true, module: "github.com/PowerDNS/lmdb-go", open: openLMDB,
		by: fmt.Sprintf("%d.%d.%d by lmdb-go ", major, minor, patch)}
}

func openLMDB(dir string) (store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	env, err := lmdb.NewEnv()
	if err != nil {
		return nil, err
	}
	if err := env.SetMapSize(64 << 30); err != nil {
		return nil, err
	}
	if err := env.Open(dir, lmdb.NoSync|lmdb.NoMetaSync|lmdb.WriteMap|lmdb.MapAsync, 0o644); err != nil {
		return nil, err
	}
	s := lmdbStore{env: env}
	err = env.Update(func(txn *lmdb.Txn) (err error) {
		s.dbi, err = txn.OpenRoot(lmdb.Create)
		return err
	})
	return s, err
}

func (s lmdbStore) put(key, value []byte) error {
	return s.env.Update(func(txn *lmdb.Txn) error { return txn.Put(s.dbi, key, value, 0) })
}

func (s lmdbStore) get(key []byte, use func([]byte)) error {
	return s.env.View(func(txn *lmdb.Txn) error {
		txn.RawRead = true
		value, err := txn.Get(s.dbi, key)
		use(value)
		return err
	})
}

func (s lmdbStore) sync() error { return s.env.Sync(true) }

func (s lmdbStore) close() error {
	if err := s.env.Sync(true); err != nil {
		return err
	}
	return s.env.Close()
}

func (s lmdbStore) compact(dir string) (store, string, error) {
	other := dir + "-compacted"
	if err := os.MkdirAll(other, 0o755); err != nil {
		return nil, "", err
	}
	if err := s.env.CopyFlag(other, lmdb.CopyCompact); err != nil {
		return nil, "", err
	}
	if err := s.close(); err != nil {
		return nil, "", err
	}
	to, err := openLMDB(other)
	return to, other, err
}

func (s lmdbStore) reader() (reader, error) {
	txn, err := s.env.BeginTxn(nil, lmdb.Readonly)
	if err != nil {
		return nil, err
	}
	// Values are lent and not copied.
	txn.RawRead = true
	cursor, err := txn.OpenCursor(s.dbi)
	return lmdbReader{txn, cursor, s.dbi}, err
}

type lmdbReader struct {
	txn    *lmdb.Txn
	cursor *lmdb.Cursor
	dbi    lmdb.DBI
}

func (r lmdbReader) get(key []byte) ([]byte, error) { return r.txn.Get(r.dbi, key) }

func (r lmdbReader) getInto(key, buf []byte) (int, error) {
	value, err := r.txn.Get(r.dbi, key)
	return copy(buf, value), err
}

func (r lmdbReader) multi(keys [][]byte, use func(v []byte)) error { return each(r, keys, use) }

func (r lmdbReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	op := uint(lmdb.First)
	if start != nil {
		op = lmdb.SetRange
	}
	key, value, err := r.cursor.Get(start, nil, op)
	for n := 0; err == nil; key, value, err = r.cursor.Get(nil, nil, lmdb.Next) {
		use(key, value)
		if n++; n == limit {
			return nil
		}
	}
	if lmdb.IsNotFound(err) {
		return nil
	}
	return err
}

func (r lmdbReader) close() error {
	r.cursor.Close()
	r.txn.Abort()
	return nil
}
