// Reading single keys and the store's ends, of the store as it is now or of a snapshot.

package bitcask

import (
	"runtime"
	"slices"
)

// source is what is read: the store as it is now, or a snapshot of it.
type source struct {
	db   *DB
	snap *Snapshot // nil: the store
}

func (s source) closed() bool { return s.db.closed.Load() || s.snap != nil && s.snap.closed.Load() }

func (s source) ref() readRef {
	if s.snap != nil {
		return s.snap.ref.read()
	}
	return s.db.ref.read()
}

// keep is runtime.KeepAlive for the owner of the handle.
func (s source) keep() {
	runtime.KeepAlive(s.db)
	runtime.KeepAlive(s.snap)
}

// fail is [DB.fail] for either.
func (s source) fail(op string, r outcome) error {
	if r.status == ErrInvalidHandle && s.closed() {
		r.status = ErrClosed
	}
	return newError(op, r)
}

// A Get allocates its result before it knows the value's length: as long as the values that this store gave lately, so that most
// values are read in one crossing and straight into the slice that the caller keeps. Values larger than maxGuess take two: to clear
// a buffer for nothing would cost smaller ones more.
const (
	firstGuess = 256
	maxGuess   = 4 << 10
)

func (s source) get(key []byte) ([]byte, error) {
	if s.closed() {
		return nil, ErrClosed
	}
	guess := int(s.db.guess.Load())
	buf := make([]byte, guess)
	ref := s.ref()
	maybeGC()
	n, r := cGetInto(ref, key, buf)
	s.keep()
	// The value may grow between two calls.
	for r.status == ErrBufferTooSmall {
		buf = make([]byte, n)
		n, r = cGetInto(ref, key, buf)
		s.keep()
	}
	if r.status != statusOK {
		return nil, s.fail("get", r)
	}
	if n != guess {
		s.db.guessFrom(guess, n)
		if n < len(buf)-len(buf)/8 {
			// Too much of it would lie idle as long as the caller keeps the value.
			return append(make([]byte, 0, n), buf[:n]...), nil
		}
	}
	return buf[:n:n], nil
}

// guessFrom moves the guess after a value of n bytes: up at once, down slowly.
func (db *DB) guessFrom(guess, n int) {
	switch {
	case n > maxGuess:
		n = 0
	case n < guess:
		n = guess - (guess-n+7)/8
	}
	db.guess.Store(uint32(n))
}

func (s source) appendTo(dst, key []byte) ([]byte, error) {
	if s.closed() {
		return dst, ErrClosed
	}
	if cap(dst) == len(dst) {
		value, err := s.get(key)
		switch {
		case err != nil:
			return dst, err
		case len(dst) == 0:
			return value, nil
		}
		return append(dst, value...), nil
	}
	if overlap(key, dst[len(dst):cap(dst)]) {
		key = slices.Clone(key)
	}
	ref := s.ref()
	maybeGC()
	for out := dst; ; {
		n, r := cGetInto(ref, key, out[len(out):cap(out)])
		s.keep()
		switch r.status {
		case statusOK:
			return out[:len(out)+n], nil
		case ErrBufferTooSmall:
			out = slices.Grow(out, n)
		default:
			return dst, s.fail("get", r)
		}
	}
}

func (s source) getInto(key, buf []byte) (int, error) {
	if s.closed() {
		return 0, ErrClosed
	}
	if overlap(key, buf) {
		key = slices.Clone(key)
	}
	ref := s.ref()
	maybeGC()
	n, r := cGetInto(ref, key, buf)
	s.keep()
	switch r.status {
	case statusOK:
		return n, nil
	case ErrBufferTooSmall:
		return n, ErrBufferTooSmall
	}
	return 0, s.fail("get", r)
}

func (s source) has(key []byte) (bool, error) {
	if s.closed() {
		return false, ErrClosed
	}
	ref := s.ref()
	maybeGC()
	r := cContains(ref, key)
	s.keep()
	return s.found(r)
}

// found turns the outcome of looking for a key into an answer.
func (s source) found(r outcome) (bool, error) {
	switch r.status {
	case statusOK:
		return true, nil
	case ErrNotFound:
		return false, nil
	}
	return false, s.fail("has", r)
}

func (s source) valueSize(key []byte) (uint64, error) {
	if s.closed() {
		return 0, ErrClosed
	}
	ref := s.ref()
	maybeGC()
	n, r := cValueSize(ref, key)
	s.keep()
	if r.status != statusOK {
		return 0, s.fail("value size", r)
	}
	return n, nil
}

func (s source) edge(op string, last bool) (key, value []byte, err error) {
	if s.closed() {
		return nil, nil, ErrClosed
	}
	ref := s.ref()
	maybeGC()
	key, value, r := cEdge(ref, last)
	s.keep()
	if r.status != statusOK {
		return nil, nil, s.fail(op, r)
	}
	return key, value, nil
}

func (s source) count(opts []IterOption) (uint64, error) {
	if s.closed() {
		return 0, ErrClosed
	}
	var o iterOptions
	for i := range opts {
		opts[i].apply(&o)
	}
	ref := s.ref()
	maybeGC()
	n, r := cCount(ref, &o)
	s.keep()
	if r.status != statusOK {
		return 0, s.fail("count", r)
	}
	return n, nil
}

func (s source) len() (uint64, error) {
	if s.closed() {
		return 0, ErrClosed
	}
	ref := s.ref()
	maybeGC()
	n, r := cLen(ref)
	s.keep()
	if r.status != statusOK {
		return 0, s.fail("len", r)
	}
	return n, nil
}

// Get returns a copy of a key's value, which is the caller's to keep and to change. A value without bytes is an empty slice
// and not nil; a missing key is [ErrNotFound].
//
// Other errors are [ErrCorrupted] if the record is damaged, [ErrKeyEmpty], [ErrKeyTooLarge], [ErrClosed] and [ErrIO].
func (db *DB) Get(key []byte) ([]byte, error) { return source{db, nil}.get(key) }

// AppendTo appends a key's value to dst and returns the extended slice; on an error dst as it was. It allocates only if dst's
// capacity does not suffice. Errors are those of [DB.Get].
func (db *DB) AppendTo(dst, key []byte) ([]byte, error) { return source{db, nil}.appendTo(dst, key) }

// GetInto copies a key's value into buf and returns its length. If buf is too small, the error is [ErrBufferTooSmall], the
// length is the one that is needed, and what buf holds is unspecified. Other errors are those of [DB.Get], with a length of 0.
func (db *DB) GetInto(key, buf []byte) (int, error) { return source{db, nil}.getInto(key, buf) }

// Has tells whether a key is there. It reads no value. Errors are those of [DB.Get], without ErrNotFound.
func (db *DB) Has(key []byte) (bool, error) { return source{db, nil}.has(key) }

// ValueSize gives the length of a key's value. It reads no value, and so finds no damage in it. Errors are those of [DB.Get].
func (db *DB) ValueSize(key []byte) (uint64, error) { return source{db, nil}.valueSize(key) }

// First returns copies of the least key and its value. Its errors are [ErrNotFound] if the store is empty, [ErrCorrupted],
// [ErrClosed] and [ErrIO]. With [IndexHash] it reads all keys.
func (db *DB) First() (key, value []byte, err error) { return source{db, nil}.edge("first", false) }

// Last returns copies of the greatest key and its value. Otherwise it is as [DB.First].
func (db *DB) Last() (key, value []byte, err error) { return source{db, nil}.edge("last", true) }

// Count gives the number of keys that [DB.Range] would give with the same options. It reads no values, and takes no time without
// options. To count what begins alike use [WithPrefix]. Its errors are [ErrClosed]; with [IndexHash] also [ErrIO] and [ErrCorrupted].
func (db *DB) Count(opts ...IterOption) (uint64, error) { return source{db, nil}.count(opts) }

// Len gives the number of keys, in no time. Its error is [ErrClosed].
func (db *DB) Len() (uint64, error) { return source{db, nil}.len() }

// RandomKey returns a copy of a key at random, each with the same chance. Errors are those of [DB.First].
func (db *DB) RandomKey() ([]byte, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	key, r := cRandomKey(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail("random key", r)
	}
	return key, nil
}
