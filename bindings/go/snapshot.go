// Snapshots: the store at one moment, with all of the store's ways of reading.

package bitcask

import (
	"runtime"
	"sync/atomic"
)

// Snapshot is the store at one moment: all that is read from it shows the effect of the same commits, whatever is written meanwhile. It may
// be used by any number of goroutines at once. It keeps nobody from writing; what is overwritten while it is open costs memory (the key
// and about 150 bytes) until it is closed.
//
// Close it, unless [DB.View] does. What it gave stays: copies are the caller's, iterators live by themselves.
type Snapshot struct {
	db      *DB
	ref     snapshotRef
	cleanup runtime.Cleanup
	closed  atomic.Bool
}

// Snapshot takes a snapshot of the store as it is now, in no time. There may be any number of them. Its error is [ErrClosed].
func (db *DB) Snapshot() (*Snapshot, error) {
	s, err := db.snapshot()
	if err == nil {
		s.cleanup = runtime.AddCleanup(s, cSnapshotFree, s.ref)
	}
	return s, err
}

// View calls f with a snapshot, which it closes afterwards, and returns f's error.
func (db *DB) View(f func(*Snapshot) error) error {
	s, err := db.snapshot()
	if err != nil {
		return err
	}
	defer s.Close()
	return f(s)
}

// snapshot takes one that nobody frees but its Close.
func (db *DB) snapshot() (*Snapshot, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	snapshot, r := cSnapshotNew(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail("snapshot", r)
	}
	return &Snapshot{db: db, ref: snapshot}, nil
}

// Close lets the snapshot go. Later calls on it give [ErrClosed]. A second Close does nothing.
func (s *Snapshot) Close() {
	if !s.closed.CompareAndSwap(false, true) {
		return
	}
	s.cleanup.Stop()
	maybeGC()
	cSnapshotFree(s.ref)
	runtime.KeepAlive(s)
}

func (s *Snapshot) source() source { return source{s.db, s} }

// Seq gives the sequence number of the last commit that the snapshot shows. Its error is [ErrClosed].
func (s *Snapshot) Seq() (uint64, error) {
	of := s.source()
	if of.closed() {
		return 0, ErrClosed
	}
	ref := s.ref
	maybeGC()
	seq, r := cSnapshotSeq(ref)
	runtime.KeepAlive(s)
	if r.status != statusOK {
		return 0, of.fail("snapshot seq", r)
	}
	return seq, nil
}

// Get is as [DB.Get].
func (s *Snapshot) Get(key []byte) ([]byte, error) { return s.source().get(key) }

// AppendTo is as [DB.AppendTo].
func (s *Snapshot) AppendTo(dst, key []byte) ([]byte, error) { return s.source().appendTo(dst, key) }

// GetInto is as [DB.GetInto].
func (s *Snapshot) GetInto(key, buf []byte) (int, error) { return s.source().getInto(key, buf) }

// Has is as [DB.Has].
func (s *Snapshot) Has(key []byte) (bool, error) { return s.source().has(key) }

// ValueSize is as [DB.ValueSize].
func (s *Snapshot) ValueSize(key []byte) (uint64, error) { return s.source().valueSize(key) }

// MultiGet is as [DB.MultiGet].
func (s *Snapshot) MultiGet(keys [][]byte) ([][]byte, error) { return s.source().multiGet(keys) }

// First is as [DB.First].
func (s *Snapshot) First() (key, value []byte, err error) { return s.source().edge("first", false) }

// Last is as [DB.Last].
func (s *Snapshot) Last() (key, value []byte, err error) { return s.source().edge("last", true) }

// Count is as [DB.Count].
func (s *Snapshot) Count(opts ...IterOption) (uint64, error) { return s.source().count(opts) }

// Len is as [DB.Len].
func (s *Snapshot) Len() (uint64, error) { return s.source().len() }

// All is as [DB.All].
func (s *Snapshot) All(opts ...IterOption) *Iterator { return s.source().iterate(iterOptions{}, opts) }

// Range is as [DB.Range].
func (s *Snapshot) Range(opts ...IterOption) *Iterator {
	return s.source().iterate(iterOptions{}, opts)
}

// Prefix is as [DB.Prefix].
func (s *Snapshot) Prefix(prefix []byte, opts ...IterOption) *Iterator {
	return s.source().iterate(iterOptions{prefix: prefix, set: iterPrefix}, opts)
}
