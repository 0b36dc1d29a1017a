// The conformance runner's operations on snapshots, transactions and bulk loads, and those with numbers of commits.

package bitcask_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// confObjects are a case's objects beside stores, batches and iterators.
type confObjects struct {
	snapshots  map[string]*bitcask.Snapshot
	txns       map[string]*bitcask.Txn
	loads      map[string]*bitcask.BulkLoader
	queued     map[string]queuedWrite
	numbers    map[string]uint64
	savepoints map[string]bitcask.Savepoint
}

// queuedWrite is the outcome of a write that was made at once: in Go a goroutine waits, and nothing is queued.
type queuedWrite struct {
	seq uint64
	err error
	ok  string
}

func newConfObjects() confObjects {
	return confObjects{map[string]*bitcask.Snapshot{}, map[string]*bitcask.Txn{}, map[string]*bitcask.BulkLoader{}, map[string]queuedWrite{},
		map[string]uint64{}, map[string]bitcask.Savepoint{}}
}

func (o *confObjects) close() {
	for _, t := range o.txns {
		t.Close()
	}
	for _, s := range o.snapshots {
		s.Close()
	}
	for _, l := range o.loads {
		l.Close()
	}
}

// snapshotReads are the operations that a snapshot has as a store has them.
var snapshotReads = map[string]bool{"snapshot_get": true, "snapshot_get_into": true, "snapshot_value_size": true, "snapshot_multi_get": true,
	"snapshot_multi_filled": true, "snapshot_first": true, "snapshot_last": true, "snapshot_count_range": true, "snapshot_contains": true,
	"snapshot_len": true, "snapshot_iter": true, "snapshot_count": true, "snapshot_filled": true}

func (r *confRunner) onSnapshot(op *confOp) ([]string, error) {
	s := r.snapshots[op.named("s")]
	if s == nil {
		return nil, errors.New("no such snapshot")
	}
	f := storeOps[strings.TrimPrefix(op.name, "snapshot_")]
	if err := op.arguments(f.args); err != nil && f.args >= 0 {
		return nil, err
	}
	return op.finished(f.run(r, &confStore{read: s}, op))
}

// over gives what an iterator is made over: the store, or what one of the options names.
func (r *confRunner) over(s *confStore, op *confOp) (ranger, error) {
	if name, ok := op.take("snapshot"); ok {
		if r.snapshots[name] == nil {
			return nil, errors.New("no such snapshot")
		}
		return r.snapshots[name], nil
	}
	if name, ok := op.take("batch"); ok {
		if r.batches[name] == nil {
			return nil, errors.New("no such batch")
		}
		return r.batches[name], nil
	}
	if name, ok := op.take("txn"); ok {
		if r.txns[name] == nil {
			return nil, errors.New("no such transaction")
		}
		return r.txns[name], nil
	}
	return s.db, nil
}

// sync takes the option sync.
func (op *confOp) sync() ([]bitcask.WriteOption, error) {
	switch value, _ := op.take("sync"); value {
	case "yes":
		return []bitcask.WriteOption{bitcask.Sync()}, nil
	case "", "no":
		return nil, nil
	default:
		return nil, fmt.Errorf("sync=%s", value)
	}
}

// bytes gives all arguments as bytes.
func (op *confOp) bytes(n int) ([][]byte, error) {
	if err := op.arguments(n); err != nil {
		return nil, err
	}
	all := make([][]byte, n)
	for i, token := range op.args {
		var err error
		if all[i], err = parseBytes(token); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// keep keeps a number under the name that the option as gives, if there is one and the call did not fail.
func (r *confRunner) keep(op *confOp, number uint64, err error, ok string) ([]string, error) {
	if name, given := op.take("as"); given && err == nil {
		r.numbers[name] = number
	}
	return outcome(err, ok)
}

// writes is what a batch and a transaction have in common.
type writes interface {
	ranger
	Get(key []byte) ([]byte, error)
	Put(key, value []byte) error
	Delete(key []byte) error
	DeleteRange(start, end []byte) error
	DeletePrefix(prefix []byte) error
	Savepoint() (bitcask.Savepoint, error)
	RollbackTo(bitcask.Savepoint) error
	Release(bitcask.Savepoint) error
}

// onWrites runs the operations on either; known is false for another one.
func (r *confRunner) onWrites(w writes, name string, op *confOp) (got []string, err error, known bool) {
	arguments, known := map[string]int{"get": 1, "put": 2, "delete": 1, "delete_range": 0, "delete_prefix": 1, "iter": 0, "savepoint": 0}[name]
	var args [][]byte
	if known {
		if args, err = op.bytes(arguments); err != nil {
			return nil, err, true
		}
		for i := range args {
			args[i] = r.give(args[i])
		}
	}
	switch name {
	case "get":
		value, err := w.Get(args[0])
		r.returned()
		got, err = outcome(err, written(value))
		return got, err, true
	case "put":
		err = w.Put(args[0], args[1])
	case "delete":
		err = w.Delete(args[0])
	case "delete_prefix":
		err = w.DeletePrefix(args[0])
	case "delete_range":
		bounds := [][]byte{nil, nil}
		for i, option := range []string{"ge", "lt"} {
			if token, ok := op.take(option); ok {
				if bounds[i], err = parseBytes(token); err != nil {
					return nil, err, true
				}
				bounds[i] = r.give(bounds[i])
			}
		}
		err = w.DeleteRange(bounds[0], bounds[1])
	case "iter":
		got, err = r.iterate(w, op)
		return got, err, true
	case "savepoint":
		name, ok := op.take("as")
		if !ok {
			return nil, errors.New("no name for the savepoint"), true
		}
		var savepoint bitcask.Savepoint
		if savepoint, err = w.Savepoint(); err == nil {
			r.savepoints[name] = savepoint
		}
	case "rollback_to", "release":
		if err := op.arguments(1); err != nil {
			return nil, err, true
		}
		savepoint, ok := r.savepoints[op.args[0]]
		if !ok {
			return nil, errors.New("no such savepoint"), true
		}
		if name == "release" {
			err = w.Release(savepoint)
		} else {
			err = w.RollbackTo(savepoint)
		}
	default:
		return nil, nil, false
	}
	r.returned()
	got, err = outcome(err, "OK")
	return got, err, true
}

// objectOps are the operations that stand on no store.
var objectOps map[string]func(r *confRunner, op *confOp) ([]string, error)

func init() {
	objectOps = map[string]func(r *confRunner, op *confOp) ([]string, error){
		"compare": func(r *confRunner, op *confOp) ([]string, error) {
			if err := op.arguments(2); err != nil {
				return nil, err
			}
			a, ok := r.numbers[op.args[0]]
			b, ok2 := r.numbers[op.args[1]]
			switch {
			case !ok || !ok2:
				return nil, errors.New("no such number")
			case a < b:
				return []string{"less"}, nil
			case a > b:
				return []string{"more"}, nil
			}
			return []string{"same"}, nil
		},
		"async_commit": func(r *confRunner, op *confOp) ([]string, error) {
			name, ok := op.take("of")
			if !ok {
				name = "b"
			}
			b := r.batches[name]
			if b == nil {
				return nil, errors.New("no such batch")
			}
			opts, err := op.sync()
			if err != nil {
				return nil, err
			}
			seq, err := b.CommitSeq(opts...)
			r.queued[op.named("w")] = queuedWrite{seq, err, "OK"}
			return []string{"OK"}, nil
		},
		"outcome": func(r *confRunner, op *confOp) ([]string, error) {
			w, ok := r.queued[op.named("w")]
			if !ok {
				return nil, errors.New("no such write")
			}
			return r.keep(op, w.seq, w.err, w.ok)
		},
		"snapshot_seq": func(r *confRunner, op *confOp) ([]string, error) {
			s := r.snapshots[op.named("s")]
			if s == nil {
				return nil, errors.New("no such snapshot")
			}
			seq, err := s.Seq()
			return r.keep(op, seq, err, "OK")
		},
		"snapshot_free": func(r *confRunner, op *confOp) ([]string, error) {
			s := r.snapshots[op.named("s")]
			if s == nil {
				return nil, errors.New("no such snapshot")
			}
			s.Close()
			return []string{"OK"}, nil
		},
	}
	for _, name := range []string{"get", "get_for_update", "contains", "iter", "put", "delete", "delete_range", "delete_prefix", "savepoint",
		"rollback_to", "release", "len", "seq", "commit", "rollback", "free", "put_ttl", "expire", "persist", "ttl"} {
		objectOps["txn_"+name] = func(r *confRunner, op *confOp) ([]string, error) { return r.onTxn(name, op) }
	}
	for _, name := range []string{"put", "put_ttl", "fill", "finish", "free"} {
		objectOps["bulk_"+name] = func(r *confRunner, op *confOp) ([]string, error) { return r.onBulk(name, op) }
	}
}

// objectStoreOps are the operations on stores that have to do with such objects.
func objectStoreOps() map[string]storeOp {
	return map[string]storeOp{
		"put_seq":      {2, false, putSeq},
		"delete_seq":   {1, false, deleteSeq},
		"last_seq":     {0, false, number((*bitcask.DB).LastSeq)},
		"durable_seq":  {0, false, number((*bitcask.DB).DurableSeq)},
		"wait_durable": {1, false, waitDurable},
		"async_put": {2, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return r.queue(s, op, putWith)
		}},
		"async_delete": {1, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			return r.queue(s, op, deleteWith)
		}},
		"refresh": {0, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			refreshed, err := s.db.Refresh()
			return outcome(err, yesNo(refreshed.Changed()))
		}},
		"snapshot_new": {0, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			snapshot, err := s.db.Snapshot()
			if err == nil {
				if before := r.snapshots[op.named("s")]; before != nil {
					before.Close()
				}
				r.snapshots[op.named("s")] = snapshot
			}
			return outcome(err, "OK")
		}},
		"txn_new": {0, true, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			txn, err := s.db.Begin()
			if err == nil {
				if before := r.txns[op.named("t")]; before != nil {
					before.Close()
				}
				r.txns[op.named("t")] = txn
			}
			return outcome(err, "OK")
		}},
		"bulk_new":         {0, true, bulkNew},
		"compare_and_swap": {3, false, compareAndSwap},
		"put_if_absent": {2, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			args, err := op.bytes(2)
			if err != nil {
				return nil, err
			}
			stored, err := s.db.PutIfAbsent(r.give(args[0]), r.give(args[1]))
			r.returned()
			return outcome(err, yesNo(stored))
		}},
		"fetch_add": {2, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			key, err := parseBytes(op.args[0])
			delta, err2 := strconv.ParseInt(op.args[1], 10, 64)
			if err := errors.Join(err, err2); err != nil {
				return nil, err
			}
			before, err := s.db.FetchAdd(r.give(key), delta)
			r.returned()
			return outcome(err, strconv.FormatInt(before, 10))
		}},
		"update_append": {2, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			args, err := op.bytes(2)
			if err != nil {
				return nil, err
			}
			got, err := modify(s.db, args[0], func(value []byte) []byte { return append(append([]byte{}, value...), args[1]...) })
			return outcome(err, written(got))
		}},
		"update_delete": {1, false, func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
			args, err := op.bytes(1)
			if err != nil {
				return nil, err
			}
			if _, err = modify(s.db, args[0], func([]byte) []byte { return nil }); err == nil {
				err = bitcask.ErrNotFound
			}
			return outcome(err)
		}},
	}
}

// modify is update, of get and compare_and_swap.
func modify(db *bitcask.DB, key []byte, change func([]byte) []byte) ([]byte, error) {
	for {
		before, err := db.Get(key)
		if err != nil && !errors.Is(err, bitcask.ErrNotFound) {
			return nil, err
		}
		after := change(before)
		if swapped, err := db.CompareAndSwap(key, before, after, bitcask.KeepExpiry()); swapped || err != nil {
			return after, err
		}
	}
}

func compareAndSwap(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	var args [3][]byte
	for i, token := range op.args {
		if i > 0 && token == "none" {
			continue
		}
		b, err := parseBytes(token)
		if err != nil {
			return nil, err
		}
		args[i] = r.give(b)
	}
	swapped, err := s.db.CompareAndSwap(args[0], args[1], args[2])
	r.returned()
	return outcome(err, yesNo(swapped))
}

func putWith(r *confRunner, s *confStore, op *confOp) (queuedWrite, error) {
	args, err := op.bytes(2)
	opts, err2 := op.sync()
	if err := errors.Join(err, err2); err != nil {
		return queuedWrite{}, err
	}
	seq, err := s.db.PutSeq(r.give(args[0]), r.give(args[1]), opts...)
	r.returned()
	return queuedWrite{seq, err, "OK"}, nil
}

func deleteWith(r *confRunner, s *confStore, op *confOp) (queuedWrite, error) {
	args, err := op.bytes(1)
	opts, err2 := op.sync()
	if err := errors.Join(err, err2); err != nil {
		return queuedWrite{}, err
	}
	existed, seq, err := s.db.DeleteSeq(r.give(args[0]), opts...)
	r.returned()
	return queuedWrite{seq, err, yesNo(existed)}, nil
}

func putSeq(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	w, err := putWith(r, s, op)
	if err != nil {
		return nil, err
	}
	return r.keep(op, w.seq, w.err, w.ok)
}

func deleteSeq(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	w, err := deleteWith(r, s, op)
	if err != nil {
		return nil, err
	}
	return r.keep(op, w.seq, w.err, w.ok)
}

// queue makes a write and keeps its outcome.
func (r *confRunner) queue(s *confStore, op *confOp, write func(*confRunner, *confStore, *confOp) (queuedWrite, error)) ([]string, error) {
	w, err := write(r, s, op)
	if err != nil {
		return nil, err
	}
	r.queued[op.named("w")] = w
	return []string{"OK"}, nil
}

func number(call func(*bitcask.DB) (uint64, error)) func(*confRunner, *confStore, *confOp) ([]string, error) {
	return func(r *confRunner, s *confStore, op *confOp) ([]string, error) {
		seq, err := call(s.db)
		return r.keep(op, seq, err, "OK")
	}
}

func waitDurable(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	seq, ok := r.numbers[op.args[0]]
	if !ok {
		return nil, errors.New("no such number")
	}
	if plus, ok := op.take("plus"); ok {
		n, err := strconv.ParseUint(plus, 10, 64)
		if err != nil {
			return nil, err
		}
		seq += n
	}
	ctx := context.Background()
	if timeout, ok := op.take("timeout_ms"); ok {
		n, err := strconv.Atoi(timeout)
		if err != nil {
			return nil, err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(n)*time.Millisecond)
		defer cancel()
	}
	err := s.db.WaitDurable(ctx, seq)
	if errors.Is(err, context.DeadlineExceeded) {
		return []string{"no"}, nil
	}
	return outcome(err, "yes")
}

func bulkNew(r *confRunner, s *confStore, op *confOp) ([]string, error) {
	var opts []bitcask.BulkOption
	write, err := op.sync()
	if err != nil {
		return nil, err
	}
	for _, o := range write {
		opts = append(opts, o)
	}
	switch atomic, _ := op.take("atomic"); atomic {
	case "no":
		opts = append(opts, bitcask.InPieces())
	case "", "yes":
	default:
		return nil, fmt.Errorf("atomic=%s", atomic)
	}
	load, err := s.db.BulkLoad(opts...)
	if err == nil {
		if before := r.loads[op.named("l")]; before != nil {
			before.Close()
		}
		r.loads[op.named("l")] = load
	}
	return outcome(err, "OK")
}

func (r *confRunner) onBulk(name string, op *confOp) ([]string, error) {
	l := r.loads[op.named("l")]
	if l == nil {
		return nil, errors.New("no such load")
	}
	switch name {
	case "put":
		args, err := op.bytes(2)
		if err != nil {
			return nil, err
		}
		err = l.Put(r.give(args[0]), r.give(args[1]))
		r.returned()
		return outcome(err, "OK")
	case "put_ttl":
		if err := op.arguments(3); err != nil {
			return nil, err
		}
		key, err := parseBytes(op.args[0])
		value, err2 := parseBytes(op.args[1])
		ttl, err3 := op.milliseconds(2)
		if err := errors.Join(err, err2, err3); err != nil {
			return nil, err
		}
		err = l.PutWithTTL(r.give(key), r.give(value), ttl)
		r.returned()
		return outcome(err, "OK")
	case "fill":
		if err := op.arguments(3); err != nil {
			return nil, err
		}
		return op.filling(func(key, value []byte) error {
			defer r.returned()
			return l.Put(r.give(key), r.give(value))
		})
	case "finish":
		return outcome(l.Finish(), "OK")
	}
	l.Close()
	return []string{"OK"}, nil
}

func (r *confRunner) onTxn(name string, op *confOp) ([]string, error) {
	t := r.txns[op.named("t")]
	if t == nil {
		return nil, errors.New("no such transaction")
	}
	if got, err, known := r.onWrites(t, name, op); known {
		return got, err
	}
	if got, err, known := r.onExpiry(t, name, op); known {
		return got, err
	}
	arguments := 0
	if name == "get_for_update" || name == "contains" {
		arguments = 1
	}
	args, err := op.bytes(arguments)
	if err != nil {
		return nil, err
	}
	switch name {
	case "get_for_update":
		value, err := t.GetForUpdate(r.give(args[0]))
		r.returned()
		return outcome(err, written(value))
	case "contains":
		has, err := t.Has(r.give(args[0]))
		r.returned()
		return outcome(err, yesNo(has))
	case "len":
		n, err := t.Len()
		return outcome(err, strconv.Itoa(n))
	case "seq":
		seq, err := t.Seq()
		return r.keep(op, seq, err, "OK")
	case "commit":
		opts, err := op.sync()
		if err != nil {
			return nil, err
		}
		seq, err := t.CommitSeq(opts...)
		return r.keep(op, seq, err, "OK")
	case "rollback":
		return outcome(t.Rollback(), "OK")
	}
	t.Close()
	return []string{"OK"}, nil
}

// progressWatch looks at what an opening tells.
type progressWatch struct {
	last  bitcask.Progress
	calls int
	wrong error
}

func (w *progressWatch) tell(how string) func(bitcask.Progress) error {
	return func(p bitcask.Progress) error {
		if p.BytesDone < w.last.BytesDone || p.Records < w.last.Records || p.BytesDone > p.BytesTotal {
			w.wrong = fmt.Errorf("progress %+v after %+v", p, w.last)
		}
		w.last = p
		w.calls++
		if how == "cancel" {
			return errors.New("cancelled by the case")
		}
		return nil
	}
}

func (w *progressWatch) judge(how string) error {
	if how == "watch" && w.calls == 0 {
		return errors.New("nobody told of the progress")
	}
	return w.wrong
}
