package main

import (
	"context"

	"github.com/libbitcask/libbitcask/bindings/go"
)

type ourStore struct{ *bitcask.DB }

func ours() []subject {
	kind := func(name string, ordered bool, index bitcask.Index) subject {
		return subject{ID: "bitcask:" + name, Name: "bitcask " + name, Ours: true, Ordered: ordered, Version: bitcask.Version(),
			open: func(dir string) (store, error) {
				db, err := bitcask.Open(dir, bitcask.WithIndex(index), bitcask.WithDurability(bitcask.DurabilityNone))
				return ourStore{db}, err
			}}
	}
	return []subject{kind("btree", true, bitcask.IndexBTree), kind("hash", false, bitcask.IndexHash)}
}

func (s ourStore) put(key, value []byte) error { return s.Put(key, value) }
func (s ourStore) sync() error                 { return s.Sync() }
func (s ourStore) close() error                { return s.Close() }

func (s ourStore) get(key []byte, use func([]byte)) error {
	value, err := s.Get(key)
	use(value)
	return err
}

func (s ourStore) compact(dir string) (store, string, error) {
	_, err := s.Merge(context.Background(), bitcask.MergeEverything())
	return s, dir, err
}

// There is nothing to begin: each read is of the store as it is.
func (s ourStore) reader() (reader, error) { return ourReader{s.DB}, nil }

type ourReader struct{ *bitcask.DB }

func (r ourReader) get(key []byte) ([]byte, error)       { return r.Get(key) }
func (r ourReader) getInto(key, buf []byte) (int, error) { return r.GetInto(key, buf) }
func (r ourReader) close() error                         { return nil }

func (r ourReader) multi(keys [][]byte, use func([]byte)) error {
	values, err := r.MultiGet(keys)
	for _, value := range values {
		use(value)
	}
	return err
}

func (r ourReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	var it *bitcask.Iterator
	if limit > 0 {
		it = r.Range(bitcask.From(start), bitcask.Limit(uint64(limit)), bitcask.NoCopy())
	} else {
		it = r.All(bitcask.NoCopy())
	}
	for key, value := range it.Seq() {
		use(key, value)
	}
	return it.Err()
}
