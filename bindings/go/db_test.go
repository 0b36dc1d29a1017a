// Single keys: what goes in comes out, whatever its size, and slices belong to whom the documentation says.

package bitcask_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestPutGetDelete(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		put(t, db, "a", "1")
		put(t, db, "b", "")
		put(t, db, "a", "2")
		wantValue(t, db, "a", "2")
		wantValue(t, db, "b", "")
		wantMissing(t, db, "c")
		wantLen(t, db, 2)

		existed, err := db.Delete([]byte("a"))
		must(t, err)
		if !existed {
			t.Fatal("delete said that the key was not there")
		}
		existed, err = db.Delete([]byte("a"), bitcask.Sync())
		must(t, err)
		if existed {
			t.Fatal("delete said that a deleted key was there")
		}
		wantMissing(t, db, "a")
		wantLen(t, db, 1)

		for key, want := range map[string]bool{"a": false, "b": true} {
			got, err := db.Has([]byte(key))
			must(t, err)
			if got != want {
				t.Fatalf("has %q: %v", key, got)
			}
		}
		must(t, db.Put([]byte("s"), []byte("synced"), bitcask.Sync()))
		must(t, db.Sync())
		wantValue(t, db, "s", "synced")
	})
}

// The sizes around every buffer that a value may pass through.
func TestValueSizes(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		key := []byte("key")
		for _, n := range []int{0, 1, 150, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 1 << 16, 1<<20 + 1} {
			value := bytes.Repeat([]byte{byte(n), byte(n >> 8), 7}, n/3+1)[:n]
			must(t, db.Put(key, value))
			got, err := db.Get(key)
			must(t, err)
			if got == nil || !bytes.Equal(got, value) {
				t.Fatalf("%d bytes: get gave %d other bytes", n, len(got))
			}
			for _, dst := range [][]byte{nil, {}, []byte("x"), make([]byte, 1, 2), make([]byte, 3, n+3), make([]byte, 3, max(n+2, 3))} {
				before := bytes.Clone(dst)
				got, err := db.AppendTo(dst, key)
				must(t, err)
				if got == nil || !bytes.Equal(got, append(before, value...)) {
					t.Fatalf("%d bytes: append to %d/%d bytes gave %d other bytes", n, len(dst), cap(dst), len(got))
				}
			}
			for _, room := range []int{0, n - 1, n, n + 1} {
				if room < 0 {
					continue
				}
				buf := make([]byte, room)
				m, err := db.GetInto(key, buf)
				if m != n {
					t.Fatalf("%d bytes: get into %d bytes said %d", n, room, m)
				}
				if room < n {
					if err != bitcask.ErrBufferTooSmall {
						t.Fatalf("%d bytes into %d: %v", n, room, err)
					}
					continue
				}
				must(t, err)
				if !bytes.Equal(buf[:m], value) {
					t.Fatalf("%d bytes: get into %d bytes gave others", n, room)
				}
			}
		}
	})
}

func TestKeySizes(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		for _, n := range []int{1, 2, 255, 256, 4096, bitcask.MaxKeyLen} {
			key := bytes.Repeat([]byte{'k'}, n)
			must(t, db.Put(key, []byte(strconv.Itoa(n))))
			wantValue(t, db, string(key), strconv.Itoa(n))
		}
		for _, c := range []struct {
			key  []byte
			want error
		}{{nil, bitcask.ErrKeyEmpty}, {[]byte{}, bitcask.ErrKeyEmpty}, {make([]byte, bitcask.MaxKeyLen+1), bitcask.ErrKeyTooLarge}} {
			_, err := db.Get(c.key)
			wantErr(t, err, c.want)
			_, err = db.GetInto(c.key, nil)
			wantErr(t, err, c.want)
			_, err = db.AppendTo(nil, c.key)
			wantErr(t, err, c.want)
			_, err = db.Has(c.key)
			wantErr(t, err, c.want)
			wantErr(t, db.Put(c.key, nil), c.want)
			_, err = db.Delete(c.key)
			wantErr(t, err, c.want)
			b := db.NewBatch()
			wantErr(t, b.Put(c.key, nil), c.want)
			wantErr(t, b.Delete(c.key), c.want)
			b.Close()
		}
		wantLen(t, db, 6)
	})
}

// Buffers are the caller's again as soon as a call returns, and what a call returned is nobody else's.
func TestSlicesBelongToTheCaller(t *testing.T) {
	db := open(t)
	key, value := []byte("key"), []byte("value")
	must(t, db.Put(key, value))
	copy(key, "xxx")
	copy(value, "xxxxx")
	wantValue(t, db, "key", "value")

	got, err := db.Get([]byte("key"))
	must(t, err)
	copy(got, "yyyyy")
	wantValue(t, db, "key", "value")
	if cap(got) > 8 {
		t.Fatalf("a value of 5 bytes came with a capacity of %d", cap(got))
	}

	// A destination that is the key itself.
	both := append(make([]byte, 0, 64), "key"...)
	appended, err := db.AppendTo(both[:0], both)
	must(t, err)
	if string(appended) != "value" {
		t.Fatalf("got %q", appended)
	}
	both = append(make([]byte, 0, 64), "key"...)
	n, err := db.GetInto(both, both[:64])
	must(t, err)
	if string(both[:n]) != "value" {
		t.Fatalf("got %q", both[:n])
	}

	// An error leaves the destination as it was.
	dst := []byte("dst")
	kept, err := db.AppendTo(dst, []byte("missing"))
	wantErr(t, err, bitcask.ErrNotFound)
	if string(kept) != "dst" {
		t.Fatalf("got %q", kept)
	}
}

func TestReopen(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		path := filepath.Join(t.TempDir(), "store")
		db := openAt(t, path, bitcask.WithIndex(index))
		n := scaled(1000)
		for i := range n {
			put(t, db, fmt.Sprintf("key%04d", i), fmt.Sprintf("value%d", i))
		}
		for i := 0; i < n; i += 3 {
			_, err := db.Delete(fmt.Appendf(nil, "key%04d", i))
			must(t, err)
		}
		must(t, db.Close())

		for _, opts := range [][]bitcask.Option{
			{bitcask.WithReadOnly(), bitcask.WithIndex(index)},
			{bitcask.WithIndex(bitcask.IndexHash)},
			{bitcask.WithIndex(bitcask.IndexBTree), bitcask.WithVerifyChecksums(false), bitcask.WithCreateIfMissing(false)},
		} {
			db := openAt(t, path, opts...)
			wantLen(t, db, uint64(n-(n+2)/3))
			for i := range n {
				key := fmt.Sprintf("key%04d", i)
				if i%3 == 0 {
					wantMissing(t, db, key)
				} else {
					wantValue(t, db, key, fmt.Sprintf("value%d", i))
				}
			}
			must(t, db.Close())
		}
	})
}

func TestOpenOptions(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		opts []bitcask.Option
		want error
	}{
		{nil, nil},
		{[]bitcask.Option{bitcask.WithDurability(bitcask.DurabilityNone)}, nil},
		{[]bitcask.Option{bitcask.WithDurability(bitcask.DurabilityAlways)}, nil},
		{[]bitcask.Option{bitcask.WithDurability(bitcask.DurabilityInterval), bitcask.WithSyncInterval(time.Second, 1)}, nil},
		{[]bitcask.Option{bitcask.WithSyncInterval(time.Nanosecond, 1)}, nil},
		{[]bitcask.Option{bitcask.WithSyncInterval(math.MaxInt64, math.MaxUint64)}, nil},
		{[]bitcask.Option{bitcask.WithSyncInterval(0, 1)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithSyncInterval(-1, 1)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithSyncInterval(time.Second, 0)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithMaxFileSize(4096)}, nil},
		{[]bitcask.Option{bitcask.WithMaxFileSize(1 << 32)}, nil},
		{[]bitcask.Option{bitcask.WithMaxFileSize(4095)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithMaxFileSize(1<<32 + 1)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithIndex(99)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithDurability(-1)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithOnDamage(bitcask.OnDamageServe)}, nil},
		{[]bitcask.Option{bitcask.WithOnDamage(2)}, bitcask.ErrInvalidArgument},
		{[]bitcask.Option{bitcask.WithCreateIfMissing(false)}, bitcask.ErrNoStore},
		{[]bitcask.Option{bitcask.WithReadOnly()}, bitcask.ErrNoStore},
	} {
		db, err := bitcask.Open(filepath.Join(dir, strconv.Itoa(i)), c.opts...)
		if c.want != nil {
			wantErr(t, err, c.want)
			if db != nil {
				t.Fatalf("case %d: a store beside the error %v", i, err)
			}
			continue
		}
		must(t, err)
		put(t, db, "k", "v")
		wantValue(t, db, "k", "v")
		must(t, db.Close())
	}
	_, err := bitcask.Open(dir + "/a\x00b")
	wantErr(t, err, bitcask.ErrInvalidArgument)
	_, err = bitcask.Open(dir + "/no/such/parent")
	if err == nil {
		t.Fatal("a store in a directory that is not there")
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	put(t, db, "k", "v")
	must(t, db.Close())
	db = openAt(t, path, bitcask.WithReadOnly())
	wantValue(t, db, "k", "v")
	wantErr(t, db.Put([]byte("k"), nil), bitcask.ErrReadOnly)
	_, err := db.Delete([]byte("k"))
	wantErr(t, err, bitcask.ErrReadOnly)
	b := db.NewBatch()
	must(t, b.Put([]byte("k"), nil))
	wantErr(t, b.Commit(), bitcask.ErrReadOnly)
	b.Close()
	wantValue(t, db, "k", "v")
}

func TestStats(t *testing.T) {
	db := open(t)
	put(t, db, "a", "1")
	put(t, db, "b", "2")
	_, err := db.Delete([]byte("a"))
	must(t, err)
	stats, err := db.Stats()
	must(t, err)
	if stats.Keys != 1 || stats.LastSeq != 3 || stats.Files == 0 || stats.DataBytes == 0 || stats.IndexBytes == 0 ||
		stats.DamagedPlaces != 0 || stats.DamagedBytes != 0 {
		t.Fatalf("%+v", stats)
	}
	if bitcask.Version() == "" || db.Path() == "" {
		t.Fatal("no version or path")
	}
}

// Get guesses the length of the value that it will find; whatever it found before, the value is right and keeps little memory.
func TestGetGuessesLengths(t *testing.T) {
	db := open(t)
	lengths := []int{0, 1, 100, 150, 255, 256, 257, 300, 4095, 4096, 4097, 70_000}
	for _, n := range lengths {
		must(t, db.Put([]byte(strconv.Itoa(n)), bytes.Repeat([]byte{byte(n)}, n)))
	}
	for _, before := range lengths {
		for _, n := range lengths {
			for _, length := range []int{before, before, n} {
				value, err := db.Get([]byte(strconv.Itoa(length)))
				must(t, err)
				if value == nil || !bytes.Equal(value, bytes.Repeat([]byte{byte(length)}, length)) {
					t.Fatalf("%d bytes after %d: got %d", length, before, len(value))
				}
			}
		}
	}
	if bitcask.GCStress {
		return
	}
	kept := make([][]byte, 1000)
	held := heap()
	for i := range kept {
		_, err := db.Get([]byte("4096"))
		must(t, err)
		kept[i], err = db.Get([]byte("1"))
		must(t, err)
	}
	if held = heap() - held; held > 1000*1000 {
		t.Errorf("1000 values of 1 byte keep %d bytes alive", held)
	}
	runtime.KeepAlive(kept)
}

// heap gives the bytes that are alive.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// The index is saved while the store is open, unless that is only to be at close.
func TestCheckpoints(t *testing.T) {
	for _, bytes := range []uint64{64 << 10, 0} {
		path := filepath.Join(t.TempDir(), "store")
		saved := func() bool {
			_, err := os.Stat(filepath.Join(path, "index.checkpoint"))
			return err == nil
		}
		db := openAt(t, path, bitcask.WithCheckpointBytes(bytes))
		for i := range 512 { // 8 MiB, far less than the default
			must(t, db.Put([]byte{byte(i)}, make([]byte, 16<<10)))
		}
		for deadline := time.Now().Add(20 * time.Second); bytes > 0 && !saved(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no checkpoint")
			}
		}
		if saved() != (bytes > 0) {
			t.Errorf("every %d bytes: saved %v", bytes, saved())
		}
		must(t, db.Close())
		if !saved() {
			t.Error("not saved at close")
		}
	}
}
