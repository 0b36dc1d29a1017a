// What a batch can do besides collecting puts and deletes of single keys: ranges, reading what it would leave, savepoints.
//
// All of it is the library's: what is queued is handed over first.

package bitcask

import "runtime"

// DeleteRange deletes all keys from start on and before end: those that the batch has put so far, and those that are in the store when it is
// committed. Keys that it puts afterwards stay. A nil start begins at the first key, a nil end goes up to the last; an empty end that is not nil
// is a bound with no key before it. The commit finds the keys and deletes them one by one, which takes memory for all of them for a moment; with
// [IndexHash] it reads all keys of the store for it. Errors are [ErrBatchFinished] and [ErrClosed].
func (b *Batch) DeleteRange(start, end []byte) error {
	const op = "batch delete range"
	if err := b.ready(op); err != nil {
		return err
	}
	r := cDeleteRange(b.ref.read(), start, end)
	runtime.KeepAlive(b)
	return b.result(op, r)
}

// DeletePrefix deletes all keys that begin with prefix, as [Batch.DeleteRange]. An empty prefix: all keys of the store.
func (b *Batch) DeletePrefix(prefix []byte) error {
	const op = "batch delete prefix"
	if err := b.ready(op); err != nil {
		return err
	}
	r := cDeletePrefix(b.ref.read(), prefix)
	runtime.KeepAlive(b)
	return b.result(op, r)
}

// Get returns a copy of the value that a key would have if the batch were committed now: the batch's own write, else what the store has.
// Errors are those of [DB.Get] and [ErrBatchFinished].
func (b *Batch) Get(key []byte) ([]byte, error) {
	const op = "batch get"
	if err := b.ready(op); err != nil {
		return nil, err
	}
	value, r := cPendingGet(b.ref.read(), key, false)
	runtime.KeepAlive(b)
	return value, b.result(op, r)
}

// All is [Batch.Range] over all keys.
func (b *Batch) All(opts ...IterOption) *Iterator { return b.iterate(iterOptions{}, opts) }

// Prefix is [Batch.Range] over the keys that begin with prefix.
func (b *Batch) Prefix(prefix []byte, opts ...IterOption) *Iterator {
	return b.iterate(iterOptions{prefix: prefix, set: iterPrefix}, opts)
}

// Range is as [DB.Range], over what the store would be if the batch were committed now; later writes change nothing of the iterator. Its Err may
// also be [ErrBatchFinished].
func (b *Batch) Range(opts ...IterOption) *Iterator { return b.iterate(iterOptions{}, opts) }

func (b *Batch) iterate(o iterOptions, opts []IterOption) *Iterator {
	if err := b.ready("iterate"); err != nil {
		return failedIterator(b.db, err)
	}
	it := b.db.iterate(b.ref.read(), o, opts)
	runtime.KeepAlive(b)
	return it
}

// ByteLen gives the bytes of all keys and values written so far; 0 after a commit. Its error is [ErrClosed].
func (b *Batch) ByteLen() (uint64, error) {
	if b.finished == ErrBatchFinished && !b.db.closed.Load() {
		return 0, nil
	}
	const op = "batch byte len"
	if err := b.ready(op); err != nil {
		return 0, err
	}
	n, r := cBatchByteLen(b.ref)
	runtime.KeepAlive(b)
	return n, b.result(op, r)
}

// Savepoint marks the present state of the writes, to roll back to. [Batch.Clear] forgets all savepoints. Errors are those of
// [Batch.DeleteRange].
func (b *Batch) Savepoint() (Savepoint, error) {
	const op = "savepoint"
	if err := b.ready(op); err != nil {
		return Savepoint{}, err
	}
	savepoint, r := cSavepoint(b.ref.read())
	runtime.KeepAlive(b)
	return savepoint, b.result(op, r)
}

// RollbackTo takes back all writes since a savepoint. It can be rolled back to again; later ones are gone. The error is
// [ErrInvalidArgument] if there is no such savepoint (any more); others are those of [Batch.DeleteRange].
func (b *Batch) RollbackTo(savepoint Savepoint) error {
	const op = "rollback"
	if err := b.ready(op); err != nil {
		return err
	}
	r := cRollbackTo(b.ref.read(), savepoint)
	runtime.KeepAlive(b)
	return b.result(op, r)
}

// Release forgets a savepoint and later ones, and keeps all writes. Errors are those of [Batch.RollbackTo].
func (b *Batch) Release(savepoint Savepoint) error {
	const op = "release"
	if err := b.ready(op); err != nil {
		return err
	}
	r := cRelease(b.ref.read(), savepoint)
	runtime.KeepAlive(b)
	return b.result(op, r)
}

// ready tells whether the batch takes calls, and hands over what is queued.
func (b *Batch) ready(op string) error {
	if err := b.usable(op); err != nil {
		return err
	}
	return b.handOver(op)
}
