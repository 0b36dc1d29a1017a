// The store: open, close, writes of single keys, figures.
//
// Locking: none here. The library's handles are checked and its calls are thread-safe, so that a call that meets a Close is
// told "closed"; the flag only makes calls after Close cheap and their error the same one. closing is held over a close, so
// that a second Close returns when the store is really closed.

package bitcask

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// DB is an open store. All its methods may be called from many goroutines at once, Close included.
type DB struct {
	ref     dbRef
	closed  atomic.Bool
	closing sync.Mutex
	cleanup runtime.Cleanup
	path    string
	guess   atomic.Uint32 // bytes of a value, see Get

	closeBegun chan struct{} // closed when Close begins
}

// Version gives the version of the library.
func Version() string { return cVersion() }

// Open opens the store in the directory path, creating it if missing, and recovers what is there.
//
// Its errors are [ErrLocked] if the store is open for writing elsewhere (the message tells the process), [ErrNoStore],
// [ErrCorrupted] (see [WithOnDamage]), [ErrUnsupportedVersion], [ErrUnsupportedFeature], [ErrForeignFile],
// [ErrInvalidArgument], [ErrIO] and [ErrDiskFull], and [ErrCancelled] with [WithProgress].
//
// Close the store when done. One that is forgotten is closed when the garbage collector finds it, if it ever does.
func Open(path string, opts ...Option) (*DB, error) {
	return OpenContext(context.Background(), path, opts...)
}

// OpenContext is [Open], and gives up when ctx is done: the error is then [ErrCancelled] and ctx's own. It looks at ctx when it begins, after
// each 8 MiB of data files and when all was read, and leaves nothing locked. The store that it gives does not depend on ctx.
func OpenContext(ctx context.Context, path string, opts ...Option) (*DB, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.invalid != "" {
		return nil, invalidArgument("open", o.invalid)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return nil, invalidArgument("open", "the path contains a zero byte")
	}
	if ctx.Err() != nil {
		return nil, cancelled("open", ctx)
	}
	if o.progress != nil || ctx.Done() != nil {
		o.opening = &opening{ctx: ctx, f: o.progress}
	}
	ref, r := cOpen(path, &o)
	if o.opening != nil {
		if o.opening.unwinds() && ref != (dbRef{}) {
			closeForgotten(ref)
		}
		o.opening.unwind()
	}
	if r.status != statusOK {
		err := newError("open", r)
		if failed, ok := err.(*Error); ok && r.status == ErrCancelled {
			failed.Cause = o.opening.err
		}
		return nil, err
	}
	db := &DB{ref: ref, path: path, closeBegun: make(chan struct{})}
	db.guess.Store(firstGuess)
	db.cleanup = runtime.AddCleanup(db, closeForgotten, ref)
	return db, nil
}

// closeForgotten is the backstop for a missing Close. It may wait for the disk, so it leaves the runtime's own goroutine.
func closeForgotten(ref dbRef) {
	go func() {
		r := cClose(ref)
		takeDetail(r.detail)
	}()
}

// Path gives the directory as it was passed to [Open].
func (db *DB) Path() string { return db.path }

// Close syncs, closes and unlocks the store. Calls under way end first; later ones, also of the store's batches and
// iterators, give [ErrClosed]. A second Close does nothing and returns nil.
//
// The store is closed also if Close returns an error; then the last sync failed.
func (db *DB) Close() error {
	db.closing.Lock()
	defer db.closing.Unlock()
	if db.closed.Load() {
		return nil
	}
	db.closed.Store(true)
	close(db.closeBegun)
	db.cleanup.Stop()
	maybeGC()
	r := cClose(db.ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return newError("close", r)
	}
	return nil
}

// fail makes the error of a call. A handle that the library no longer knows belongs to a store that was closed meanwhile.
func (db *DB) fail(op string, r outcome) error {
	if r.status == ErrInvalidHandle && db.closed.Load() {
		r.status = ErrClosed
	}
	return newError(op, r)
}

// Put stores a value under a key, replacing any other. Both are copied: the slices are the caller's again when Put returns.
// A nil value is an empty one.
//
// Its errors are [ErrKeyEmpty], [ErrKeyTooLarge], [ErrValueTooLarge], [ErrReadOnly], [ErrClosed], [ErrIO] and [ErrDiskFull] (the
// write did not happen; later ones may work), and [ErrWritesStopped].
func (db *DB) Put(key, value []byte, opts ...WriteOption) error {
	if db.closed.Load() {
		return ErrClosed
	}
	ref := db.ref
	maybeGC()
	r := cPut(ref, key, value, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return db.fail("put", r)
	}
	return nil
}

// Delete removes a key and tells whether it was there. Removing a missing key writes nothing. Errors are those of [DB.Put].
func (db *DB) Delete(key []byte, opts ...WriteOption) (existed bool, err error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	existed, r := cDelete(ref, key, writeFlags(opts))
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return false, db.fail("delete", r)
	}
	return existed, nil
}

// Sync brings everything acknowledged so far to stable storage. After a sync that failed, now or earlier, its error is
// [ErrWritesStopped]; others are [ErrReadOnly] and [ErrClosed].
func (db *DB) Sync() error {
	if db.closed.Load() {
		return ErrClosed
	}
	ref := db.ref
	maybeGC()
	r := cSync(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return db.fail("sync", r)
	}
	return nil
}

// Stats are figures of a store at one moment.
type Stats struct {
	Keys          uint64 // keys that are there
	Files         uint64 // data files
	MappedFiles   uint64 // data files that are read through a memory map: none with IOFile, or opened for reading only
	MappedAppends bool   // appends are copied into mapped space at the moment, and not written by system calls
	DataBytes     uint64 // bytes of log in the data files, without preallocated space
	IndexBytes    uint64 // bytes of memory that the index holds
	LastSeq       uint64 // sequence number of the last commit
	DamagedPlaces uint64 // damaged places that opening found
	DamagedBytes  uint64 // bytes in them

	BackgroundMerges        uint64 // merges in the background that were completed since the opening, see WithBackgroundMerge
	BackgroundMergeFailures uint64 // those that failed
	MergingInBackground     bool   // one runs
}

// Stats gives the store's figures. Its error is [ErrClosed].
func (db *DB) Stats() (Stats, error) {
	if db.closed.Load() {
		return Stats{}, ErrClosed
	}
	ref := db.ref
	maybeGC()
	stats, r := cStats(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return Stats{}, db.fail("stats", r)
	}
	return stats, nil
}
