// The conformance runner's operations on open stores, batches and iterators.

package bitcask_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// A storeOp is an operation on a store, which its object names, or (of) its option of=.
type storeOp struct {
	args int // -1: any number
	of   bool
	run  func(r *confRunner, s *confStore, op *confOp) ([]string, error)
}

// reader is what a store and a snapshot have in common.
type reader interface {
	ranger
	Get(key []byte) ([]byte, error)
	GetInto(key, buf []byte) (int, error)
	Has(key []byte) (bool, error)
	ValueSize(key []byte) (uint64, error)
	MultiGet(keys [][]byte) ([][]byte, error)
	First() (key, value []byte, err error)
	Last() (key, value []byte, err error)
	Count(opts ...bitcask.IterOption) (uint64, error)
	Len() (uint64, error)
}

// ranger is all that iterators are made over.
type ranger interface {
	Range(opts ...bitcask.IterOption) *bitcask.Iterator
	Prefix(prefix []byte, opts ...bitcask.IterOption) *bitcask.Iterator
}

// storeOps is filled by init, because two of its functions make stores anew.
var storeOps map[string]storeOp

func init() {
	put := func(r *confRunner, s *confStore, op *confOp, opts ...bitcask.WriteOption) ([]string, error) {
		key, err := parseBytes(op.args[0])
		value, err2 := parseBytes(op.args[1])
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		err = s.db.Put(r.give(key), r.give(value), opts...)
		r.returned()
		return outcome(err, "OK")
	}
	del := func(r *confRunner, s *confStore, op *confOp, opts ...bitcask.WriteOption) ([]string, error) {
		key, err := parseBytes(op.args[0])
		if err != nil {
			return nil, err
		}
		existed, err := s.db.Delete(r.give(key), opts...)
		r.returned()
		return outcome(err, yesNo(existed))
	}
	storeOps = map[string]storeOp{
		"reopen": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			if err := s.db.Close(); err != nil {
				return outcome(err)
			}
			opts := append(s.opts[:len(s.opts):len(s.opts)], op.opts...)
			op.opts = nil
			return r.open(op.named("db"), opts)
		}},
		"close": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return outcome(s.db.Close(), "OK")
		}},
		"put": {2, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) { return put(r, s, op) }},
		"put_sync": {2, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return put(r, s, op, bitcask.Sync())
		}},
		"delete": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) { return del(r, s, op) }},
		"delete_sync": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return del(r, s, op, bitcask.Sync())
		}},
		"get":      {1, false, get},
		"get_into": {2, false, getInto},
		"hold":     {1, true, hold},
		"contains": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			if err != nil {
				return nil, err
			}
			has, err := s.read.Has(r.give(key))
			r.returned()
			return outcome(err, yesNo(has))
		}},
		"value_size": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			if err != nil {
				return nil, err
			}
			n, err := s.read.ValueSize(r.give(key))
			r.returned()
			return outcome(err, strconv.FormatUint(n, 10))
		}},
		"multi_get": {-1, false, multiGet},
		"multi_filled": {3, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			var keys, values [][]byte
			got, err := op.filling(func(key, value []byte) error {
				keys, values = append(keys, r.give(key)), append(values, value)
				return nil
			})
			if err != nil {
				return got, err
			}
			found, err := s.read.MultiGet(keys)
			r.returned()
			n := 0
			for i := range found {
				if found[i] != nil && bytes.Equal(found[i], values[i]) {
					n++
				}
			}
			return outcome(err, strconv.Itoa(n))
		}},
		"first": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, value, err := s.read.First()
			return outcome(err, record(key, value, false))
		}},
		"last": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, value, err := s.read.Last()
			return outcome(err, record(key, value, false))
		}},
		"count_range": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			opts, prefix, _, _, err := r.iterOptions(op)
			if err != nil {
				return nil, err
			}
			if prefix != nil {
				opts = append(opts, bitcask.WithPrefix(prefix))
			}
			n, err := s.read.Count(opts...)
			r.returned()
			return outcome(err, strconv.FormatUint(n, 10))
		}},
		"random_key": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			n, err := op.number(0)
			if err != nil {
				return nil, err
			}
			seen := map[string]bool{}
			for range n {
				key, err := s.db.RandomKey()
				if err != nil {
					return outcome(err)
				}
				if has, err := s.db.Has(key); err != nil || !has {
					return nil, fmt.Errorf("the random key %x is not there: %w", key, err)
				}
				seen[string(key)] = true
			}
			return []string{strconv.Itoa(len(seen))}, nil
		}},
		"len": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			n, err := s.read.Len()
			return outcome(err, strconv.FormatUint(n, 10))
		}},
		"sync": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return outcome(s.db.Sync(), "OK")
		}},
		"opened": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			report, err := s.db.OpenReport()
			figure, ok := map[string]uint64{"files": report.Files, "last_seq": report.LastSeq, "damage": uint64(len(report.Damage)),
				"torn": uint64(len(report.Torn)), "unusable_hints": uint64(len(report.UnusableHints))}[op.args[0]]
			if !ok {
				return nil, errors.New("unknown figure")
			}
			return outcome(err, strconv.FormatUint(figure, 10))
		}},
		"stat": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			stats, err := s.db.Stats()
			figure, ok := map[string]uint64{"keys": stats.Keys, "files": stats.Files, "mapped_files": stats.MappedFiles, "data_bytes": stats.DataBytes,
				"index_bytes": stats.IndexBytes, "last_seq": stats.LastSeq, "damaged_places": stats.DamagedPlaces,
				"damaged_bytes": stats.DamagedBytes}[op.args[0]]
			if !ok {
				return nil, errors.New("unknown figure")
			}
			return outcome(err, strconv.FormatUint(figure, 10))
		}},
		"iter":  {0, false, iterate},
		"count": {0, false, count},
		"fill": {3, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return op.filling(func(key, value []byte) error {
				defer r.returned()
				return s.db.Put(r.give(key), r.give(value))
			})
		}},
		"filled": {3, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			n := 0
			got, err := op.filling(func(key, value []byte) error {
				got, err := s.read.Get(r.give(key))
				r.returned()
				if err == nil && bytes.Equal(got, value) {
					n++
				}
				if errors.Is(err, bitcask.ErrNotFound) {
					return nil
				}
				return err
			})
			if err == nil && got[0] == "OK" {
				got = []string{strconv.Itoa(n)}
			}
			return got, err
		}},
		"flip": {1, false, flip},
		"batch_new": {0, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			r.batches[op.named("b")] = s.db.NewBatch()
			return []string{"OK"}, nil
		}},
		"iter_open": {0, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			over, err := r.over(s, op)
			if err != nil {
				return nil, err
			}
			it, keysOnly, _, err := r.iterator(over, op)
			if err != nil {
				return nil, err
			}
			if it.Err() == nil {
				r.iters[op.named("it")] = &confIter{it, keysOnly}
			}
			return outcome(it.Err(), "OK")
		}},
	}
	maps.Copy(storeOps, objectStoreOps())
	maps.Copy(storeOps, mergeOps())
	maps.Copy(storeOps, expiryOps())
}

func get(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	key, err := parseBytes(op.args[0])
	if err != nil {
		return nil, err
	}
	value, err := s.read.Get(r.give(key))
	r.returned()
	if (err == nil) != (value != nil) {
		return nil, fmt.Errorf("value %q beside error %v", value, err)
	}
	return outcome(err, written(value))
}

func multiGet(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	keys := make([][]byte, len(op.args))
	for i, token := range op.args {
		key, err := parseBytes(token)
		if err != nil {
			return nil, err
		}
		keys[i] = r.give(key)
	}
	values, err := s.read.MultiGet(keys)
	r.returned()
	if err != nil {
		return outcome(err)
	}
	got := make([]string, len(values))
	for i, value := range values {
		if got[i] = written(value); value == nil {
			got[i] = bitcask.ErrNotFound.Name()
		}
	}
	if len(got) == 0 {
		got = []string{"none"}
	}
	return got, nil
}

func getInto(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	key, err := parseBytes(op.args[0])
	capacity, err2 := op.number(1)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	buf := make([]byte, capacity+1)
	n, err := s.read.GetInto(r.give(key), buf[:capacity])
	r.returned()
	if buf[capacity] != 0 {
		return nil, errors.New("a byte behind the buffer was written")
	}
	if errors.Is(err, bitcask.ErrBufferTooSmall) {
		return []string{"BUFFER_TOO_SMALL", strconv.Itoa(n)}, nil
	}
	return outcome(err, written(buf[:min(n, capacity)]))
}

func hold(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	key, err := parseBytes(op.args[0])
	if err != nil {
		return nil, err
	}
	value, err := s.db.Get(r.give(key))
	r.returned()
	if err == nil {
		r.held[op.named("v")] = value
	}
	return outcome(err, "OK")
}

// filling calls f with the keys and values of fill, filled and batch_fill, up to its first error.
func (op *confOp) filling(f func(key, value []byte) error) ([]string, error) {
	count, err := op.number(0)
	prefix, err2 := parseBytes(op.args[1])
	length, err3 := op.number(2)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, err
	}
	for i := range count {
		key := binary.BigEndian.AppendUint32(bytes.Clone(prefix), uint32(i))
		if err := f(key, generated(uint64(i), length)); err != nil {
			return outcome(err)
		}
	}
	return []string{"OK"}, nil
}

// iterOptions takes all options of an operation. The prefix comes by itself, nil if there is none.
func (r *confRunner) iterOptions(op *confOp) (opts []bitcask.IterOption, prefix []byte, keysOnly, reverse bool, err error) {
	for _, o := range op.opts {
		bound := map[string]func([]byte) bitcask.IterOption{
			"ge": bitcask.From, "gt": bitcask.After, "le": bitcask.To, "lt": bitcask.Before}[o.name]
		var b []byte
		switch {
		case bound != nil:
			b, err = parseBytes(o.value)
			opts = append(opts, bound(r.give(b)))
		case o.name == "prefix":
			b, err = parseBytes(o.value)
			prefix = r.give(b)
		case o.name == "reverse" && o.value == "yes":
			opts, reverse = append(opts, bitcask.Reverse()), true
		case o.name == "keys_only" && o.value == "yes":
			opts, keysOnly = append(opts, bitcask.KeysOnly()), true
		case (o.name == "reverse" || o.name == "keys_only") && o.value == "no":
		case o.name == "limit":
			var n uint64
			n, err = strconv.ParseUint(o.value, 10, 64)
			opts = append(opts, bitcask.Limit(n))
		default:
			err = fmt.Errorf("unknown option %s=%s", o.name, o.value)
		}
		if err != nil {
			return nil, nil, false, false, err
		}
	}
	op.opts = nil
	return opts, prefix, keysOnly, reverse, nil
}

// iterator makes an iterator from all options of an operation.
func (r *confRunner) iterator(over ranger, op *confOp) (it *bitcask.Iterator, keysOnly, reverse bool, err error) {
	opts, prefix, keysOnly, reverse, err := r.iterOptions(op)
	if err != nil {
		return nil, false, false, err
	}
	if prefix != nil {
		it = over.Prefix(prefix, opts...)
	} else {
		it = over.Range(opts...)
	}
	r.returned()
	return it, keysOnly, reverse, nil
}

func record(key, value []byte, keysOnly bool) string {
	if keysOnly {
		return written(key)
	}
	return written(key) + "=" + written(value)
}

func iterate(r *confRunner, s *confStore, op *confOp) ([]string, error) { return r.iterate(s.read, op) }

func (r *confRunner) iterate(over ranger, op *confOp) ([]string, error) {
	it, keysOnly, _, err := r.iterator(over, op)
	if err != nil {
		return nil, err
	}
	var records []string
	for key, value := range it.Seq() {
		records = append(records, record(key, value, keysOnly))
	}
	if records == nil {
		records = []string{"none"}
	}
	return outcome(it.Err(), records...)
}

func count(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	it, _, reverse, err := r.iterator(s.read, op)
	if err != nil {
		return nil, err
	}
	n, before := 0, []byte(nil)
	for key := range it.Seq() {
		if order := bytes.Compare(before, key); n > 0 && (order == 0 || (order > 0) != reverse) {
			return nil, fmt.Errorf("%x behind %x", key, before)
		}
		before = key
		n++
	}
	return outcome(it.Err(), strconv.Itoa(n))
}

func (r *confRunner) onBatch(b *bitcask.Batch, op *confOp) ([]string, error) {
	if got, err, known := r.onWrites(b, strings.TrimPrefix(op.name, "batch_"), op); known {
		return got, err
	}
	if got, err, known := r.onExpiry(b, strings.TrimPrefix(op.name, "batch_"), op); known {
		return got, err
	}
	counts := map[string]int{"batch_fill": 3}
	if err := op.arguments(counts[op.name]); err != nil {
		return nil, err
	}
	switch op.name {
	case "batch_commit_seq":
		opts, err := op.sync()
		if err != nil {
			return nil, err
		}
		seq, err := b.CommitSeq(opts...)
		return r.keep(op, seq, err, "OK")
	case "batch_byte_len":
		n, err := b.ByteLen()
		return outcome(err, strconv.FormatUint(n, 10))
	case "batch_fill":
		return op.filling(func(key, value []byte) error {
			defer r.returned()
			return b.Put(r.give(key), r.give(value))
		})
	case "batch_clear":
		return outcome(b.Clear(), "OK")
	case "batch_len":
		n, err := b.Len()
		return outcome(err, strconv.Itoa(n))
	case "batch_commit":
		return outcome(b.Commit(), "OK")
	case "batch_commit_sync":
		return outcome(b.Commit(bitcask.Sync()), "OK")
	case "batch_free":
		b.Close()
		return []string{"OK"}, nil
	}
	return nil, errors.New("unknown operation")
}

func (r *confRunner) onIter(it *confIter, op *confOp) ([]string, error) {
	counts := map[string]int{"iter_next": 1, "iter_seek": 1}
	if err := op.arguments(counts[op.name]); err != nil {
		return nil, err
	}
	switch op.name {
	case "iter_next":
		n, err := op.number(0)
		if err != nil {
			return nil, err
		}
		var records []string
		for len(records) < n && it.it.Next() {
			records = append(records, record(it.it.Key(), it.it.Value(), it.keysOnly))
		}
		if records == nil {
			records = []string{"none"}
		}
		return outcome(it.it.Err(), records...)
	case "iter_seek":
		key, err := parseBytes(op.args[0])
		if err != nil {
			return nil, err
		}
		err = it.it.Seek(r.give(key))
		r.returned()
		return outcome(err, "OK")
	case "iter_skip_damaged":
		return outcome(it.it.SkipDamaged(), "OK")
	case "iter_rewind":
		return outcome(it.it.Rewind(), "OK")
	case "iter_free":
		it.it.Close()
		return []string{"OK"}, nil
	}
	return nil, errors.New("unknown operation")
}

// flip damages the files behind the library's back.
func flip(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	pattern, err := parseBytes(op.args[0])
	if err != nil || len(pattern) < 8 {
		return nil, fmt.Errorf("no pattern: %w", err)
	}
	dir := s.db.Path()
	if name, ok := op.take("dir"); ok {
		dir = filepath.Join(r.dir, name)
	}
	n := 0
	for id := 1; id <= 64; id++ {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%d.data", id)), os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		content, err := os.ReadFile(f.Name())
		for at := 0; err == nil; at++ {
			next := bytes.Index(content[at:], pattern)
			if next < 0 {
				break
			}
			at += next
			_, err = f.WriteAt([]byte{content[at] ^ 1}, int64(at))
			n++
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return []string{strconv.Itoa(n)}, nil
}
