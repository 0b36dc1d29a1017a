package main

// store is an open store, without syncs of single writes. Each is used by the fastest way that its documentation has for an
// ordinary program.
type store interface {
	// put is one write by itself.
	put(key, value []byte) error
	// sync brings to the disk what was written, so that it is not written while reads are measured.
	sync() error
	// get is one read by itself, in a transaction of its own where there are any. The value is valid within use.
	get(key []byte, use func(value []byte)) error
	// reader is for many reads by one goroutine, in one transaction where there are any.
	reader() (reader, error)
	// compact does what the store has for giving space back, and gives the store to go on with and its directory.
	compact(dir string) (store, string, error)
	close() error
}

// reader reads for one goroutine.
type reader interface {
	// get gives a value for reading only, valid until the next call: lent by the store where it lends.
	get(key []byte) ([]byte, error)
	// getInto copies a value into a buffer, and gives its length.
	getInto(key, buf []byte) (int, error)
	// multi gives the values of many keys.
	multi(keys [][]byte, use func(value []byte)) error
	// scan gives pairs in order from start on, at most limit, valid within use; all if limit is 0.
	scan(start []byte, limit int, use func(key, value []byte)) error
	close() error
}

// each is multi for those that have no call for many keys.
func each(r reader, keys [][]byte, use func(value []byte)) error {
	for _, key := range keys {
		value, err := r.get(key)
		if err != nil {
			return err
		}
		use(value)
	}
	return nil
}
