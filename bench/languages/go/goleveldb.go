//go:build !no_goleveldb

package main

import (
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

type levelStore struct{ db *leveldb.DB }

func init() {
	peers["goleveldb"] = subject{ID: "goleveldb", Name: "goleveldb", Ordered: true, module: "github.com/syndtr/goleveldb", open: openLevel}
}

func openLevel(dir string) (store, error) {
	db, err := leveldb.OpenFile(dir, &opt.Options{WriteBuffer: 64 << 20, BlockCacheCapacity: 1 << 30, OpenFilesCacheCapacity: 1000,
		Filter: filter.NewBloomFilter(10), Compression: opt.NoCompression})
	return levelStore{db}, err
}

func (s levelStore) put(key, value []byte) error { return s.db.Put(key, value, nil) }

func (s levelStore) get(key []byte, use func([]byte)) error {
	value, err := s.db.Get(key, nil)
	use(value)
	return err
}

// sync syncs the log with a write of nothing, for which there is no call.
func (s levelStore) sync() error {
	return s.db.Write(new(leveldb.Batch), &opt.WriteOptions{Sync: true})
}

func (s levelStore) close() error { return s.db.Close() }

func (s levelStore) compact(dir string) (store, string, error) {
	return s, dir, s.db.CompactRange(util.Range{})
}

func (s levelStore) reader() (reader, error) {
	return levelReader{s.db, s.db.NewIterator(nil, nil)}, nil
}

type levelReader struct {
	db *leveldb.DB
	it iterator.Iterator
}

func (r levelReader) get(key []byte) ([]byte, error) { return r.db.Get(key, nil) }

func (r levelReader) getInto(key, buf []byte) (int, error) {
	value, err := r.db.Get(key, nil)
	return copy(buf, value), err
}

func (r levelReader) multi(keys [][]byte, use func(v []byte)) error { return each(r, keys, use) }

func (r levelReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	n := 0
	for ok := r.it.Seek(start); ok; ok = r.it.Next() {
		use(r.it.Key(), r.it.Value())
		if n++; n == limit {
			break
		}
	}
	return r.it.Error()
}

func (r levelReader) close() error {
	r.it.Release()
	return nil
}
