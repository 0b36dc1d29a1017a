// What is on stable storage: sequence numbers, and waiting for them.
//
// The library also commits without waiting and calls back. Go has no need of that: a goroutine that waits is what a callback is elsewhere.

package bitcask

import (
	"context"
	"runtime"
	"strconv"
)

// PutSeq is [DB.Put], and gives the commit's sequence number, for [DB.WaitDurable].
func (db *DB) PutSeq(key, value []byte, opts ...WriteOption) (seq uint64, err error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	seq, r := cPutSeq(ref, key, value, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("put", r)
	}
	return seq, nil
}

// DeleteSeq is [DB.Delete], and gives the commit's sequence number, for [DB.WaitDurable]. If the key was not there nothing is written, and
// the number is that of the last commit before, on which that rests.
func (db *DB) DeleteSeq(key []byte, opts ...WriteOption) (existed bool, seq uint64, err error) {
	if db.closed.Load() {
		return false, 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	existed, seq, r := cDeleteSeq(ref, key, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, 0, db.fail("delete", r)
	}
	return existed, seq, nil
}

// LastSeq gives the sequence number of the last commit that readers see; 0 if there was none yet. Its error is [ErrClosed].
func (db *DB) LastSeq() (uint64, error) { return db.seq("last seq", cLastSeq) }

// DurableSeq gives the sequence number up to which all commits are on stable storage, whatever the store's durability. It is never above
// [DB.LastSeq], never falls, and causes no I/O. Its errors are [ErrClosed] and, because what a writer in another process has synced is
// not known, [ErrReadOnly].
func (db *DB) DurableSeq() (uint64, error) { return db.seq("durable seq", cDurableSeq) }

func (db *DB) seq(op string, call func(dbRef) (uint64, outcome)) (uint64, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	seq, r := call(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail(op, r)
	}
	return seq, nil
}

// WaitDurable waits until a commit, and all before it, is on stable storage, and syncs if nobody does: so one can write without [Sync], go
// on, and wait later. Goroutines that wait share syncs, and writers go on meanwhile.
//
// If ctx is done first, the error is [ErrCancelled] and ctx's own: errors.Is finds both. The sync goes on then; a thread is held until it
// ends. Other errors are [ErrInvalidArgument] for a number that no commit has yet, [ErrWritesStopped] if the sync failed, or one before it,
// [ErrReadOnly] and [ErrClosed].
func (db *DB) WaitDurable(ctx context.Context, seq uint64) error {
	durable, err := db.DurableSeq()
	switch {
	case err != nil:
		return err
	case seq <= durable:
		return nil
	case ctx.Err() != nil:
		if last, err := db.LastSeq(); err == nil && seq > last {
			return invalidArgument("wait durable", "no commit has the number "+strconv.FormatUint(seq, 10)+" yet")
		}
		return cancelled("wait durable", ctx)
	case ctx.Done() == nil:
		return db.waitDurable(seq)
	}
	done := make(chan error, 1)
	go func() { done <- db.waitDurable(seq) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return cancelled("wait durable", ctx)
	}
}

func (db *DB) waitDurable(seq uint64) error {
	ref := db.ref
	maybeGC()
	r := cWaitDurable(ref, seq)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return db.fail("wait durable", r)
	}
	return nil
}
