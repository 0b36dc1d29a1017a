// Iterators: the store at one moment, read a page at a time.
//
// A page is a run of records in the library's memory, got in one crossing; the steps within it are Go's alone. Pages grow, so
// that a short range reads little and a long one crosses seldom. A page is valid until the next call on the C iterator:
// whatever makes one (fetch, Seek, Rewind, Close) drops the page first.

package bitcask

import (
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	firstPage   = 16 // records; each later page is four times as long, up to longestPage
	longestPage = 1024
	// A transaction rests on what was read for its iterators, so they read less ahead.
	longestTxnPage = 64
	pageBytes      = 256 << 10 // bytes of keys and values after which the library ends a page
	joinedCopies   = 1 << 10   // records up to so many bytes are copied into one allocation
)

// Iterator goes over the keys of a store in order, at the moment it was made, whatever is written meanwhile; or of a [Snapshot], or of a
// [Batch] or [Txn] laid over the store. It stands before its first record; Next moves it. Usually it is used in a loop over Seq:
//
//	it := db.Prefix([]byte("user:"))
//	for key, value := range it.Seq() {
//		…
//	}
//	if err := it.Err(); err != nil {
//		…
//	}
//
// An iterator is for one goroutine at a time, and keeps nobody from writing. Close it, unless a loop over Seq does; while it is
// open the store keeps what it may still see.
type Iterator struct {
	db       *DB
	ref      iterRef
	guard    *iterGuard
	page     page
	pos      int // the record in the page; -1 before the first
	nextPage int // records to ask for
	longest  int // the most of them
	left     uint64
	limit    uint64
	err      error
	lend     bool // keys and values are lent, not copied
	end      bool // the library has no more records
	closed   atomic.Bool
}

// iterGuard frees the C iterator of an Iterator that is forgotten: they become unreachable together, and the collector runs the
// guard's cleanup. Attaching one costs as much as reading ten records, so guards are used again by later iterators; an unused
// one guards nothing.
type iterGuard struct{ ref *iterRef }

var iterGuards = sync.Pool{New: func() any {
	g := &iterGuard{new(iterRef)}
	runtime.AddCleanup(g, func(ref *iterRef) {
		if *ref != (iterRef{}) {
			cIterFree(*ref)
		}
	}, g.ref)
	return g
}}

// All iterates over all keys.
func (db *DB) All(opts ...IterOption) *Iterator { return db.Range(opts...) }

// Prefix iterates over the keys that begin with prefix.
func (db *DB) Prefix(prefix []byte, opts ...IterOption) *Iterator {
	return source{db, nil}.iterate(iterOptions{prefix: prefix, set: iterPrefix}, opts)
}

// Range iterates over the keys that the options choose: [WithPrefix], [From], [After], [To], [Before], [Reverse], [Limit], [KeysOnly],
// [NoCopy]. A failure to make the iterator is told by its Err: [ErrClosed], [ErrIO], [ErrCorrupted].
func (db *DB) Range(opts ...IterOption) *Iterator {
	return source{db, nil}.iterate(iterOptions{}, opts)
}

func (s source) iterate(o iterOptions, opts []IterOption) *Iterator {
	if s.closed() {
		return failedIterator(s.db, ErrClosed)
	}
	it := s.db.iterate(s.ref(), o, opts)
	s.keep()
	if s.closed() && it.err != nil && errors.Is(it.err, ErrInvalidHandle) {
		it.err = ErrClosed
	}
	return it
}

// failedIterator makes one that was never open.
func failedIterator(db *DB, err error) *Iterator {
	it := &Iterator{db: db, longest: longestPage}
	it.restart()
	it.fail(err)
	return it
}

// iterate makes an iterator over what a handle stands for, which the caller keeps alive.
func (db *DB) iterate(of readRef, o iterOptions, opts []IterOption) *Iterator {
	for i := range opts {
		opts[i].apply(&o)
	}
	it := &Iterator{db: db, lend: o.lend, limit: o.limit, longest: longestPage}
	if o.set&iterLimit == 0 {
		it.limit = ^uint64(0)
	}
	it.restart()
	maybeGC()
	var r outcome
	it.ref, r = cIterNew(of, &o)
	if r.status != statusOK {
		it.fail(db.fail("iterate", r))
		return it
	}
	it.guard = iterGuards.Get().(*iterGuard)
	*it.guard.ref = it.ref
	return it
}

// fail makes an iterator that was never open.
func (it *Iterator) fail(err error) {
	it.err = err
	it.closed.Store(true)
}

// restart forgets the page and begins to count anew.
func (it *Iterator) restart() {
	it.page, it.pos = page{}, -1
	it.nextPage, it.left, it.end = firstPage, it.limit, false
}

// Next moves to the next record and tells whether there is one. After a failure, which Err tells, the iterator stays where it
// is, and Next may be tried again; [Iterator.SkipDamaged] passes a damaged record.
func (it *Iterator) Next() bool {
	if it.pos+1 < it.page.count && !it.db.closed.Load() {
		it.pos++
		return true
	}
	return it.fetch()
}

// fetch gets the next page, and moves to its first record.
func (it *Iterator) fetch() bool {
	switch {
	case it.closed.Load():
		if it.err == nil {
			it.err = ErrClosed
		}
		return false
	case it.db.closed.Load():
		it.page, it.pos = page{}, -1
		it.err = ErrClosed
		return false
	}
	it.page, it.pos = page{}, -1
	if it.end || it.left == 0 {
		it.err = nil
		return false
	}
	records := int(min(uint64(it.nextPage), it.left))
	maybeGC()
	p, r := cIterNextPage(it.ref, records, pageBytes)
	runtime.KeepAlive(it)
	if r.status != statusOK {
		it.err = it.db.fail("iterate", r)
		return false
	}
	it.err = nil
	if p.count == 0 {
		it.end = true
		return false
	}
	it.page, it.pos = p, 0
	it.left -= min(uint64(p.count), it.left)
	it.nextPage = min(it.nextPage*4, it.longest)
	return true
}

// Key gives the key of the record that Next moved to; nil if there is none. It is a copy, or lent with [NoCopy].
func (it *Iterator) Key() []byte {
	if it.pos < 0 {
		return nil
	}
	key, _ := it.page.at(it.pos)
	if !it.lend {
		maybeGC()
		key = copied(key)
	}
	runtime.KeepAlive(it)
	return key
}

// Value gives the value of the record that Next moved to; nil if there is none. With [KeysOnly] it is empty. It is a copy, or
// lent with [NoCopy].
func (it *Iterator) Value() []byte {
	if it.pos < 0 {
		return nil
	}
	_, value := it.page.at(it.pos)
	if !it.lend {
		maybeGC()
		value = copied(value)
	}
	runtime.KeepAlive(it)
	return value
}

// Seek makes the next Next move to the first key at or above key; in reverse at or below. The key may be any bytes. A limit
// counts from here.
func (it *Iterator) Seek(key []byte) error {
	if err := it.usable(); err != nil {
		return err
	}
	maybeGC()
	r := cIterSeek(it.ref, key)
	return it.restarted(r)
}

// Rewind makes the next Next move to the first record. A limit counts from here.
func (it *Iterator) Rewind() error {
	if err := it.usable(); err != nil {
		return err
	}
	maybeGC()
	r := cIterRewind(it.ref)
	return it.restarted(r)
}

// SkipDamaged passes the record at which the last step failed with [ErrCorrupted], so that Next goes on behind it. It does nothing otherwise.
func (it *Iterator) SkipDamaged() error {
	if it.closed.Load() || it.db.closed.Load() {
		return it.usable()
	}
	if !errors.Is(it.err, ErrCorrupted) {
		return nil
	}
	maybeGC()
	r := cIterSkipDamaged(it.ref)
	runtime.KeepAlive(it)
	it.err = nil
	if r.status != statusOK {
		it.err = it.db.fail("iterate", r)
	}
	return it.err
}

func (it *Iterator) usable() error {
	if it.closed.Load() || it.db.closed.Load() {
		it.page, it.pos = page{}, -1
		it.err = ErrClosed
	} else {
		it.err = nil
	}
	return it.err
}

func (it *Iterator) restarted(r outcome) error {
	runtime.KeepAlive(it)
	it.restart()
	if r.status != statusOK {
		it.err = it.db.fail("iterate", r)
	}
	return it.err
}

// Seq gives the records from here on to a range loop, and closes the iterator when the loop is over, however it ends. Look at
// Err then. Keys and values are the caller's to keep and to change, unless lent with [NoCopy].
func (it *Iterator) Seq() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		defer it.Close()
		for it.Next() {
			key, value := it.page.at(it.pos)
			if !it.lend {
				key, value = copiedPair(key, value)
			}
			if !yield(key, value) {
				return
			}
		}
	}
}

// Err gives the error of the last step, or of making the iterator; nil at the end of the records.
func (it *Iterator) Err() error { return it.err }

// Close frees the iterator. What it lent is gone. A second Close does nothing.
func (it *Iterator) Close() {
	it.page, it.pos = page{}, -1
	if !it.closed.CompareAndSwap(false, true) {
		return
	}
	cIterFree(it.ref)
	*it.guard.ref = iterRef{}
	iterGuards.Put(it.guard)
	it.guard = nil
}

// copied clones bytes; the clone is never nil.
func copied(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}

// copiedPair clones a record, a small one into a single allocation: then a key that is kept keeps its value's memory, which is
// not worth an allocation more for each record.
func copiedPair(key, value []byte) ([]byte, []byte) {
	n := len(key)
	if n+len(value) > joinedCopies {
		return copied(key), copied(value)
	}
	both := slices.Concat(key, value)
	return both[:n:n], both[n:len(both):len(both)]
}
