// Batches: writes that take effect together.
//
// A batch queues its operations in Go, in the form that shim.h tells, and hands them over many at a time: a batch that fits the
// queue crosses into C once, at its commit, and never has a C object. Past queueLimit the queue is emptied into a C batch, so
// that a large batch is not in memory twice. Adding a queue again after a failure is harmless: it ends in the same state.

package bitcask

import (
	"encoding/binary"
	"runtime"
	"sync"
)

const (
	queueLimit    = 64 << 10 // bytes queued before they are handed over
	directValue   = 16 << 10 // values from this size on are handed over at once, without a copy in the queue
	queueOverhead = 9        // bytes of a queued operation before its key
	queuedPut     = 0
	queuedDelete  = 1
)

// queues keeps the queues of finished batches that have grown to some size.
var queues sync.Pool

// Batch collects writes that take effect together, or not at all, after any crash; readers see all of them or none. A key that
// is written twice keeps its last write. Nothing reaches the store before Commit.
//
// A batch is for one goroutine at a time. Close one that is not committed, to free its memory at once.
type Batch struct {
	db       *DB
	queue    []byte
	ref      batchRef // the C batch, made when the queue first overflows
	cleanup  runtime.Cleanup
	finished Status // ErrBatchFinished after a commit, ErrClosed after Close
}

// NewBatch gives an empty batch.
func (db *DB) NewBatch() *Batch { return &Batch{db: db} }

// Put adds a put. Key and value are copied. Its errors are [ErrKeyEmpty], [ErrKeyTooLarge], [ErrValueTooLarge],
// [ErrBatchFinished] after a commit, and [ErrClosed].
func (b *Batch) Put(key, value []byte) error {
	if err := b.check("batch put", key); err != nil {
		return err
	}
	if err := checkValue("batch put", value); err != nil {
		return err
	}
	if len(value) >= directValue {
		if err := b.handOver("batch put"); err != nil {
			return err
		}
		r := cBatchPut(b.ref, key, value)
		runtime.KeepAlive(b)
		return b.result("batch put", r)
	}
	return b.add("batch put", queuedPut, key, value)
}

// Delete adds a delete; the key need not exist. Errors are those of [Batch.Put].
func (b *Batch) Delete(key []byte) error {
	if err := b.check("batch delete", key); err != nil {
		return err
	}
	return b.add("batch delete", queuedDelete, key, nil)
}

// Clear forgets all writes added so far, with all savepoints. (To delete all keys of the store is [Batch.DeletePrefix] of nothing.) Its errors are [ErrBatchFinished] and [ErrClosed].
func (b *Batch) Clear() error {
	if err := b.usable("batch clear"); err != nil {
		return err
	}
	b.queue = b.queue[:0]
	if b.ref == (batchRef{}) {
		return nil
	}
	maybeGC()
	r := cBatchClear(b.ref)
	runtime.KeepAlive(b)
	return b.result("batch clear", r)
}

// Len gives the number of different keys written so far, without those that ranges delete; 0 after a commit. Its error is [ErrClosed].
func (b *Batch) Len() (int, error) {
	switch {
	case b.finished == ErrClosed || b.db.closed.Load():
		return 0, ErrClosed
	case b.finished != statusOK || len(b.queue) == 0 && b.ref == (batchRef{}):
		return 0, nil
	}
	if err := b.handOver("batch len"); err != nil {
		return 0, err
	}
	n, r := cBatchLen(b.ref)
	runtime.KeepAlive(b)
	return n, b.result("batch len", r)
}

// Commit makes all writes, atomically. An empty batch writes nothing. After an error nothing was written, and the commit may
// be tried again unless the store is closed or stopped writing. Its errors are [ErrBatchFinished] the second time, and those
// of [DB.Put].
func (b *Batch) Commit(opts ...WriteOption) error {
	_, err := b.CommitSeq(opts...)
	return err
}

// CommitSeq is [Batch.Commit], and gives the commit's sequence number, for [DB.WaitDurable]; for an empty batch that of the last
// commit before.
func (b *Batch) CommitSeq(opts ...WriteOption) (seq uint64, err error) {
	if err := b.usable("batch commit"); err != nil {
		return 0, err
	}
	var r outcome
	flags := writeFlags(opts)
	maybeGC()
	if b.ref == (batchRef{}) {
		seq, r = cBatchWrite(b.db.ref, b.queue, flags)
	} else {
		seq, r = cBatchCommit(b.ref, b.queue, flags)
	}
	runtime.KeepAlive(b)
	if r.status != statusOK {
		return 0, b.db.fail("batch commit", r)
	}
	b.release(ErrBatchFinished)
	return seq, nil
}

// Close drops the batch. It does nothing after a commit, or the second time.
func (b *Batch) Close() {
	if b.finished == statusOK {
		b.release(ErrClosed)
	}
}

func (b *Batch) release(as Status) {
	b.finished = as
	if cap(b.queue) >= queueLimit/2 {
		queue := b.queue[:0]
		queues.Put(&queue)
	}
	b.queue = nil
	if b.ref != (batchRef{}) {
		b.cleanup.Stop()
		cBatchFree(b.ref)
		b.ref = batchRef{}
	}
	runtime.KeepAlive(b)
}

// usable tells whether the batch still takes calls.
func (b *Batch) usable(op string) error {
	switch {
	case b.finished == ErrClosed || b.db.closed.Load():
		return ErrClosed
	case b.finished != statusOK:
		return &Error{Status: b.finished, Op: op, Offset: -1}
	}
	return nil
}

func (b *Batch) check(op string, key []byte) error {
	if err := b.usable(op); err != nil {
		return err
	}
	return checkKey(op, key)
}

// add queues an operation, and makes room first if the queue is full.
func (b *Batch) add(op string, kind byte, key, value []byte) error {
	if len(b.queue)+queueOverhead+len(key)+len(value) > queueLimit {
		if err := b.handOver(op); err != nil {
			return err
		}
	}
	if b.queue == nil {
		if queue, ok := queues.Get().(*[]byte); ok {
			b.queue = *queue
		}
	}
	b.queue = append(b.queue, kind)
	b.queue = binary.NativeEndian.AppendUint32(b.queue, uint32(len(key)))
	b.queue = binary.NativeEndian.AppendUint32(b.queue, uint32(len(value)))
	b.queue = append(b.queue, key...)
	b.queue = append(b.queue, value...)
	return nil
}

// handOver empties the queue into the C batch, which it makes if there is none yet.
func (b *Batch) handOver(op string) error {
	if b.ref == (batchRef{}) {
		maybeGC()
		ref, r := cBatchNew(b.db.ref)
		runtime.KeepAlive(b)
		if r.status != statusOK {
			return b.db.fail(op, r)
		}
		b.ref = ref
		b.cleanup = runtime.AddCleanup(b, cBatchFree, ref)
	}
	maybeGC()
	r := cBatchAdd(b.ref, b.queue)
	runtime.KeepAlive(b)
	if r.status != statusOK {
		return b.db.fail(op, r)
	}
	b.queue = b.queue[:0]
	return nil
}

func (b *Batch) result(op string, r outcome) error {
	if r.status != statusOK {
		return b.db.fail(op, r)
	}
	return nil
}
