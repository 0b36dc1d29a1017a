// How far an opening is, and stopping it; and the way of any progress to the function that is told of it.
//
// The library calls back inside of the open, or of the merge. What it calls must return to it: a panic or a Goexit that unwound the library's own
// frames would leave the store locked for as long as the process lives. So the caller's function runs in a goroutine of its own, and what it did
// beside returning is done again in the goroutine that called, when the library is out of the call.

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

// teller is what is told of one call's progress.
type teller[P any] struct {
	ctx  context.Context
	f    func(P) error   // may be nil
	stop <-chan struct{} // ends the wait for f; may be nil

	told
	stopped bool // f was not waited for
}

// opening is what is told of one opening's progress.
type opening = teller[Progress]

// told is what the function that was told did.
type told struct {
	err      error // why the call was stopped
	panicked any   // what f panicked with
	exited   bool  // f ended its goroutine
}

// tell tells whether to go on.
func (t *teller[P]) tell(p P) bool {
	if t.ctx.Err() != nil {
		t.err = contextError{t.ctx.Err(), context.Cause(t.ctx)}
		return false
	}
	if t.f == nil {
		return true
	}
	done := make(chan told, 1)
	go func() {
		var did told
		returned := false
		defer func() {
			if !returned {
				did.panicked = recover()
				did.exited = did.panicked == nil
			}
			done <- did
		}()
		did.err = t.f(p)
		returned = true
	}()
	select {
	case t.told = <-done:
	case <-t.stop:
		t.stopped = true
		return false
	}
	return t.err == nil && !t.unwinds()
}

func (t *teller[P]) unwinds() bool { return t.panicked != nil || t.exited }

// unwind does what f did beside returning, after the call.
func (t *teller[P]) unwind() {
	if t.exited {
		runtime.Goexit()
	}
	if t.panicked != nil {
		panic(t.panicked)
	}
}

// Refreshed is what [DB.Refresh] came to.
type Refreshed struct {
	// Records counts puts and deletes that are shown now and were not before. Where all was loaded anew, all that were read for it.
	Records uint64
	// Reloaded: all was loaded anew, because files came or went or the writer took something back.
	Reloaded bool
	// LastSeq is the sequence number of the last commit that is shown.
	LastSeq uint64
}

// Changed tells whether anything may be shown that was not before.
func (r Refreshed) Changed() bool { return r.Records > 0 || r.Reloaded }

// Refresh catches up with the writer in another process, if the store was opened with [WithReadOnly]: what was acknowledged there before this
// call is shown from now on, each commit whole. It tells what is new. Iterators go on showing what they
// showed, and other goroutines may read meanwhile. With nothing new it costs a few system calls; in a store that is open for writing it does
// nothing.
//
// Its errors are [ErrCorrupted] where the log is damaged (what was shown before still is), [ErrNoStore] if the directory has no data
// files any more, [ErrIO] and [ErrClosed].
func (db *DB) Refresh() (Refreshed, error) {
	if db.closed.Load() {
		return Refreshed{}, ErrClosed
	}
	ref := db.ref
	maybeGC()
	refreshed, r := cRefresh(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return Refreshed{}, db.fail("refresh", r)
	}
	return refreshed, nil
}
