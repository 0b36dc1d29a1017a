// The store: open, close, and what is done with single keys.
//
// Locking: none here. The library's handles are checked and its calls are thread-safe, so that a call that meets a Close is
// told "closed"; the flag only makes calls after Close cheap and their error the same one. closing is held over a close, so
// that a second Close returns when the store is really closed.

package bitcask

import (
	"context"
	"runtime"
	"slices"
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
		o.opening.unwind(ref)
	}
	if r.status != statusOK {
		err := newError("open", r)
		if failed, ok := err.(*Error); ok && r.status == ErrCancelled {
			failed.Cause = o.opening.err
		}
		return nil, err
	}
	db := &DB{ref: ref, path: path}
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

// A Get allocates its result before it knows the value's length: as long as the values that this store gave lately, so that most
// values are read in one crossing and straight into the slice that the caller keeps. Values larger than maxGuess take two: to clear
// a buffer for nothing would cost smaller ones more.
const (
	firstGuess = 256
	maxGuess   = 4 << 10
)

// Get returns a copy of a key's value, which is the caller's to keep and to change. A value without bytes is an empty slice
// and not nil; a missing key is [ErrNotFound].
//
// Other errors are [ErrCorrupted] if the record is damaged, [ErrKeyEmpty], [ErrKeyTooLarge], [ErrClosed] and [ErrIO].
func (db *DB) Get(key []byte) ([]byte, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	guess := int(db.guess.Load())
	buf := make([]byte, guess)
	maybeGC()
	n, r := cGetInto(db.ref, key, buf)
	runtime.KeepAlive(db)
	// The value may grow between two calls.
	for r.status == ErrBufferTooSmall {
		buf = make([]byte, n)
		n, r = cGetInto(db.ref, key, buf)
		runtime.KeepAlive(db)
	}
	if r.status != statusOK {
		return nil, db.fail("get", r)
	}
	if n != guess {
		db.guessFrom(guess, n)
		if n < len(buf)-len(buf)/8 {
			// Too much of it would lie idle as long as the caller keeps the value.
			return append(make([]byte, 0, n), buf[:n]...), nil
		}
	}
	return buf[:n:n], nil
}

// guessFrom moves the guess after a value of n bytes: up at once, down slowly.
func (db *DB) guessFrom(guess, n int) {
	switch {
	case n > maxGuess:
		n = 0
	case n < guess:
		n = guess - (guess-n+7)/8
	}
	db.guess.Store(uint32(n))
}

// AppendTo appends a key's value to dst and returns the extended slice; on an error dst as it was. It allocates only if dst's
// capacity does not suffice. Errors are those of [DB.Get].
func (db *DB) AppendTo(dst, key []byte) ([]byte, error) {
	if db.closed.Load() {
		return dst, ErrClosed
	}
	if cap(dst) == len(dst) {
		value, err := db.Get(key)
		switch {
		case err != nil:
			return dst, err
		case len(dst) == 0:
			return value, nil
		}
		return append(dst, value...), nil
	}
	if overlap(key, dst[len(dst):cap(dst)]) {
		key = slices.Clone(key)
	}
	ref := db.ref
	maybeGC()
	for out := dst; ; {
		n, r := cGetInto(ref, key, out[len(out):cap(out)])
		runtime.KeepAlive(db)
		switch r.status {
		case statusOK:
			return out[:len(out)+n], nil
		case ErrBufferTooSmall:
			out = slices.Grow(out, n)
		default:
			return dst, db.fail("get", r)
		}
	}
}

// GetInto copies a key's value into buf and returns its length. If buf is too small, the error is [ErrBufferTooSmall], the
// length is the one that is needed, and what buf holds is unspecified. Other errors are those of [DB.Get], with a length of 0.
func (db *DB) GetInto(key, buf []byte) (int, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	if overlap(key, buf) {
		key = slices.Clone(key)
	}
	ref := db.ref
	maybeGC()
	n, r := cGetInto(ref, key, buf)
	runtime.KeepAlive(db)
	switch r.status {
	case statusOK:
		return n, nil
	case ErrBufferTooSmall:
		return n, ErrBufferTooSmall
	}
	return 0, db.fail("get", r)
}

// Has tells whether a key is there. It reads no value. Errors are those of [DB.Get], without ErrNotFound.
func (db *DB) Has(key []byte) (bool, error) {
	if db.closed.Load() {
		return false, ErrClosed
	}
	ref := db.ref
	maybeGC()
	r := cContains(ref, key)
	runtime.KeepAlive(db)
	switch r.status {
	case statusOK:
		return true, nil
	case ErrNotFound:
		return false, nil
	}
	return false, db.fail("has", r)
}

// ValueSize gives the length of a key's value. It reads no value, and so finds no damage in it. Errors are those of [DB.Get].
func (db *DB) ValueSize(key []byte) (uint64, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	n, r := cValueSize(ref, key)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("value size", r)
	}
	return n, nil
}

// First returns copies of the least key and its value. Its errors are [ErrNotFound] if the store is empty, [ErrCorrupted],
// [ErrClosed] and [ErrIO]. With [IndexHash] it reads all keys.
func (db *DB) First() (key, value []byte, err error) { return db.edge("first", false) }

// Last returns copies of the greatest key and its value. Otherwise it is as [DB.First].
func (db *DB) Last() (key, value []byte, err error) { return db.edge("last", true) }

func (db *DB) edge(op string, last bool) (key, value []byte, err error) {
	if db.closed.Load() {
		return nil, nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	key, value, r := cEdge(ref, last)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, nil, db.fail(op, r)
	}
	return key, value, nil
}

// RandomKey returns a copy of a key at random, each with the same chance. Errors are those of [DB.First].
func (db *DB) RandomKey() ([]byte, error) {
	if db.closed.Load() {
		return nil, ErrClosed
	}
	ref := db.ref
	maybeGC()
	key, r := cRandomKey(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return nil, db.fail("random key", r)
	}
	return key, nil
}

// Count gives the number of keys that [DB.Range] would give with the same options. It reads no values, and takes no time without
// options. To count what begins alike use [WithPrefix]. Its errors are [ErrClosed]; with [IndexHash] also [ErrIO] and [ErrCorrupted].
func (db *DB) Count(opts ...IterOption) (uint64, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	var o iterOptions
	for i := range opts {
		opts[i].apply(&o)
	}
	ref := db.ref
	maybeGC()
	n, r := cCount(ref, &o)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("count", r)
	}
	return n, nil
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

// Len gives the number of keys, in no time. Its error is [ErrClosed].
func (db *DB) Len() (uint64, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	ref := db.ref
	maybeGC()
	n, r := cLen(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return 0, db.fail("len", r)
	}
	return n, nil
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
