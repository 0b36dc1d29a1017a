// Merges: reclaiming what is dead, when that is worth it, and the data files in figures.
//
// The library calls back inside of the merge, for which progress.go has the way. While it does, the store can be closed from there: Close ends the
// wait for the function that is told, so that the merge ends, for which Close waits.

package bitcask

import (
	"context"
	"runtime"
	"time"
)

// MergeProgress is how far a merge is. Files are read more than once: to be checked, and for what is alive in them; and copies are read back.
type MergeProgress struct {
	BytesTotal   uint64 // bytes of the data files that are merged; 0 while it sweeps what has expired and does not know yet
	BytesRead    uint64
	BytesWritten uint64
}

// MergeReport is what a merge did.
type MergeReport struct {
	RemovedFiles      []uint32 // data files that were merged and are gone
	RemovedBytes      uint64   // their length together
	CreatedFiles      []uint32 // data files that were made of them
	CreatedBytes      uint64   // their length together
	SkippedFiles      []SkippedFile
	CopiedRecords     uint64 // live records that were copied
	InstalledRecords  uint64 // of these, records that were still the newest of their key when all were copied
	DroppedRecords    uint64 // overwritten and deleted records that are gone
	CopiedTombstones  uint64 // deletes that were copied, because something older may be left that they hide
	DroppedTombstones uint64 // deletes that are gone
	BytesRead         uint64
	BytesWritten      uint64
	SweptKeys         uint64 // keys that had expired and were deleted before anything was merged
}

// SkippedFile is a data file that was to be merged and was not, with the reason.
type SkippedFile struct {
	ID     uint32
	Reason string
}

// BackgroundMerge is what a merge in the background came to.
type BackgroundMerge struct {
	Ended  time.Time
	Report MergeReport // what it did, if Err is nil
	Err    error       // why it failed; then all is as it was, but for files that were done already
}

// MergeNeed is why a merge would be worth its while.
type MergeNeed struct {
	Reason           string   // what started it, in words
	Files            []uint32 // the data files that it would take
	ReclaimableBytes uint64   // bytes that would be given back, about
	InWindow         bool     // the hour is one at which merges should run, see WithMergeWindow
}

// FileStats is a data file in figures, at one moment, exact but for damage of the file.
type FileStats struct {
	ID             uint32
	Merged         bool // it was written by a merge, and not as part of the log
	Active         bool // the log ends in it; false for all files of a store that was opened with WithReadOnly
	Damaged        bool // opening found damage in it; no merge takes it then
	Created        time.Time
	Bytes          uint64 // its length without reserved space
	LiveRecords    uint64 // puts that are the newest of their key; what has expired counts until it is swept
	LiveBytes      uint64 // bytes of these with their headers
	DeadRecords    uint64 // puts that are not
	DeadBytes      uint64 // bytes of these
	ExpiredRecords uint64 // of the live ones those that have expired and were not swept yet
	ExpiredBytes   uint64 // bytes of these
	Tombstones     uint64 // deletes
	TombstoneBytes uint64 // bytes of these
	MinSeq         uint64 // smallest sequence number of its puts and deletes; 0 without any
	MaxSeq         uint64 // largest of these
}

type mergeOptions struct {
	files          []uint32
	chosen         bool
	everything     bool
	bytesPerSecond uint64
	f              func(MergeProgress) error
	told           *merging // who is told of the progress; made by the merge itself
}

// merging is what is told of one merge's progress.
type merging = teller[MergeProgress]

// MergeOption changes one merge.
type MergeOption func(*mergeOptions)

// MergeFiles has a merge take the data files with these numbers ([FileStats]) and no others, whatever the policy finds. If the log ends in one of
// them, it goes on in a new one.
func MergeFiles(ids ...uint32) MergeOption {
	return func(o *mergeOptions) { o.files, o.chosen = ids, true }
}

// MergeEverything has a merge take all data files. The log goes on in a new one. It needs as much free space as the live records take.
func MergeEverything() MergeOption {
	return func(o *mergeOptions) { o.everything = true }
}

// MergeBytesPerSecond has a merge read and write at most so many bytes a second together. Default: 0, which is without limit.
func MergeBytesPerSecond(bytesPerSecond uint64) MergeOption {
	return func(o *mergeOptions) { o.bytesPerSecond = bytesPerSecond }
}

// WithMergeProgress has f told how far a merge is: when it begins, and then now and then, also while it is paused or slowed down. An error from f
// stops the merge, which then fails with [ErrCancelled] and with that error: errors.Is finds both.
//
// The merge waits while f runs, in a goroutine of its own. f may use the store, and close it; but it may not wait for another merge of the same
// store, which waits for this one. If f panics, Merge panics with the same value.
func WithMergeProgress(f func(MergeProgress) error) MergeOption {
	return func(o *mergeOptions) { o.f = f }
}

// Merge reclaims what is dead: it copies what is alive out of some data files into new ones, and removes them. Without [MergeFiles] and
// [MergeEverything] these are the files that the store's policy finds worth it ([WithFragMergeTrigger] and the others), which may be none. Reads
// and writes go on beside it. One merge of a store runs at a time; a second call waits for the first.
//
// It gives up when ctx is done: the error is then [ErrCancelled] and ctx's own. It looks at ctx after each 256 KiB, and every 20 ms while it is paused
// or slowed down. Other errors are [ErrInvalidArgument] for a file that is not there, [ErrReadOnly], [ErrClosed] also if the store is closed
// meanwhile, [ErrWritesStopped], [ErrCorrupted], [ErrIO] and [ErrDiskFull]. The store is as it was then, but for files that are done already.
//
// A data file that has bytes which no record accounts for is left as it is, and told in the report.
func (db *DB) Merge(ctx context.Context, opts ...MergeOption) (MergeReport, error) {
	var o mergeOptions
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case db.closed.Load():
		return MergeReport{}, ErrClosed
	case ctx.Err() != nil:
		return MergeReport{}, cancelled("merge", ctx)
	}
	if o.f != nil || ctx.Done() != nil {
		o.told = &merging{ctx: ctx, f: o.f, stop: db.closeBegun}
	}
	ref := db.ref
	maybeGC()
	report, r := cMerge(ref, &o)
	runtime.KeepAlive(db)
	if o.told != nil {
		o.told.unwind()
	}
	if r.status == statusOK {
		return report, nil
	}
	err := db.fail("merge", r)
	if failed, ok := err.(*Error); ok && r.status == ErrCancelled {
		if o.told.stopped {
			return MergeReport{}, ErrClosed
		}
		failed.Cause = o.told.err
	}
	return MergeReport{}, err
}

// MergeNeeded tells why a merge would be worth its while by the store's policy; nil if it would not. Its errors are [ErrClosed] and [ErrIO].
func (db *DB) MergeNeeded() (*MergeNeed, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	need, r := cMergeNeeded(ref)
	runtime.KeepAlive(db)
	switch r.status {
	case statusOK:
		return &need, nil
	case ErrNotFound:
		return nil, nil
	}
	return nil, db.fail("merge needed", r)
}

// NeedsMerge tells whether a merge would be worth its while. Errors are those of [DB.MergeNeeded].
func (db *DB) NeedsMerge() (bool, error) {
	need, err := db.MergeNeeded()
	return need != nil, err
}

// LastBackgroundMerge tells what the last merge in the background came to ([WithBackgroundMerge]); nil before the first. How many there were is in
// [Stats]. Its error is [ErrClosed].
func (db *DB) LastBackgroundMerge() (*BackgroundMerge, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	last, ended, r := cLastBackgroundMerge(ref)
	runtime.KeepAlive(db)
	switch r.status {
	case statusOK:
		if ended.status != statusOK {
			last.Err = newError("merge in the background", ended)
		}
		return &last, nil
	case ErrNotFound:
		return nil, nil
	}
	return nil, db.fail("last background merge", r)
}

// PauseMerge makes merges of the store wait where they are, those that come later too, until [DB.ResumeMerge]. Its error is [ErrClosed].
func (db *DB) PauseMerge() error { return db.simple("pause merge", cPauseMerge) }

// ResumeMerge lets merges go on. Its error is [ErrClosed].
func (db *DB) ResumeMerge() error { return db.simple("resume merge", cResumeMerge) }

// FileStats gives figures of each data file as it is now, by ascending number. They are kept while the store is written; what is not, lengths of
// overwritten records and what has expired, is read from hints and data files by this call, beside writers. Only where the index had to be made anew
// does the next call count all files, while writers wait. Its errors are [ErrClosed] and [ErrIO].
func (db *DB) FileStats() ([]FileStats, error) { return db.fileStats("file stats", false) }

// Recount is [DB.FileStats] counted anew: it reads every record of every file, while writers wait. For checking.
func (db *DB) Recount() ([]FileStats, error) { return db.fileStats("recount", true) }

func (db *DB) fileStats(op string, recount bool) ([]FileStats, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	files, r := cFileStats(ref, recount)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail(op, r)
	}
	return files, nil
}

// simple is a call that takes and gives nothing.
func (db *DB) simple(op string, call func(dbRef) outcome) error {
	if db.closed.Load() {
		return ErrClosed
	}
	ref := db.ref
	maybeGC()
	r := call(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return db.fail(op, r)
	}
	return nil
}
