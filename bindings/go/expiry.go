// Keys that expire: by a time to live of their own, or by the age of their records.
//
// What has expired is absent for every call at once, and never uncovers an older value. Snapshots, iterators and transactions go by the time at which
// they began. Times are those of the system's clock: if it jumps, that changes what has expired, and nothing else.

package bitcask

import (
	"math"
	"runtime"
	"time"
)

// NoExpiry is what [DB.TTL] says of a key that does not expire.
const NoExpiry time.Duration = -1

// WithExpiry has records count as absent so long after they were written, unless they have an expiry of their own. Nothing of it is stored: it holds
// for this opening, for all that the store has. Default: 0, which is none.
func WithExpiry(age time.Duration) Option {
	return func(o *options) {
		if age < 0 {
			o.invalid = "the expiry is negative"
			return
		}
		o.set |= setExpiry
		o.expiry = ttlMilliseconds(age)
	}
}

// ttlMilliseconds rounds up; a time that is over already is no time.
func ttlMilliseconds(ttl time.Duration) uint64 {
	if ttl <= 0 {
		return 0
	}
	return uint64((ttl-1)/time.Millisecond) + 1
}

// asTTL turns what the library says into a duration. One that is too long for it is the longest there is.
func asTTL(milliseconds uint64) time.Duration {
	switch {
	case milliseconds == noExpiry:
		return NoExpiry
	case milliseconds > math.MaxInt64/uint64(time.Millisecond):
		return math.MaxInt64
	}
	return time.Duration(milliseconds) * time.Millisecond
}

// PutWithTTL is [DB.Put]; the key counts as absent after so much time from now on, of which a part of a millisecond counts as one. A ttl of 0 or less is a
// delete. A later Put has no expiry; [DB.FetchAdd] keeps it.
func (db *DB) PutWithTTL(key, value []byte, ttl time.Duration, opts ...WriteOption) error {
	if db.closed.Load() {
		return ErrClosed
	}
	ref := db.ref
	maybeGC()
	r := cPutTTL(ref, key, value, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return db.fail("put with ttl", r)
	}
	return nil
}

// PutIfAbsentWithTTL is [DB.PutIfAbsent] with a ttl as in [DB.PutWithTTL]: so a lock that nobody keeps for ever.
func (db *DB) PutIfAbsentWithTTL(key, value []byte, ttl time.Duration, opts ...WriteOption) (stored bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	stored, r := cPutIfAbsentTTL(ref, key, value, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("put if absent with ttl", r)
	}
	return stored, nil
}

// PutSeqWithTTL is [DB.PutSeq] with a ttl as in [DB.PutWithTTL].
func (db *DB) PutSeqWithTTL(key, value []byte, ttl time.Duration, opts ...WriteOption) (seq uint64, err error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	seq, r := cPutSeqTTL(ref, key, value, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("put with ttl", r)
	}
	return seq, nil
}

// CompareAndSwapWithTTL is [DB.CompareAndSwap] to a new value (nil is an empty one) with a ttl as in [DB.PutWithTTL]: so a lock is prolonged by who
// holds it.
func (db *DB) CompareAndSwapWithTTL(key, expected, replacement []byte, ttl time.Duration, opts ...WriteOption) (swapped bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	swapped, r := cCompareAndSwapTTL(ref, key, expected, replacement, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("compare and swap with ttl", r)
	}
	return swapped, nil
}

// FetchAddWithTTL is [DB.FetchAdd]; the counter has a ttl as in [DB.PutWithTTL] from now on, in place of its expiry.
func (db *DB) FetchAddWithTTL(key []byte, delta int64, ttl time.Duration, opts ...WriteOption) (before int64, err error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	before, r := cFetchAddTTL(ref, key, delta, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("fetch add with ttl", r)
	}
	return before, nil
}

// Expire has a key expire so much time from now on, in place of when it would have, and tells whether it is there. With a ttl of 0 or less it is deleted.
// The record is written anew, with its value. Errors are those of [DB.CompareAndSwap].
func (db *DB) Expire(key []byte, ttl time.Duration, opts ...WriteOption) (found bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	found, r := cExpire(ref, key, ttlMilliseconds(ttl), writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("expire", r)
	}
	return found, nil
}

// Persist takes away a key's own expiry, and tells whether it had one. Errors are those of [DB.CompareAndSwap].
func (db *DB) Persist(key []byte, opts ...WriteOption) (had bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	had, r := cPersist(ref, key, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("persist", r)
	}
	return had, nil
}

// TTL tells how long a key is left, in whole milliseconds, by its own expiry or [WithExpiry]; [NoExpiry] if it does not expire, [ErrNotFound] if there
// is no such key. It reads no value. Errors are those of [DB.Get].
func (db *DB) TTL(key []byte) (time.Duration, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref.read()
	maybeGC()
	ms, r := cTTL(ref, key)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("ttl", r)
	}
	return asTTL(ms), nil
}

// SweepExpired deletes what has expired by now, and tells how many keys that were. Nothing needs it but [DB.Len], which counts what has expired until it
// is swept, and the disk: a merge can give back only what is deleted, and begins with a sweep of its own. Writes go on beside it, and a
// key that is written meanwhile stays. Errors are those of [DB.Delete]; what was swept until then stays so.
func (db *DB) SweepExpired() (keys uint64, err error) { return db.seq("sweep expired", cSweepExpired) }

// PutWithTTL is [Batch.Put] with a ttl as in [DB.PutWithTTL], which counts from this call on.
func (b *Batch) PutWithTTL(key, value []byte, ttl time.Duration) error {
	const op = "batch put with ttl"
	if err := b.ready(op); err != nil {
		return err
	}
	r := cPendingPutTTL(b.ref.read(), key, value, ttlMilliseconds(ttl))
	runtime.KeepAlive(b)
	return b.result(op, r)
}

// Expire puts the value that a key has now, in the batch or else in the store, once more, to expire so much time from this call on, and tells whether
// the key is there. With a ttl of 0 or less it is deleted. What others write until the commit is overwritten: a [Txn] would notice.
func (b *Batch) Expire(key []byte, ttl time.Duration) (found bool, err error) {
	const op = "batch expire"
	if err := b.ready(op); err != nil {
		return false, err
	}
	found, r := cPendingExpire(b.ref.read(), key, ttlMilliseconds(ttl))
	runtime.KeepAlive(b)
	return found, b.result(op, r)
}

// Persist puts the value that a key has now once more, without an expiry of its own, and tells whether it had one. As [Batch.Expire].
func (b *Batch) Persist(key []byte) (had bool, err error) {
	const op = "batch persist"
	if err := b.ready(op); err != nil {
		return false, err
	}
	had, r := cPendingPersist(b.ref.read(), key)
	runtime.KeepAlive(b)
	return had, b.result(op, r)
}

// TTL is [DB.TTL] of what the store would be if the batch were committed now.
func (b *Batch) TTL(key []byte) (time.Duration, error) {
	const op = "batch ttl"
	if err := b.ready(op); err != nil {
		return 0, err
	}
	ms, r := cTTL(b.ref.read(), key)
	runtime.KeepAlive(b)
	if err := b.result(op, r); err != nil {
		return 0, err
	}
	return asTTL(ms), nil
}

// PutWithTTL is [Txn.Put] with a ttl as in [DB.PutWithTTL], which counts from this call on. The transaction's own reads go by the time at which it began.
func (t *Txn) PutWithTTL(key, value []byte, ttl time.Duration) error {
	if err := t.usable("txn put with ttl"); err != nil {
		return err
	}
	ref := t.ref.read()
	maybeGC()
	return t.result("txn put with ttl", cPendingPutTTL(ref, key, value, ttlMilliseconds(ttl)))
}

// Expire reads a key as [Txn.GetForUpdate] does and puts it once more, to expire so much time from this call on. It tells whether the key is there. With a
// ttl of 0 or less it is deleted.
func (t *Txn) Expire(key []byte, ttl time.Duration) (found bool, err error) {
	if err := t.usable("txn expire"); err != nil {
		return false, err
	}
	ref := t.ref.read()
	maybeGC()
	found, r := cPendingExpire(ref, key, ttlMilliseconds(ttl))
	return found, t.result("txn expire", r)
}

// Persist reads a key as [Txn.GetForUpdate] does and takes away its own expiry. It tells whether it had one.
func (t *Txn) Persist(key []byte) (had bool, err error) {
	if err := t.usable("txn persist"); err != nil {
		return false, err
	}
	ref := t.ref.read()
	maybeGC()
	had, r := cPendingPersist(ref, key)
	return had, t.result("txn persist", r)
}

// TTL is [DB.TTL] from the time on at which the transaction began. It reads the key as [Txn.Get] does.
func (t *Txn) TTL(key []byte) (time.Duration, error) {
	if err := t.usable("txn ttl"); err != nil {
		return 0, err
	}
	ref := t.ref.read()
	maybeGC()
	ms, r := cTTL(ref, key)
	if err := t.result("txn ttl", r); err != nil {
		return 0, err
	}
	return asTTL(ms), nil
}

// PutWithTTL is [BulkLoader.Put] with a ttl as in [DB.PutWithTTL], which counts from this call on. A ttl of 0 or less is [ErrInvalidArgument], after which
// the load goes on without the pair.
func (l *BulkLoader) PutWithTTL(key, value []byte, ttl time.Duration) error {
	if err := l.usable("bulk put with ttl"); err != nil {
		return err
	}
	ref := l.ref
	maybeGC()
	r := cBulkPutTTL(ref, key, value, ttlMilliseconds(ttl))
	runtime.KeepAlive(l)
	if r.status != statusOK {
		return l.db.fail("bulk put with ttl", r)
	}
	return nil
}
