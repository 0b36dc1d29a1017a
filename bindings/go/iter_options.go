// What an iterator covers. Options are plain values, so that making an iterator allocates none of them.

package bitcask

// Bits of iterOptions.set, as in shim.h.
const (
	iterPrefix = 1 << iota
	iterStart
	iterStartInclusive
	iterEnd
	iterEndInclusive
	iterReverse
	iterKeysOnly
	iterLimit
)

type iterOptions struct {
	prefix, start, end []byte
	limit              uint64
	set                uint32
	lend               bool
}

// IterOption narrows or turns an iterator. The options can be combined; of two that say the same, the last counts.
type IterOption struct {
	set, unset uint32
	bytes      []byte
	limit      uint64
	lend       bool
}

func (opt *IterOption) apply(o *iterOptions) {
	o.set = o.set&^opt.unset | opt.set
	switch {
	case opt.set&iterPrefix != 0:
		o.prefix = opt.bytes
	case opt.set&iterStart != 0:
		o.start = opt.bytes
	case opt.set&iterEnd != 0:
		o.end = opt.bytes
	case opt.set&iterLimit != 0:
		o.limit = opt.limit
	}
	o.lend = o.lend || opt.lend
}

// From begins at the first key at or above key. A bound need not be a valid key.
func From(key []byte) IterOption {
	return IterOption{set: iterStart | iterStartInclusive, bytes: key}
}

// After begins at the first key above key.
func After(key []byte) IterOption {
	return IterOption{set: iterStart, unset: iterStartInclusive, bytes: key}
}

// To ends at the last key at or below key.
func To(key []byte) IterOption {
	return IterOption{set: iterEnd | iterEndInclusive, bytes: key}
}

// Before ends at the last key below key.
func Before(key []byte) IterOption {
	return IterOption{set: iterEnd, unset: iterEndInclusive, bytes: key}
}

// WithPrefix leaves only the keys that begin with prefix.
func WithPrefix(prefix []byte) IterOption { return IterOption{set: iterPrefix, bytes: prefix} }

// Reverse goes from the last key to the first. It does not change which bound is which: From is still the lower one.
func Reverse() IterOption { return IterOption{set: iterReverse} }

// Limit ends after n records, counted from the beginning, a Seek or a Rewind.
func Limit(n uint64) IterOption { return IterOption{set: iterLimit, limit: n} }

// KeysOnly never reads values; they are empty.
func KeysOnly() IterOption { return IterOption{set: iterKeysOnly} }

// NoCopy lends keys and values instead of copying them: slices of the library's memory, for reading only. They are valid until
// the iterator's next step or call; in a loop over Seq, until the loop's body ends. Without such a loop, defer the iterator's
// Close: one that nobody refers to any more is freed, with what it lent. Keeping a lent slice longer, or writing to it, has no
// defined outcome. Use this where the copies are the cost, and copy what is kept.
func NoCopy() IterOption { return IterOption{lend: true} }
