//go:build !no_pebble

package main

import (
	"context"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

const cacheBytes = 1 << 30 // for those that have a cache of their own: as much as all pairs take

type pebbleStore struct{ db *pebble.DB }

func init() {
	peers["pebble"] = subject{ID: "pebble", Name: "Pebble", Ordered: true, module: "github.com/cockroachdb/pebble/v2", open: openPebble}
}

func openPebble(dir string) (store, error) {
	cache := pebble.NewCache(cacheBytes)
	defer cache.Unref()
	// Tables as its documentation and CockroachDB have them: filters, and no compression, which random values don't yield to.
	options := &pebble.Options{Cache: cache, MemTableSize: 64 << 20, L0CompactionThreshold: 2, Logger: quiet{}}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		options.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open(dir, options)
	return pebbleStore{db}, err
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(format)
}

func (s pebbleStore) put(key, value []byte) error { return s.db.Set(key, value, pebble.NoSync) }

func (s pebbleStore) get(key []byte, use func([]byte)) error {
	value, closer, err := s.db.Get(key)
	if err != nil {
		return err
	}
	use(value)
	return closer.Close()
}

func (s pebbleStore) sync() error  { return s.db.LogData(nil, pebble.Sync) }
func (s pebbleStore) close() error { return s.db.Close() }

func (s pebbleStore) compact(dir string) (store, string, error) {
	last := make([]byte, keyLen+1)
	for i := range last {
		last[i] = 0xff
	}
	return s, dir, s.db.Compact(context.Background(), []byte{}, last, true)
}

func (s pebbleStore) reader() (reader, error) {
	it, err := s.db.NewIter(nil)
	return &pebbleReader{db: s.db, it: it}, err
}

type pebbleReader struct {
	db   *pebble.DB
	it   *pebble.Iterator
	lent io.Closer
}

func (r *pebbleReader) get(key []byte) ([]byte, error) {
	if r.lent != nil {
		if err := r.lent.Close(); err != nil {
			return nil, err
		}
	}
	value, closer, err := r.db.Get(key)
	r.lent = closer
	return value, err
}

func (r *pebbleReader) getInto(key, buf []byte) (int, error) {
	value, err := r.get(key)
	return copy(buf, value), err
}

func (r *pebbleReader) multi(keys [][]byte, use func(v []byte)) error { return each(r, keys, use) }

func (r *pebbleReader) scan(start []byte, limit int, use func(key, value []byte)) error {
	ok := false
	if start != nil {
		ok = r.it.SeekGE(start)
	} else {
		ok = r.it.First()
	}
	for n := 0; ok; ok = r.it.Next() {
		value, err := r.it.ValueAndErr()
		if err != nil {
			return err
		}
		use(r.it.Key(), value)
		if n++; n == limit {
			break
		}
	}
	return r.it.Error()
}

func (r *pebbleReader) close() error {
	if r.lent != nil {
		if err := r.lent.Close(); err != nil {
			return err
		}
	}
	return r.it.Close()
}
