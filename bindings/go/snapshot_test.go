// Snapshots: all ways of reading at one moment.

package bitcask_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestSnapshotShowsOneMoment(t *testing.T) {
	forEachKind(t, func(t *testing.T, opts ...bitcask.Option) {
		db := open(t, opts...)
		put(t, db, "a", "1")
		put(t, db, "b", "")
		put(t, db, "c", "3")
		s, err := db.Snapshot()
		must(t, err)
		defer s.Close()
		at, err := db.LastSeq()
		must(t, err)
		// Whatever is done to the store.
		put(t, db, "a", "changed")
		_, err = db.Delete([]byte("b"))
		must(t, err)
		put(t, db, "0", "new")
		put(t, db, "d", "new")

		seq, err := s.Seq()
		must(t, err)
		if seq != at {
			t.Errorf("seq %d, want %d", seq, at)
		}
		for key, want := range map[string]string{"a": "1", "b": "", "c": "3"} {
			value, err := s.Get([]byte(key))
			must(t, err)
			if string(value) != want || value == nil {
				t.Errorf("get %s: %q", key, value)
			}
			appended, err := s.AppendTo([]byte("x")[:1:1], []byte(key))
			must(t, err)
			room, err2 := s.AppendTo(make([]byte, 0, 100), []byte(key))
			must(t, err2)
			if string(appended) != "x"+want || string(room) != want {
				t.Errorf("append %s: %q, %q", key, appended, room)
			}
			buf := make([]byte, 10)
			n, err := s.GetInto([]byte(key), buf)
			must(t, err)
			size, err := s.ValueSize([]byte(key))
			must(t, err)
			if string(buf[:n]) != want || size != uint64(n) {
				t.Errorf("get %s into a buffer: %q, size %d", key, buf[:n], size)
			}
			has, err := s.Has([]byte(key))
			must(t, err)
			if !has {
				t.Errorf("%s is not there", key)
			}
		}
		n, err := s.GetInto([]byte("c"), nil)
		wantErr(t, err, bitcask.ErrBufferTooSmall)
		if n != 1 {
			t.Errorf("%d bytes are needed", n)
		}
		_, err = s.Get([]byte("d"))
		wantErr(t, err, bitcask.ErrNotFound)
		_, err = s.ValueSize([]byte("d"))
		wantErr(t, err, bitcask.ErrNotFound)
		has, err := s.Has([]byte("0"))
		must(t, err)
		if has {
			t.Error("what came later is there")
		}
		values, err := s.MultiGet([][]byte{[]byte("d"), []byte("b"), []byte("a")})
		must(t, err)
		if values[0] != nil || values[1] == nil || len(values[1]) > 0 || string(values[2]) != "1" {
			t.Errorf("multi get: %q", values)
		}
		first, value, err := s.First()
		must(t, err)
		last, lastValue, err := s.Last()
		must(t, err)
		if string(first)+string(value)+string(last)+string(lastValue) != "a1c3" {
			t.Errorf("from %s=%s to %s=%s", first, value, last, lastValue)
		}
		keys, err := s.Len()
		must(t, err)
		count, err := s.Count(bitcask.After([]byte("a")))
		must(t, err)
		if keys != 3 || count != 2 {
			t.Errorf("len %d, count %d", keys, count)
		}
		for want, it := range map[string]*bitcask.Iterator{"a=1 b= c=3": s.All(), "c=3 b=": s.Range(bitcask.After([]byte("a")), bitcask.Reverse()),
			"b=": s.Prefix([]byte("b"))} {
			if got := pairs(t, it); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		_, err = s.Get(nil)
		wantErr(t, err, bitcask.ErrKeyEmpty)
	})
}

func TestView(t *testing.T) {
	db := open(t)
	put(t, db, "k", "v")
	var kept *bitcask.Snapshot
	var it *bitcask.Iterator
	enough := errors.New("enough")
	err := db.View(func(s *bitcask.Snapshot) error {
		kept, it = s, s.All()
		put(t, db, "k", "later")
		value, err := s.Get([]byte("k"))
		if string(value) != "v" {
			t.Errorf("%q, %v", value, err)
		}
		return enough
	})
	if err != enough {
		t.Errorf("%v", err)
	}
	_, err = kept.Get([]byte("k"))
	wantErr(t, err, bitcask.ErrClosed)
	if got := pairs(t, it); got != "k=v" {
		t.Errorf("the iterator shows %q", got)
	}
	must(t, db.Close())
	wantErr(t, db.View(func(*bitcask.Snapshot) error { panic("called") }), bitcask.ErrClosed)
}

func TestClosedSnapshots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for _, whole := range []bool{false, true} {
		db := openAt(t, path)
		put(t, db, "k", "v")
		s, err := db.Snapshot()
		must(t, err)
		if whole {
			must(t, db.Close())
			_, err := db.Snapshot()
			wantErr(t, err, bitcask.ErrClosed)
		} else {
			s.Close()
		}
		_, err = s.Get([]byte("k"))
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.AppendTo(nil, []byte("k"))
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.GetInto([]byte("k"), nil)
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.Has([]byte("k"))
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.ValueSize([]byte("k"))
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.MultiGet([][]byte{[]byte("k")})
		wantErr(t, err, bitcask.ErrClosed)
		_, _, err = s.First()
		wantErr(t, err, bitcask.ErrClosed)
		_, _, err = s.Last()
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.Count()
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.Len()
		wantErr(t, err, bitcask.ErrClosed)
		_, err = s.Seq()
		wantErr(t, err, bitcask.ErrClosed)
		it := s.All()
		if it.Next() || it.Key() != nil {
			t.Error("a record of a closed snapshot")
		}
		wantErr(t, it.Err(), bitcask.ErrClosed)
		it.Close()
		s.Close()
		s.Close()
		must(t, db.Close())
	}
}

// Goroutines read one snapshot while another closes it, and others write.
func TestSnapshotOfManyGoroutines(t *testing.T) {
	db := open(t)
	n := scaled(200)
	for i := range n {
		put(t, db, fmt.Sprint(i), "old")
	}
	s, err := db.Snapshot()
	must(t, err)
	var readers, rest sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := 0; ; i++ {
				value, err := s.Get(fmt.Append(nil, i%n))
				if errors.Is(err, bitcask.ErrClosed) {
					break
				}
				if err != nil || string(value) != "old" {
					t.Errorf("%q, %v", value, err)
					break
				}
				runtime.Gosched()
			}
			_, err := s.Len()
			if !errors.Is(err, bitcask.ErrClosed) {
				t.Errorf("%v after the close", err)
			}
		})
	}
	rest.Go(func() {
		for i := range n {
			if err := db.Put(fmt.Append(nil, i), []byte("new")); err != nil {
				t.Error(err)
			}
		}
		s.Close()
	})
	rest.Wait()
	readers.Wait()
}
