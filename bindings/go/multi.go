// Many keys with one crossing.
//
// Go may not pass C pointers to pointers, so the keys go over packed in one buffer. Values come back in memory of the library's
// that is kept for the next call, and are copied from there into slices that are the caller's.

package bitcask

import (
	"runtime"
	"sync"
)

const (
	valueBlock = 4 << 10 // small values share blocks of so many bytes
	keepPacked = 1 << 20 // buffers of calls with more bytes of keys and values than that are not kept
)

// multiGetter is what a MultiGet needs besides its result. It belongs to no store.
type multiGetter struct {
	packed []byte
	lens   []keyLen
	values *valuesRef // in memory of its own, where the cleanup finds it
}

var multiGetters = sync.Pool{New: func() any {
	g := &multiGetter{values: new(valuesRef)}
	runtime.AddCleanup(g, func(values *valuesRef) { cValuesFree(*values) }, g.values)
	return g
}}

// MultiGet returns copies of many keys' values as of one moment, in the order of the keys: nil for a key that is missing, an
// empty slice for a value without bytes. A key may be given twice. It crosses into C once, and the records are read in the order
// of the log, which is faster than a [DB.Get] for each.
//
// The values are the caller's to keep and to change. Small ones share memory: one that is kept keeps up to 4 KiB.
//
// Errors are those of [DB.Get] but [ErrNotFound], of the first key that fails; then there are no values at all.
func (db *DB) MultiGet(keys [][]byte) ([][]byte, error) { return source{db, nil}.multiGet(keys) }

func (s source) multiGet(keys [][]byte) ([][]byte, error) {
	if s.closed() {
		return nil, ErrClosed
	}
	if len(keys) == 0 {
		return [][]byte{}, nil
	}
	g := multiGetters.Get().(*multiGetter)
	g.packed, g.lens = g.packed[:0], g.lens[:0]
	for _, key := range keys {
		if err := checkKey("multi get", key); err != nil {
			multiGetters.Put(g)
			return nil, err
		}
		g.packed = append(g.packed, key...)
		g.lens = append(g.lens, keyLen(len(key)))
	}
	maybeGC()
	found, r := cMultiGet(s.ref(), g.packed, g.lens, g.values)
	s.keep()
	if r.status != statusOK {
		multiGetters.Put(g)
		return nil, s.fail("multi get", r)
	}
	out, bytes := found.copied()
	if bytes+len(g.packed)+len(g.lens)*64 <= keepPacked {
		multiGetters.Put(g)
	}
	runtime.KeepAlive(g)
	return out, nil
}

// copied gives the values in Go's memory, and how many bytes they are.
func (l lookups) copied() (out [][]byte, bytes int) {
	all := l.all()
	out = make([][]byte, len(all))
	var block []byte
	for i := range all {
		n := all[i].size()
		if n < 0 {
			continue
		}
		bytes += n
		switch {
		case n == 0:
			// Its address may be none.
			out[i] = []byte{}
			continue
		case n > valueBlock/4:
			out[i] = copied(all[i].value())
			continue
		}
		if block == nil || n > cap(block)-len(block) {
			block = make([]byte, 0, blockSize(all[i:]))
		}
		at := len(block)
		block = append(block, all[i].value()...)
		out[i] = block[at:len(block):len(block)]
	}
	return out, bytes
}

// blockSize gives the bytes of the next block: for as many of the small values as fit, and no more.
func blockSize(rest []lookup) int {
	size := 0
	for i := range rest {
		n := rest[i].size()
		if n < 0 || n > valueBlock/4 {
			continue
		}
		if size+n > valueBlock {
			break
		}
		size += n
	}
	return size
}
