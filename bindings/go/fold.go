// Folds, and all keys at once: the words of the first Bitcask for what iterators do step by step.

package bitcask

import "slices"

// Ranger is what can be iterated over: a [DB], [Snapshot], [Batch] or [Txn].
type Ranger interface {
	Range(opts ...IterOption) *Iterator
}

// Fold goes through the records that the options say, as of one moment and in their order: it calls f with what it gave for the record before (init
// for the first), and the record's key and value, and returns what it gave last. Both slices are lent for the call. Errors are those of
// [Iterator.Err].
func Fold[A any](of Ranger, init A, f func(soFar A, key, value []byte) A, opts ...IterOption) (A, error) {
	it := of.Range(append(opts[:len(opts):len(opts)], NoCopy())...)
	for key, value := range it.Seq() {
		init = f(init, key, value)
	}
	return init, it.Err()
}

// FoldKeys is [Fold] over keys alone; it reads no values.
func FoldKeys[A any](of Ranger, init A, f func(soFar A, key []byte) A, opts ...IterOption) (A, error) {
	return Fold(of, init, func(soFar A, key, _ []byte) A { return f(soFar, key) }, append(opts[:len(opts):len(opts)], KeysOnly())...)
}

// ListKeys returns all keys in order, as of one moment. They take the memory of all of them: an iterator with [KeysOnly] does not. Errors are those of
// [Iterator.Err].
func (db *DB) ListKeys() ([][]byte, error) {
	return FoldKeys(db, [][]byte(nil), func(keys [][]byte, key []byte) [][]byte { return append(keys, slices.Clone(key)) })
}

// IsEmpty tells whether there are no keys. Its error is [ErrClosed].
func (db *DB) IsEmpty() (bool, error) {
	n, err := db.Len()
	return n == 0 && err == nil, err
}
