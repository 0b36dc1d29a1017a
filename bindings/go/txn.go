// Optimistic transactions.

package bitcask

import "runtime"

// Txn is a transaction: it reads the store as it was at its beginning, with its own writes laid over, and its commit makes the writes if nothing
// that it has read has changed meanwhile. Committed transactions are serializable: they have the effect of being made one after the other,
// in the order of their sequence numbers. Keys that were only written are not read. Nobody waits for a transaction.
//
// A transaction is for one goroutine at a time. Usually [DB.Update] begins, commits and repeats it; close one that [DB.Begin] gave.
type Txn struct {
	db       *DB
	ref      txnRef
	cleanup  runtime.Cleanup
	finished Status // ErrTransactionFinished after a commit, a conflict or a rollback, ErrClosed after Close
	conflict bool   // the commit met one
	managed  bool   // Update's function has it
}

// Savepoint is a place in a batch or transaction to roll back to, of use in the one that gave it.
type Savepoint struct{ n uint64 }

// Begin begins a transaction, which reads the store as it is now. Its errors are [ErrClosed] and, of its commit, [ErrReadOnly].
func (db *DB) Begin() (*Txn, error) {
	t, err := db.begin()
	if err == nil {
		t.cleanup = runtime.AddCleanup(t, cTxnFree, t.ref)
	}
	return t, err
}

// Update calls f with a transaction and commits it; if that meets a conflict, from the beginning again, with a new transaction, until it
// does not. So f should have no effects but on the transaction. If f returns an error nothing is written, and Update returns that
// error: with one f can also give up, say when a context is done. Otherwise errors are those of [Txn.Commit], without ErrConflict.
//
// Of transactions that conflict one always gets through. One that reads much beside many writers may be repeated for long.
func (db *DB) Update(f func(*Txn) error, opts ...WriteOption) error {
	for {
		if again, err := db.attempt(f, opts); !again {
			return err
		}
		runtime.Gosched()
	}
}

// attempt tells whether there was a conflict.
func (db *DB) attempt(f func(*Txn) error, opts []WriteOption) (conflict bool, err error) {
	t, err := db.begin()
	if err != nil {
		return false, err
	}
	defer t.Close() // also if f panics
	t.managed = true
	if err := f(t); err != nil {
		return false, err
	}
	t.managed = false
	err = t.Commit(opts...)
	return t.conflict, err
}

// begin begins one that nobody frees but its Close.
func (db *DB) begin() (*Txn, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	txn, r := cTxnNew(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail("begin", r)
	}
	return &Txn{db: db, ref: txn}, nil
}

// Seq gives the sequence number of the last commit that the transaction sees. Its errors are [ErrTransactionFinished] and [ErrClosed].
func (t *Txn) Seq() (uint64, error) {
	if err := t.usable("txn seq"); err != nil {
		return 0, err
	}
	maybeGC()
	seq, r := cTxnSeq(t.ref)
	return seq, t.result("txn seq", r)
}

// Get returns a copy of a key's value, as [DB.Get]: what the transaction wrote, or else what the store had at its beginning, which the commit
// then rests on. Errors are those of [DB.Get] and [ErrTransactionFinished].
func (t *Txn) Get(key []byte) ([]byte, error) { return t.get(key, false) }

// GetForUpdate is [Txn.Get], and the commit rests on the key in any case, also where the transaction wrote it before without having read it.
func (t *Txn) GetForUpdate(key []byte) ([]byte, error) { return t.get(key, true) }

func (t *Txn) get(key []byte, forUpdate bool) ([]byte, error) {
	if err := t.usable("txn get"); err != nil {
		return nil, err
	}
	ref := t.ref.read()
	maybeGC()
	value, r := cPendingGet(ref, key, forUpdate)
	return value, t.result("txn get", r)
}

// Has tells whether a key is there, as [Txn.Get] but without reading a value.
func (t *Txn) Has(key []byte) (bool, error) {
	if err := t.usable("txn has"); err != nil {
		return false, err
	}
	ref := t.ref.read()
	maybeGC()
	r := cContains(ref, key)
	if r.status == ErrNotFound {
		runtime.KeepAlive(t)
		return false, nil
	}
	err := t.result("txn has", r)
	return err == nil, err
}

// All is [Txn.Range] over all keys.
func (t *Txn) All(opts ...IterOption) *Iterator { return t.iterate(iterOptions{}, opts) }

// Prefix is [Txn.Range] over the keys that begin with prefix.
func (t *Txn) Prefix(prefix []byte, opts ...IterOption) *Iterator {
	return t.iterate(iterOptions{prefix: prefix, set: iterPrefix}, opts)
}

// Range is as [DB.Range], over what the transaction sees now; later writes change nothing of the iterator. The commit rests on what was read
// for it, and on there being no other keys between: an iterator reads up to 64 records ahead, within its range and [Limit].
func (t *Txn) Range(opts ...IterOption) *Iterator { return t.iterate(iterOptions{}, opts) }

func (t *Txn) iterate(o iterOptions, opts []IterOption) *Iterator {
	if err := t.usable("iterate"); err != nil {
		return failedIterator(t.db, err)
	}
	it := t.db.iterate(t.ref.read(), o, opts)
	it.longest = longestTxnPage
	runtime.KeepAlive(t)
	return it
}

// Put adds a put. Key and value are copied. Its errors are [ErrKeyEmpty], [ErrKeyTooLarge], [ErrValueTooLarge], [ErrTransactionFinished] and
// [ErrClosed].
func (t *Txn) Put(key, value []byte) error {
	if err := t.usable("txn put"); err != nil {
		return err
	}
	ref := t.ref
	maybeGC()
	return t.result("txn put", cTxnPut(ref, key, value))
}

// Delete adds a delete; the key need not exist, and is not read by this. Errors are those of [Txn.Put].
func (t *Txn) Delete(key []byte) error {
	if err := t.usable("txn delete"); err != nil {
		return err
	}
	ref := t.ref
	maybeGC()
	return t.result("txn delete", cTxnDelete(ref, key))
}

// DeleteRange deletes all keys from start on and before end, as [Batch.DeleteRange]. Errors are those of [Txn.Put].
func (t *Txn) DeleteRange(start, end []byte) error {
	if err := t.usable("txn delete range"); err != nil {
		return err
	}
	ref := t.ref.read()
	maybeGC()
	return t.result("txn delete range", cDeleteRange(ref, start, end))
}

// DeletePrefix deletes all keys that begin with prefix, as [Batch.DeletePrefix]. Errors are those of [Txn.Put].
func (t *Txn) DeletePrefix(prefix []byte) error {
	if err := t.usable("txn delete prefix"); err != nil {
		return err
	}
	ref := t.ref.read()
	maybeGC()
	return t.result("txn delete prefix", cDeletePrefix(ref, prefix))
}

// Savepoint marks the present state of the writes, to roll back to. Errors are those of [Txn.Put].
func (t *Txn) Savepoint() (Savepoint, error) {
	if err := t.usable("savepoint"); err != nil {
		return Savepoint{}, err
	}
	ref := t.ref.read()
	maybeGC()
	savepoint, r := cSavepoint(ref)
	return savepoint, t.result("savepoint", r)
}

// RollbackTo takes back all writes since a savepoint. It can be rolled back to again; later ones are gone. The error is
// [ErrInvalidArgument] if there is no such savepoint (any more); others are those of [Txn.Put].
func (t *Txn) RollbackTo(savepoint Savepoint) error {
	if err := t.usable("rollback"); err != nil {
		return err
	}
	ref := t.ref.read()
	maybeGC()
	return t.result("rollback", cRollbackTo(ref, savepoint))
}

// Release forgets a savepoint and later ones, and keeps all writes. Errors are those of [Txn.RollbackTo].
func (t *Txn) Release(savepoint Savepoint) error {
	if err := t.usable("release"); err != nil {
		return err
	}
	ref := t.ref.read()
	maybeGC()
	return t.result("release", cRelease(ref, savepoint))
}

// Len gives the number of different keys written so far, without those that ranges delete; 0 when the transaction is over. Its error is [ErrClosed].
func (t *Txn) Len() (int, error) {
	if t.finished == ErrTransactionFinished && !t.db.closed.Load() {
		return 0, nil
	}
	if err := t.usable("txn len"); err != nil {
		return 0, err
	}
	maybeGC()
	n, r := cTxnLen(t.ref)
	return n, t.result("txn len", r)
}

// Commit makes all writes, atomically, if nothing that was read has changed. The transaction is over then. It is over also after [ErrConflict], and
// nothing was written: begin a new one. After other errors nothing was written either, and the commit may be tried again unless the store is
// closed or stopped writing: those are [ErrTransactionFinished] the second time, and those of [DB.Put]. Within [DB.Update], which commits by
// itself, it is [ErrInvalidArgument].
func (t *Txn) Commit(opts ...WriteOption) error {
	_, err := t.CommitSeq(opts...)
	return err
}

// CommitSeq is [Txn.Commit], and gives the commit's sequence number, for [DB.WaitDurable]; if nothing was written that of the last commit that it
// rests on.
func (t *Txn) CommitSeq(opts ...WriteOption) (seq uint64, err error) {
	const op = "txn commit"
	if err := t.usable(op); err != nil {
		return 0, err
	}
	if t.managed {
		return 0, invalidArgument(op, "Update commits the transaction by itself")
	}
	ref, flags := t.ref, writeFlags(opts)
	maybeGC()
	seq, r := cTxnCommit(ref, flags)
	t.conflict = r.status == ErrConflict
	if t.conflict || r.status == statusOK {
		t.release(ErrTransactionFinished)
	}
	return seq, t.result(op, r)
}

// Rollback discards everything, and the transaction is over; also when the store is closed. Its errors are [ErrTransactionFinished] if it was over,
// [ErrClosed] after [Txn.Close], and [ErrInvalidArgument] within [DB.Update], which an error from its function ends.
func (t *Txn) Rollback() error {
	const op = "txn rollback"
	if err := t.unfinished(op); err != nil {
		return err
	}
	if t.managed {
		return invalidArgument(op, "return an error from the function that Update calls")
	}
	t.release(ErrTransactionFinished)
	return nil
}

// Close discards a transaction that is not over. It does nothing after a commit, a conflict or a rollback, or the second time.
func (t *Txn) Close() {
	if t.finished == statusOK {
		t.release(ErrClosed)
	}
}

func (t *Txn) release(as Status) {
	t.finished = as
	t.cleanup.Stop()
	cTxnFree(t.ref)
	runtime.KeepAlive(t)
}

func (t *Txn) usable(op string) error {
	if t.db.closed.Load() {
		return ErrClosed
	}
	return t.unfinished(op)
}

// unfinished is usable, whether the store is closed or not.
func (t *Txn) unfinished(op string) error {
	switch t.finished {
	case statusOK:
		return nil
	case ErrClosed:
		return ErrClosed
	}
	return &Error{Status: t.finished, Op: op, Offset: -1}
}

// result ends a call on the transaction's handle.
func (t *Txn) result(op string, r outcome) error {
	runtime.KeepAlive(t)
	if r.status != statusOK {
		return t.db.fail(op, r)
	}
	return nil
}
