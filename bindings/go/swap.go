// Changes of a single key that depend on what it was, atomic whoever else writes.

package bitcask

import "runtime"

// CompareAndSwap replaces a key's value if it is what is expected, and tells whether it was. For both nil means "not there", which is not
// the same as an empty value: expected nil stores if the key is missing, replacement nil removes it. The new value has no expiry, unless with
// [KeepExpiry]. Errors are those of [DB.Put] and, but for
// ErrNotFound, of [DB.Get].
func (db *DB) CompareAndSwap(key, expected, replacement []byte, opts ...WriteOption) (swapped bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	swapped, r := cCompareAndSwap(ref, key, expected, replacement, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("compare and swap", r)
	}
	return swapped, nil
}

// PutIfAbsent stores a value if the key is not there, and tells whether it did. A nil value is an empty one. Errors are those of
// [DB.CompareAndSwap].
func (db *DB) PutIfAbsent(key, value []byte, opts ...WriteOption) (stored bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	stored, r := cPutIfAbsent(ref, key, value, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("put if absent", r)
	}
	return stored, nil
}

// FetchAdd adds to a counter and gives what it was before. A counter is a value of 8 bytes: a signed number in little-endian order, the same
// in all languages. A key that is not there counts as 0.
//
// The error is [ErrInvalidArgument] if the value has not 8 bytes or the sum is beyond 64 bits; then nothing is changed. Others are
// those of [DB.CompareAndSwap].
func (db *DB) FetchAdd(key []byte, delta int64, opts ...WriteOption) (before int64, err error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	before, r := cFetchAdd(ref, key, delta, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("fetch add", r)
	}
	return before, nil
}
