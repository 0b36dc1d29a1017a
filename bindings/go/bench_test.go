// Benchmarks: random keys of 24 bytes with values of 150, as in the figures of the repository's documentation.
//
//	BITCASK_BENCH_KEYS=1000000 go test -run '^$' -bench .
//
// Without the variable there are 100,000 keys. cmd/figures prints figures that other programs read.

package bitcask_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const (
	benchKeyLen   = 24
	benchValueLen = 150
)

func benchKeyCount() int {
	if n, err := strconv.Atoi(os.Getenv("BITCASK_BENCH_KEYS")); err == nil && n > 0 {
		return n
	}
	return 100_000
}

// randomBytes makes n random slices of one length, which lie in one block.
func randomBytes(seed uint64, n, length int) [][]byte {
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	block := make([]byte, n*length)
	_, _ = rng.Read(block)
	out := make([][]byte, n)
	for i := range out {
		out[i] = block[i*length : (i+1)*length : (i+1)*length]
	}
	return out
}

// loaded opens a store for each index kind, fills it and runs a benchmark on it.
func loaded(b *testing.B, run func(b *testing.B, db *bitcask.DB, keys [][]byte)) {
	for i := range kinds {
		loadedKind(b, i, run)
	}
}

func loadedKind(b *testing.B, i int, run func(b *testing.B, db *bitcask.DB, keys [][]byte)) {
	n := benchKeyCount()
	keys := randomBytes(1, n, benchKeyLen)
	b.Run(kinds[i].name, func(b *testing.B) {
		db := open(b, bitcask.WithIndex(kinds[i].index), bitcask.WithDurability(bitcask.DurabilityNone))
		value := randomBytes(2, 1, benchValueLen)[0]
		for _, key := range keys {
			must(b, db.Put(key, value))
		}
		order := rand.New(rand.NewPCG(7, 8))
		shuffled := append([][]byte(nil), keys...)
		order.Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		b.ReportAllocs()
		b.ResetTimer()
		run(b, db, shuffled)
	})
}

func BenchmarkGet(b *testing.B) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for i := range b.N {
			if _, err := db.Get(keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetInto(b *testing.B) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		buf := make([]byte, 256)
		for i := range b.N {
			if _, err := db.GetInto(keys[i%len(keys)], buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendTo(b *testing.B) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		buf := make([]byte, 0, 256)
		for i := range b.N {
			if _, err := db.AppendTo(buf, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetParallel(b *testing.B) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(len(keys)); pb.Next(); i++ {
				if _, err := db.Get(keys[i%len(keys)]); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkHas(b *testing.B) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for i := range b.N {
			if ok, err := db.Has(keys[i%len(keys)]); err != nil || !ok {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	value := randomBytes(3, 1, benchValueLen)[0]
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for i := range b.N {
			if err := db.Put(keys[i%len(keys)], value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBatch1000 tells the time of one of a batch's thousand puts.
func BenchmarkBatch1000(b *testing.B) {
	value := randomBytes(3, 1, benchValueLen)[0]
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for i := 0; i < b.N; {
			batch := db.NewBatch()
			for range 1000 {
				if err := batch.Put(keys[i%len(keys)], value); err != nil {
					b.Fatal(err)
				}
				i++
			}
			if err := batch.Commit(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchRange10 leaves out the hash index, which sorts all keys for each range.
func benchRange10(b *testing.B, opts ...bitcask.IterOption) {
	loadedKind(b, 0, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for i := range b.N {
			it := db.Range(append(opts[:len(opts):len(opts)], bitcask.From(keys[i%len(keys)]), bitcask.Limit(10))...)
			for range it.Seq() {
			}
			if it.Err() != nil {
				b.Fatal(it.Err())
			}
		}
	})
}

func BenchmarkRange10(b *testing.B)       { benchRange10(b) }
func BenchmarkRange10NoCopy(b *testing.B) { benchRange10(b, bitcask.NoCopy()) }

// benchIterate tells the time of one record.
func benchIterate(b *testing.B, opts ...bitcask.IterOption) {
	loaded(b, func(b *testing.B, db *bitcask.DB, keys [][]byte) {
		for n := 0; n < b.N; {
			it := db.Range(append(opts[:len(opts):len(opts)], bitcask.Limit(uint64(b.N-n)))...)
			for range it.Seq() {
				n++
			}
			if it.Err() != nil {
				b.Fatal(it.Err())
			}
		}
	})
}

func BenchmarkIterate(b *testing.B)         { benchIterate(b) }
func BenchmarkIterateNoCopy(b *testing.B)   { benchIterate(b, bitcask.NoCopy()) }
func BenchmarkIterateKeysOnly(b *testing.B) { benchIterate(b, bitcask.KeysOnly()) }
