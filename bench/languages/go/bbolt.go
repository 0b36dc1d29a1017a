//go:build !no_bbolt

package main

import (
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

var bucket = []byte("kv")

type boltStore struct {
	db  *bbolt.DB
	dir string
}

func init() {
	peers["bbolt"] = subject{ID: "bbolt", Name: "bbolt", Ordered: true, module: "go.etcd.io/bbolt", open: openBolt}
}

func openBolt(dir string) (store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	db, err := boltFile(filepath.Join(dir, "bolt.db"))
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	return boltStore{db, dir}, err
}

// boltFile opens with the settings that its documentation has for speed: no list of free pages on the disk, a hash map of them in
// memory, and a map that need not grow.
func boltFile(path string) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o644, &bbolt.Options{NoSync: true, NoGrowSync: true, NoFreelistSync: true,
		FreelistType: bbolt.FreelistMapType, InitialMmapSize: 4 << 30})
}

func (s boltStore) put(key, value []byte) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
}

func (s boltStore) get(key []byte, use func([]byte)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		use(tx.Bucket(bucket).Get(key))
		return nil
	})
}

func (s boltStore) sync() error  { return s.db.Sync() }
func (s boltStore) close() error { return s.db.Close() }

func (s boltStore) compact(dir string) (store, string, error) {
	other := dir + "-compacted"
	if err := os.MkdirAll(other, 0o755); err != nil {
		return nil, "", err
	}
	to, err := boltFile(filepath.Join(other, "bolt.db"))
	if err != nil {
		return nil, "", err
	}
	if err := bbolt.Compact(to, s.db, 64<<20); err != nil {
		return nil, "", err
	}
	if err := to.Sync(); err != nil {
		return nil, "", err
	}
	return boltStore{to, other}, other, s.db.Close()
}

func (s boltStore) reader() (reader, error) {
	tx, err := s.db.Begin(false)
	if err != nil {
		return nil, err
	}
	return boltReader{tx, tx.Bucket(bucket)}, nil
}

type boltReader struct {
	tx *bbolt.Tx
	*bbolt.Bucket
}

func (r boltReader) get(key []byte) ([]byte, error)                { return r.Get(key), nil }
func (r boltReader) getInto(key, buf []byte) (int, error)          { return copy(buf, r.Get(key)), nil }
func (r boltReader) multi(keys [][]byte, use func(v []byte)) error { return each(r, keys, use) }
func (r boltReader) close() error                                  { return r.tx.Rollback() }

func (r boltReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	cursor := r.Cursor()
	key, value := cursor.First()
	if start != nil {
		key, value = cursor.Seek(start)
	}
	for n := 0; key != nil; key, value = cursor.Next() {
		use(key, value)
		if n++; n == limit {
			break
		}
	}
	return nil
}
