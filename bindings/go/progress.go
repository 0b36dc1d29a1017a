// How far an opening is, and stopping it.
//
// The library calls back inside of the open. What it calls must return to it: a panic or a Goexit that unwound the library's own frames would
// leave the store locked for as long as the process lives. So the caller's function runs in a goroutine of its own, and what it did beside
// returning is done again in the goroutine that opens, when the library is out of the open.

package bitcask

import (
	"context"
	"runtime"
)

// Phase is a part of an opening. A later library may know more of them.
type Phase int32

const (
	// PhaseRead: hints and data files are read into the index.
	PhaseRead Phase = 0
	// PhaseFinish: all was read; what is left is short.
	PhaseFinish Phase = 1
)

// Progress is how far an opening is.
type Progress struct {
	Phase      Phase
	BytesDone  uint64 // bytes of data files that are in the index by now
	BytesTotal uint64 // bytes of data files in all
	Records    uint64 // records read so far
}

// WithProgress has f told of the progress of an opening: when it begins, once in 8 MiB of data files, and when all was read. An error from f
// stops the opening, which then fails with [ErrCancelled] and with that error: errors.Is finds both. An opening that was stopped leaves
// nothing locked.
//
// Open waits while f runs, in a goroutine of its own. If f panics, Open panics with the same value, and as above leaves nothing
// locked. If the option is used for several openings at once, f must be fit for that.
func WithProgress(f func(Progress) error) Option {
	return func(o *options) { o.progress = f }
}

// opening is what is told of one opening's progress.
type opening struct {
	ctx      context.Context
	f        func(Progress) error // may be nil
	err      error                // why the opening was stopped
	panicked any                  // what f panicked with
	exited   bool                 // f ended its goroutine
}

// tell tells whether to go on.
func (o *opening) tell(p Progress) bool {
	if o.ctx.Err() != nil {
		o.err = contextError{o.ctx.Err(), context.Cause(o.ctx)}
		return false
	}
	if o.f == nil {
		return true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if !returned {
				o.panicked = recover()
				o.exited = o.panicked == nil
			}
		}()
		o.err = o.f(p)
		returned = true
	}()
	<-done
	return o.err == nil && o.panicked == nil && !o.exited
}

// unwind does what f did beside returning, after the open that gave db, if any.
func (o *opening) unwind(db dbRef) {
	if o.panicked == nil && !o.exited {
		return
	}
	if db != (dbRef{}) {
		closeForgotten(db)
	}
	if o.exited {
		runtime.Goexit()
	}
	panic(o.panicked)
}

// Refresh catches up with the writer in another process, if the store was opened with [WithReadOnly]: what was acknowledged there before this
// call is shown from now on, each commit whole. It tells whether anything new is shown. Iterators go on showing what they
// showed, and other goroutines may read meanwhile. With nothing new it costs a few system calls; in a store that is open for writing it does
// nothing.
//
// Its errors are [ErrCorrupted] where the log is damaged (what was shown before still is), [ErrNoStore] if the directory has no data
// files any more, [ErrIO] and [ErrClosed].
func (db *DB) Refresh() (changed bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	changed, r := cRefresh(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("refresh", r)
	}
	return changed, nil
}
