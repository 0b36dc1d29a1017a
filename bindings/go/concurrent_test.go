// Many goroutines on one store: each key belongs to one writer, so that every reader can tell a right value from a wrong one.

package bitcask_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// stamped makes a value that tells its key and version, and whether all of it is there.
func stamped(key string, version uint64, size int) []byte {
	value := binary.BigEndian.AppendUint64(nil, version)
	value = append(value, key...)
	return append(value, bytes.Repeat([]byte{byte(version)}, size)...)
}

// versionOf gives a value's version, or an error if the value was never written for the key.
func versionOf(key string, value []byte) (uint64, error) {
	if len(value) < 8+len(key) || string(value[8:8+len(key)]) != key {
		return 0, fmt.Errorf("%q has the value of another key: %q", key, value)
	}
	version := binary.BigEndian.Uint64(value)
	for _, b := range value[8+len(key):] {
		if b != byte(version) {
			return 0, fmt.Errorf("%q: a mix of values: %q", key, value)
		}
	}
	return version, nil
}

func TestConcurrentUse(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		path := filepath.Join(t.TempDir(), "store")
		opts := []bitcask.Option{bitcask.WithIndex(index), bitcask.WithMaxFileSize(256 << 10)}
		db := openAt(t, path, opts...)
		const writers, keys = 4, 50
		rounds := scaled(3000)
		name := func(writer, i int) string { return fmt.Sprintf("w%d-%02d", writer, i) }

		var done atomic.Bool
		var writing, reading sync.WaitGroup
		var last [writers][keys]uint64 // the version that each key has in the end; 0: deleted
		for w := range writers {
			writing.Go(func() {
				rng := rand.New(rand.NewPCG(5, uint64(w)))
				for version := uint64(1); version <= uint64(rounds); version++ {
					i := rng.IntN(keys)
					key := name(w, i)
					switch rng.IntN(10) {
					case 0:
						if _, err := db.Delete([]byte(key)); err != nil {
							t.Error(err)
						}
						last[w][i] = 0
					case 1: // a batch writes a pair of keys to the same version
						b := db.NewBatch()
						size := rng.IntN(300)
						for _, i := range []int{0, 1} {
							if err := b.Put([]byte(name(w, i)), stamped(name(w, i), version, size)); err != nil {
								t.Error(err)
							}
							last[w][i] = version
						}
						if err := b.Commit(); err != nil {
							t.Error(err)
						}
					default:
						if err := db.Put([]byte(key), stamped(key, version, rng.IntN(1000))); err != nil {
							t.Error(err)
						}
						last[w][i] = version
					}
				}
			})
		}
		for r := range 4 {
			reading.Go(func() {
				rng := rand.New(rand.NewPCG(6, uint64(r)))
				seen := map[string]uint64{}
				buf := make([]byte, 0, 16)
				for !done.Load() {
					key := name(rng.IntN(writers), rng.IntN(keys))
					value, err := []byte(nil), error(nil)
					switch rng.IntN(3) {
					case 0:
						value, err = db.Get([]byte(key))
					case 1:
						value, err = db.AppendTo(buf, []byte(key))
					default:
						into := make([]byte, 1200)
						var n int
						n, err = db.GetInto([]byte(key), into)
						value = into[:n]
					}
					if errors.Is(err, bitcask.ErrNotFound) {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					version, err := versionOf(key, value)
					if err == nil && version < seen[key] {
						err = fmt.Errorf("%q went back from version %d to %d", key, seen[key], version)
					}
					if err != nil {
						t.Error(err)
						return
					}
					seen[key] = version
					runtime.Gosched()
				}
			})
		}
		reading.Go(func() {
			for !done.Load() {
				before := ""
				it := db.All(bitcask.NoCopy())
				for key, value := range it.Seq() {
					if _, err := versionOf(string(key), value); err != nil {
						t.Error(err)
						return
					}
					if string(key) <= before {
						t.Errorf("%q behind %q", key, before)
					}
					before = string(key)
				}
				if it.Err() != nil {
					t.Error(it.Err())
					return
				}
				runtime.Gosched()
			}
		})
		writing.Wait()
		done.Store(true)
		reading.Wait()

		for range 2 {
			for w := range writers {
				for i, want := range last[w] {
					key := name(w, i)
					value, err := db.Get([]byte(key))
					if want == 0 {
						wantErr(t, err, bitcask.ErrNotFound)
						continue
					}
					must(t, err)
					if version, err := versionOf(key, value); err != nil || version != want {
						t.Fatalf("%q: version %d, %v; want %d", key, version, err, want)
					}
				}
			}
			must(t, db.Close())
			db = openAt(t, path, opts...)
		}
	})
}

// Goroutines that share nothing but the store read in parallel.
func TestParallelGets(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		n := scaled(2000)
		for i := range n {
			key := fmt.Sprintf("%06d", i)
			must(t, db.Put([]byte(key), stamped(key, uint64(i), 100)))
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range n {
					i = (i + g*n/8) % n
					key := fmt.Sprintf("%06d", i)
					value, err := db.Get([]byte(key))
					if err != nil || !bytes.Equal(value, stamped(key, uint64(i), 100)) {
						t.Errorf("%s: %q, %v", key, value, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}
