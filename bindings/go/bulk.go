// Bulk loads: any number of pairs at once, written to the log as they come.

package bitcask

import "runtime"

// BulkOption changes one bulk load: [Sync] or [InPieces].
type BulkOption interface{ applyBulk(flags *uint32) }

func (o WriteOption) applyBulk(flags *uint32) { *flags |= o.flags }

type bulkFlag uint32

func (f bulkFlag) applyBulk(flags *uint32) { *flags |= uint32(f) }

// InPieces makes a bulk load that need not be atomic: it becomes visible in commits of about a MiB each as it goes.
func InPieces() BulkOption { return bulkFlag(2) }

// BulkLoader is a bulk load under way, which [DB.BulkLoad] begins. It is for one goroutine at a time. Close it in any case: one that was not
// finished is abandoned, and what it wrote is removed.
type BulkLoader struct {
	db       *DB
	ref      bulkRef
	cleanup  runtime.Cleanup
	finished Status // ErrBatchFinished after Finish, ErrClosed after Close
}

// BulkLoad begins to load many pairs: faster than a batch, and in the memory of their keys only, whatever their values take.
//
//	load, err := db.BulkLoad()
//	if err != nil {
//		return err
//	}
//	defer load.Close()
//	for … {
//		if err := load.Put(key, value); err != nil {
//			return err
//		}
//	}
//	return load.Finish()
//
// Pairs may come in any order; ascending keys are the fastest. A key that comes twice keeps its last value. The load is atomic, unless
// [InPieces] is given: readers, and whoever opens the store after a crash, see all of it or nothing. Others read and write meanwhile, and
// several loads may be under way at once; an atomic load stands behind all that was committed before its Finish. With [Sync] Finish
// returns when all is on stable storage, whatever the store's durability.
//
// Its errors are [ErrReadOnly] and [ErrClosed].
func (db *DB) BulkLoad(opts ...BulkOption) (*BulkLoader, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	var flags uint32
	for _, opt := range opts {
		opt.applyBulk(&flags)
	}
	ref := db.ref
	maybeGC()
	bulk, r := cBulkNew(ref, flags)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail("bulk load", r)
	}
	l := &BulkLoader{db: db, ref: bulk}
	l.cleanup = runtime.AddCleanup(l, abandonForgotten, bulk)
	return l, nil
}

// abandonForgotten is the backstop for a missing Close. It removes files, so it leaves the runtime's own goroutine.
func abandonForgotten(ref bulkRef) { go cBulkFree(ref) }

// Put adds a pair. Key and value are copied. After [ErrIO], [ErrDiskFull] or [ErrWritesStopped] the load is abandoned, and each further call
// gives the same error. Others are [ErrKeyEmpty], [ErrKeyTooLarge], [ErrValueTooLarge], [ErrBatchFinished] after Finish, and
// [ErrClosed].
func (l *BulkLoader) Put(key, value []byte) error {
	if err := l.usable("bulk put"); err != nil {
		return err
	}
	ref := l.ref
	maybeGC()
	r := cBulkPut(ref, key, value)
	runtime.KeepAlive(l)
	if r.status != statusOK {
		return l.db.fail("bulk put", r)
	}
	return nil
}

// Finish makes all pairs visible; an atomic load at once. The load is over then, whatever comes of it; after an error an atomic one did not
// happen. Errors are those of [BulkLoader.Put].
func (l *BulkLoader) Finish() error {
	if err := l.usable("bulk finish"); err != nil {
		return err
	}
	ref := l.ref
	maybeGC()
	r := cBulkFinish(ref)
	runtime.KeepAlive(l)
	l.release(ErrBatchFinished)
	if r.status != statusOK {
		return l.db.fail("bulk finish", r)
	}
	return nil
}

// Close abandons a load that was not finished, and removes what it wrote; what one in pieces has committed stays. It does nothing after
// Finish, or the second time.
func (l *BulkLoader) Close() {
	if l.finished == statusOK {
		l.release(ErrClosed)
	}
}

func (l *BulkLoader) release(as Status) {
	l.finished = as
	l.cleanup.Stop()
	cBulkFree(l.ref)
	runtime.KeepAlive(l)
}

func (l *BulkLoader) usable(op string) error {
	switch {
	case l.finished == ErrBatchFinished:
		return &Error{Status: ErrBatchFinished, Op: op, Offset: -1}
	case l.finished != statusOK || l.db.closed.Load():
		return ErrClosed
	}
	return nil
}
