// Iterators: every option and their combinations against a sorted list, the moment they show, and who owns what they give.

package bitcask_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func letters(t testing.TB, db *bitcask.DB) {
	t.Helper()
	for _, key := range strings.Fields("a aa ab b ba bb c ca") {
		put(t, db, key, strings.ToUpper(key))
	}
}

func TestIterate(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		letters(t, db)
		key := func(s string) []byte { return []byte(s) }
		for _, c := range []struct {
			name string
			it   *bitcask.Iterator
			want string
		}{
			{"all", db.All(), "a=A aa=AA ab=AB b=B ba=BA bb=BB c=C ca=CA"},
			{"reverse", db.All(bitcask.Reverse(), bitcask.Limit(3)), "ca=CA c=C bb=BB"},
			{"prefix", db.Prefix(key("b")), "b=B ba=BA bb=BB"},
			{"empty prefix", db.Prefix(nil, bitcask.Limit(1)), "a=A"},
			{"missing prefix", db.Prefix(key("x")), ""},
			{"from", db.Range(bitcask.From(key("bb"))), "bb=BB c=C ca=CA"},
			{"after", db.Range(bitcask.After(key("bb"))), "c=C ca=CA"},
			{"after a missing key", db.Range(bitcask.After(key("bz"))), "c=C ca=CA"},
			{"to", db.Range(bitcask.To(key("ab"))), "a=A aa=AA ab=AB"},
			{"before", db.Range(bitcask.Before(key("ab"))), "a=A aa=AA"},
			{"before nothing", db.Range(bitcask.Before(nil)), ""},
			{"from and before", db.Range(bitcask.From(key("ab")), bitcask.Before(key("bb"))), "ab=AB b=B ba=BA"},
			{"after and to, reverse", db.Range(bitcask.After(key("ab")), bitcask.To(key("bb")), bitcask.Reverse()), "bb=BB ba=BA b=B"},
			{"prefix and range", db.Prefix(key("b"), bitcask.From(key("ba")), bitcask.Limit(1)), "ba=BA"},
			{"end before start", db.Range(bitcask.From(key("c")), bitcask.To(key("a"))), ""},
			{"no record", db.All(bitcask.Limit(0)), ""},
			{"more than there are", db.All(bitcask.Limit(100), bitcask.From(key("c"))), "c=C ca=CA"},
			{"keys only", db.All(bitcask.KeysOnly(), bitcask.Limit(2)), "a= aa="},
			{"not copied", db.Prefix(key("c"), bitcask.NoCopy()), "c=C ca=CA"},
			{"not copied, keys only", db.Prefix(key("c"), bitcask.NoCopy(), bitcask.KeysOnly()), "c= ca="},
			{"the last of two starts", db.Range(bitcask.From(key("a")), bitcask.After(key("c"))), "ca=CA"},
		} {
			if got := pairs(t, c.it); got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	})
}

func TestIteratorSteps(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		letters(t, db)
		it := db.Range(bitcask.After([]byte("a")), bitcask.Limit(4))
		defer it.Close()
		if it.Key() != nil || it.Value() != nil {
			t.Fatal("a record before the first")
		}
		steps := func(n int, want string) {
			t.Helper()
			var got []string
			for range n {
				if !it.Next() {
					break
				}
				got = append(got, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
			}
			must(t, it.Err())
			if strings.Join(got, " ") != want {
				t.Fatalf("got %s, want %s", strings.Join(got, " "), want)
			}
		}
		steps(2, "aa=AA ab=AB")
		steps(9, "b=B ba=BA")
		steps(9, "")
		if it.Key() != nil || it.Value() != nil {
			t.Fatal("a record behind the last")
		}
		must(t, it.Rewind())
		if it.Key() != nil {
			t.Fatal("a record before the first")
		}
		steps(1, "aa=AA")
		must(t, it.Seek([]byte("bab")))
		steps(9, "bb=BB c=C ca=CA")
		must(t, it.Seek([]byte("c")))
		steps(1, "c=C")
		must(t, it.Seek(nil))
		steps(1, "aa=AA")
		must(t, it.Seek([]byte("x")))
		steps(1, "")

		must(t, it.Seek([]byte("bb")))
		steps(1, "bb=BB")
		if got := pairs(t, it); got != "c=C ca=CA" { // from here on
			t.Fatalf("got %s", got)
		}
		if it.Next() {
			t.Fatal("a loop left its iterator open")
		}
		wantErr(t, it.Err(), bitcask.ErrClosed)

		back := db.All(bitcask.Reverse())
		defer back.Close()
		must(t, back.Seek([]byte("bab")))
		if !back.Next() || string(back.Key()) != "ba" {
			t.Fatalf("seek in reverse: %q, %v", back.Key(), back.Err())
		}
	})
}

// An iterator shows the store as it was when it was made, however many pages it reads afterwards.
func TestIteratorShowsOneMoment(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		n := scaled(3000)
		for i := range n {
			put(t, db, fmt.Sprintf("%06d", i*2), fmt.Sprint(i))
		}
		it := db.All()
		for i := range n {
			switch i % 3 {
			case 0:
				put(t, db, fmt.Sprintf("%06d", i*2), "changed")
			case 1:
				_, err := db.Delete(fmt.Appendf(nil, "%06d", i*2))
				must(t, err)
			}
			put(t, db, fmt.Sprintf("%06d", i*2+1), "new")
		}
		i := 0
		for key, value := range it.Seq() {
			if string(key) != fmt.Sprintf("%06d", i*2) || string(value) != fmt.Sprint(i) {
				t.Fatalf("record %d: %s=%s", i, key, value)
			}
			i++
		}
		must(t, it.Err())
		if i != n {
			t.Fatalf("%d records of %d", i, n)
		}
	})
}

// Random ranges over keys of many lengths, against a sorted list.
func TestIterateAgainstAList(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		rng := rand.New(rand.NewPCG(3, 4))
		randomKey := func() []byte {
			key := make([]byte, 1+rng.IntN(5))
			for i := range key {
				key[i] = "\x00\x01ab\xfe\xff"[rng.IntN(6)]
			}
			return key
		}
		values := map[string]string{}
		for range scaled(5000) {
			key := randomKey()
			value := strings.Repeat("v", rng.IntN(300))
			must(t, db.Put(key, []byte(value)))
			values[string(key)] = value
		}
		var sorted []string
		for key := range values {
			sorted = append(sorted, key)
		}
		slices.Sort(sorted)

		for range scaled(300) {
			var opts []bitcask.IterOption
			keep := func(string) bool { return true }
			also := func(f func(string) bool) {
				before := keep
				keep = func(k string) bool { return before(k) && f(k) }
			}
			a, z, prefix := randomKey(), randomKey(), randomKey()[:1]
			switch rng.IntN(3) {
			case 0:
				opts = append(opts, bitcask.From(a))
				also(func(k string) bool { return k >= string(a) })
			case 1:
				opts = append(opts, bitcask.After(a))
				also(func(k string) bool { return k > string(a) })
			}
			switch rng.IntN(3) {
			case 0:
				opts = append(opts, bitcask.To(z))
				also(func(k string) bool { return k <= string(z) })
			case 1:
				opts = append(opts, bitcask.Before(z))
				also(func(k string) bool { return k < string(z) })
			}
			usePrefix := rng.IntN(3) == 0
			if usePrefix {
				also(func(k string) bool { return strings.HasPrefix(k, string(prefix)) })
			}
			var want []string
			for _, key := range sorted {
				if keep(key) {
					want = append(want, key)
				}
			}
			if rng.IntN(2) == 0 {
				opts = append(opts, bitcask.Reverse())
				slices.Reverse(want)
			}
			if rng.IntN(2) == 0 {
				limit := rng.IntN(60)
				opts = append(opts, bitcask.Limit(uint64(limit)))
				want = want[:min(limit, len(want))]
			}
			if rng.IntN(2) == 0 {
				opts = append(opts, bitcask.NoCopy())
			}
			var it *bitcask.Iterator
			if usePrefix {
				it = db.Prefix(prefix, opts...)
			} else {
				it = db.Range(opts...)
			}
			var got []string
			for key, value := range it.Seq() {
				got = append(got, string(key))
				if values[string(key)] != string(value) {
					t.Fatalf("%q has a wrong value", key)
				}
			}
			must(t, it.Err())
			if !slices.Equal(got, want) {
				t.Fatalf("got %d keys %q, want %d %q", len(got), got, len(want), want)
			}
		}
	})
}

// Copies are the caller's: kept ones stay what they were, changed ones change nothing else.
func TestIteratorCopies(t *testing.T) {
	db := open(t)
	n := scaled(2000)
	for i := range n {
		put(t, db, fmt.Sprintf("%06d", i), strings.Repeat("v", i))
	}
	var keys, values [][]byte
	it := db.All()
	for key, value := range it.Seq() {
		if len(key) != cap(key) {
			t.Fatal("a key with room for an append behind it")
		}
		keys, values = append(keys, key), append(values, value)
		_ = append(key, "overwrites a value that lies behind it?"...)
	}
	must(t, it.Err())
	for i := range keys {
		if string(keys[i]) != fmt.Sprintf("%06d", i) || !bytes.Equal(values[i], bytes.Repeat([]byte("v"), i)) {
			t.Fatalf("record %d: %q", i, keys[i])
		}
	}
	it = db.All()
	defer it.Close()
	for it.Next() {
		key, value := it.Key(), it.Value()
		clear(key)
		clear(value)
		if bytes.Equal(it.Key(), key) {
			t.Fatal("a change of a copy changed the iterator")
		}
	}
	must(t, it.Err())
}

// A loop that is left early closes its iterator; a store closes well below open ones.
func TestLeavingALoop(t *testing.T) {
	db := open(t)
	letters(t, db)
	it := db.All()
	for range it.Seq() {
		break
	}
	must(t, it.Err())
	wantErr(t, it.Rewind(), bitcask.ErrClosed)

	it = db.All()
	func() {
		defer func() { _ = recover() }()
		for range it.Seq() {
			panic("in the loop")
		}
	}()
	wantErr(t, it.Seek(nil), bitcask.ErrClosed)
	it.Close()
	it.Close()
}

func TestIteratorOutlivesTheStore(t *testing.T) {
	db := open(t)
	letters(t, db)
	started, fresh := db.All(), db.All()
	if !started.Next() {
		t.Fatal(started.Err())
	}
	kept := started.Key()
	must(t, db.Close())
	for _, it := range []*bitcask.Iterator{started, fresh, db.All(), db.Prefix(nil)} {
		if it.Next() {
			t.Fatal("a record of a closed store")
		}
		wantErr(t, it.Err(), bitcask.ErrClosed)
		wantErr(t, it.Seek([]byte("a")), bitcask.ErrClosed)
		wantErr(t, it.Rewind(), bitcask.ErrClosed)
		for range it.Seq() {
			t.Fatal("a record of a closed store")
		}
		it.Close()
		it.Close()
		if it.Key() != nil {
			t.Fatal("a record of a closed iterator")
		}
	}
	if string(kept) != "a" {
		t.Fatalf("a copy became %q", kept)
	}
}
