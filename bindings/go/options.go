// What a caller may choose at open and for one write. The library checks the values, at open.

package bitcask

import (
	"math"
	"time"
)

// Limits of the data model, in bytes.
const (
	// MaxKeyLen is the length of the longest key. The shortest has one byte.
	MaxKeyLen = 65_535
	// MaxValueLen is the length of the longest value. The shortest is empty.
	MaxValueLen = 4_294_967_295
)

// Index is a kind of index. Any kind opens any store; a store may be opened with another kind each time.
type Index int32

const (
	// IndexBTree keeps the keys in memory, in order. The default.
	IndexBTree Index = 0
	// IndexHash keeps no keys: it holds the most keys in a given memory and has the fastest gets. Iteration has to sort first.
	IndexHash Index = 1
	// IndexART keeps the keys in memory, in order, as a radix tree: of the kinds with an order it has the fastest gets of random
	// keys.
	IndexART Index = 2
	// IndexSkipList keeps the keys in memory, in order, and its readers never wait for a writer.
	IndexSkipList Index = 3
	// IndexBPTree keeps the keys on disk, in order, within a bounded memory: for more keys than memory holds.
	IndexBPTree Index = 4
)

// IO is a way of reading data files. Writing is the same under each, and so are the files.
type IO int32

const (
	// IOMmap reads through memory maps. An I/O error of the disk is then the signal SIGBUS, which ends the process. The default on
	// 64-bit machines. What can't be mapped is read as with IOFile; [DB.Stats] tells.
	IOMmap IO = 0
	// IOFile reads by pread: an I/O error is an error. The default on 32-bit machines.
	IOFile IO = 1
)

// Durability says when a write is on stable storage.
type Durability int32

const (
	// DurabilityNone: in the operating system's page cache when the call returns. Survives the death of the process, not a loss
	// of power.
	DurabilityNone Durability = 0
	// DurabilityInterval: as DurabilityNone, and the library syncs by itself every few milliseconds or bytes. The default.
	DurabilityInterval Durability = 1
	// DurabilityAlways: on stable storage when the call returns. Concurrent writers share one sync.
	DurabilityAlways Durability = 2
)

// OnDamage says what open does with damage that hides which keys it touches.
type OnDamage int32

const (
	// OnDamageRefuse: Open fails with [ErrCorrupted]. The default.
	OnDamageRefuse OnDamage = 0
	// OnDamageServe: Open succeeds and serves all that is undamaged; [DB.Stats] counts the rest.
	OnDamageServe OnDamage = 1
)

// Bits of options.set, as in shim.h.
const (
	setIndex = 1 << iota
	setDurability
	setSyncInterval
	setMaxFileSize
	setCreateIfMissing
	setReadOnly
	setVerifyChecksums
	setOnDamage
	setIO
	setSortBudget
	setIndexBudget
	setCheckpointBytes
	setFragMergeTrigger
	setDeadBytesMergeTrigger
	setFragThreshold
	setDeadBytesThreshold
	setSmallFileThreshold
	setMergeWindow
	setExpiry
	setBackgroundMerge
	setMergeBytesPerSecond
)

type options struct {
	set              uint32
	index            Index
	durability       Durability
	onDamage         OnDamage
	syncMilliseconds uint64
	syncBytes        uint64
	maxFileSize      uint64
	io               IO
	sortBudget       uint64
	indexBudget      uint64
	checkpointBytes  uint64
	createIfMissing  bool
	readOnly         bool
	verifyChecksums  bool
	progress         func(Progress) error
	opening          *opening // who is told of the progress; made by the open itself
	invalid          string   // what is wrong with a value that C's types can't hold

	fragMergeTrigger, fragThreshold                               uint32
	deadBytesMergeTrigger, deadBytesThreshold, smallFileThreshold uint64
	mergeFrom, mergeTo                                            int
	expiry                                                        uint64 // milliseconds
	backgroundMerge                                               bool
	mergeBytesPerSecond                                           uint64
}

// Option changes how [Open] opens a store.
type Option func(*options)

// WithIndex chooses the kind of index.
func WithIndex(kind Index) Option {
	return func(o *options) { o.set |= setIndex; o.index = kind }
}

// WithIO chooses how data files are read.
func WithIO(kind IO) Option {
	return func(o *options) { o.set |= setIO; o.io = kind }
}

// WithSortBudget sets the most bytes of memory that an iterator over an [IndexHash] may take to sort keys: 8 for each key of the
// store, and for each key in the iterator's range its length and 16 more. Beyond it making the iterator is [ErrUnsupported].
// Default: 1 GiB.
func WithSortBudget(bytes uint64) Option {
	return func(o *options) { o.set |= setSortBudget; o.sortBudget = bytes }
}

// WithIndexBudget sets how many bytes of memory an [IndexBPTree] may take for its cache: at least 1 MiB. Default: 64 MiB.
func WithIndexBudget(bytes uint64) Option {
	return func(o *options) { o.set |= setIndexBudget; o.indexBudget = bytes }
}

// WithCheckpointBytes sets how many bytes of log are written before the index is saved again, so that an opening after a crash reads little of the
// log. Default: 64 MiB; 0 saves it at close alone. [IndexBTree], [IndexHash] and [IndexBPTree] are saved, large ones in a
// pause of the writers, or after two seconds without one; the other kinds are not.
func WithCheckpointBytes(bytes uint64) Option {
	return func(o *options) { o.set |= setCheckpointBytes; o.checkpointBytes = bytes }
}

// WithDurability chooses when writes are on stable storage.
func WithDurability(durability Durability) Option {
	return func(o *options) { o.set |= setDurability; o.durability = durability }
}

// WithSyncInterval sets the limits of [DurabilityInterval]: the longest time, at least a millisecond (parts of one count as a
// whole one), and the most bytes that a write stays unsynced. Default: 100 ms, 16 MiB.
func WithSyncInterval(every time.Duration, bytes uint64) Option {
	return func(o *options) {
		if every < 0 {
			o.invalid = "the sync interval is negative"
			return
		}
		o.set |= setSyncInterval
		o.syncMilliseconds = uint64((every-1)/time.Millisecond + 1)
		if every == 0 {
			o.syncMilliseconds = 0
		}
		o.syncBytes = bytes
	}
}

// WithMaxFileSize sets the length beyond which no further record goes into a data file: 4 KiB to 4 GiB. Default: 1 GiB.
func WithMaxFileSize(bytes uint64) Option {
	return func(o *options) { o.set |= setMaxFileSize; o.maxFileSize = bytes }
}

// WithCreateIfMissing says whether to create the directory and the store in it if missing (default: yes). The parent directory
// must exist.
func WithCreateIfMissing(yes bool) Option {
	return func(o *options) { o.set |= setCreateIfMissing; o.createIfMissing = yes }
}

// WithReadOnly opens without a lock and without changing anything, also beside a writer in another process. The store shows
// what was there at open.
func WithReadOnly() Option {
	return func(o *options) { o.set |= setReadOnly; o.readOnly = true }
}

// WithVerifyChecksums says whether every read verifies the record's checksum (default: yes).
func WithVerifyChecksums(yes bool) Option {
	return func(o *options) { o.set |= setVerifyChecksums; o.verifyChecksums = yes }
}

// WithOnDamage says what to do with damage that hides which keys it touches.
func WithOnDamage(policy OnDamage) Option {
	return func(o *options) { o.set |= setOnDamage; o.onDamage = policy }
}

// WriteOption changes one write.
type WriteOption struct{ flags uint32 }

// Sync makes a write return only when it is on stable storage, whatever the store's durability.
func Sync() WriteOption { return WriteOption{flags: 1} }

// KeepExpiry has the new value of a [DB.CompareAndSwap] expire when the one that it replaces would have. Other writes refuse it with
// [ErrInvalidArgument].
func KeepExpiry() WriteOption { return WriteOption{flags: 2} }

func writeFlags(opts []WriteOption) uint32 {
	var flags uint32
	for _, o := range opts {
		flags |= o.flags
	}
	return flags
}

// checkKey and checkValue are for what is queued in Go before the library sees it.
func checkKey(op string, key []byte) error {
	switch {
	case len(key) == 0:
		return &Error{Status: ErrKeyEmpty, Op: op, Offset: -1}
	case len(key) > MaxKeyLen:
		return &Error{Status: ErrKeyTooLarge, Op: op, Offset: -1}
	}
	return nil
}

func checkValue(op string, value []byte) error {
	if uint64(len(value)) > math.MaxUint32 {
		return &Error{Status: ErrValueTooLarge, Op: op, Offset: -1}
	}
	return nil
}
