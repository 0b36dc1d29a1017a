// The state machine's steps that have to do with moments: snapshots, transactions, loads, numbers of commits, a reader beside the writer.

package bitcask_test

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/libbitcask/libbitcask/bindings/go"
	"pgregory.net/rapid"
)

// change is a write: what it does to a map, and the keys that it may touch.
type change struct {
	apply  func(map[string]string)
	covers func(key string) bool
	key    string // empty: a range
}

func putting(key, value string) change {
	return change{func(m map[string]string) { m[key] = value }, func(k string) bool { return k == key }, key}
}

func deleting(key string) change {
	return change{func(m map[string]string) { delete(m, key) }, func(k string) bool { return k == key }, key}
}

func clearing(covers func(string) bool) change {
	return change{func(m map[string]string) { maps.DeleteFunc(m, func(k, _ string) bool { return covers(k) }) }, covers, ""}
}

// pending are the writes of a batch or a transaction.
type pending struct {
	changes    []change
	savepoints []savepoint
}

type savepoint struct {
	at      bitcask.Savepoint
	changes int
}

// written are the keys that it counts: without those that a later range deletes.
func (p *pending) written() map[string]bool {
	keys := map[string]bool{}
	for _, c := range p.changes {
		if c.key == "" {
			maps.DeleteFunc(keys, func(k string, _ bool) bool { return c.covers(k) })
		} else {
			keys[c.key] = true
		}
	}
	return keys
}

// over gives what the map would be with the changes made.
func (p *pending) over(model map[string]string) map[string]string {
	after := maps.Clone(model)
	for _, c := range p.changes {
		c.apply(after)
	}
	return after
}

func (p *pending) write(t *rapid.T, w writes) {
	for range rapid.IntRange(1, 10).Draw(t, "writes") {
		key := keys().Draw(t, "key")
		var err error
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0, 1:
			err = w.Delete([]byte(key))
			p.changes = append(p.changes, deleting(key))
		case 2:
			end := keys().Draw(t, "end")
			bound := []byte(end)
			if rapid.IntRange(0, 3).Draw(t, "no end") == 0 {
				bound = nil
			}
			err = w.DeleteRange([]byte(key), bound)
			p.changes = append(p.changes, clearing(func(k string) bool { return k >= key && (bound == nil || k < end) }))
		case 3:
			prefix := rapid.SampledFrom([]string{"", "k", "kk", "kka"}).Draw(t, "prefix")
			err = w.DeletePrefix([]byte(prefix))
			p.changes = append(p.changes, clearing(func(k string) bool { return strings.HasPrefix(k, prefix) }))
		default:
			value := values().Draw(t, "value")
			err = w.Put([]byte(key), []byte(value))
			p.changes = append(p.changes, putting(key, value))
		}
		if err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// rollBack makes a savepoint, or rolls back to one, or forgets one.
func (p *pending) rollBack(t *rapid.T, w writes) {
	var err error
	if len(p.savepoints) == 0 || rapid.Bool().Draw(t, "new savepoint") {
		var at bitcask.Savepoint
		at, err = w.Savepoint()
		p.savepoints = append(p.savepoints, savepoint{at, len(p.changes)})
	} else {
		i := rapid.IntRange(0, len(p.savepoints)-1).Draw(t, "savepoint")
		to := p.savepoints[i]
		if rapid.Bool().Draw(t, "release") {
			err = w.Release(to.at)
			p.savepoints = p.savepoints[:i]
		} else {
			err = w.RollbackTo(to.at)
			p.changes, p.savepoints = p.changes[:to.changes:to.changes], p.savepoints[:i+1]
		}
	}
	if err != nil {
		t.Fatalf("savepoint: %v", err)
	}
}

// read compares what a batch or transaction over a map shows. It tells the key that was read, or that it was all.
func (p *pending) read(t *rapid.T, w writes, below map[string]string) (key string, all bool) {
	after := p.over(below)
	if rapid.IntRange(0, 3).Draw(t, "all") == 0 {
		n := 0
		it := w.Prefix(nil)
		for key, value := range it.Seq() {
			if want, there := after[string(key)]; !there || want != string(value) {
				t.Fatalf("it shows %q with %d bytes; want %v, %d", key, len(value), there, len(want))
			}
			n++
		}
		if it.Err() != nil || n != len(after) {
			t.Fatalf("it shows %d records, want %d: %v", n, len(after), it.Err())
		}
		return "", true
	}
	key = keys().Draw(t, "key")
	value, err := w.Get([]byte(key))
	if want, there := after[key]; there != (err == nil) || string(value) != want || err != nil && err != bitcask.ErrNotFound {
		t.Fatalf("get %q: %d bytes, %v; want %v, %d", key, len(value), err, there, len(want))
	}
	return key, false
}

// moments are what is open of a store beside batches and iterators.
type moments struct {
	snapshots []*openSnapshot
	txns      []*openTxn
	loads     []*openLoad
	reader    *bitcask.DB
	shown     map[string]string // what the reader shows
}

type openSnapshot struct {
	s    *bitcask.Snapshot
	view map[string]string
}

type openTxn struct {
	txn *bitcask.Txn
	pending
	view   map[string]string // the store at its beginning
	reads  map[string]bool   // what it has read of that
	all    bool              // it has read all of it
	others []change          // what was committed since
}

type openLoad struct {
	load *bitcask.BulkLoader
	puts []change
}

// committed tells the map, and the transactions that are open, what was written.
func (m *machine) committed(changes ...change) {
	for _, c := range changes {
		c.apply(m.model)
		for _, txn := range m.txns {
			txn.others = append(txn.others, c)
		}
	}
}

func (m *moments) close() {
	for _, s := range m.snapshots {
		s.s.Close()
	}
	for _, txn := range m.txns {
		txn.txn.Close()
	}
	for _, l := range m.loads {
		l.load.Close()
	}
	m.snapshots, m.txns, m.loads = nil, nil, nil
}

func (m *machine) SnapshotBegin(t *rapid.T) {
	s, err := m.db.Snapshot()
	m.fatal(t, "snapshot", err)
	m.snapshots = append(m.snapshots, &openSnapshot{s, maps.Clone(m.model)})
}

func (m *machine) SnapshotRead(t *rapid.T) {
	if len(m.snapshots) == 0 {
		t.Skip("no snapshot")
	}
	i := rapid.IntRange(0, len(m.snapshots)-1).Draw(t, "snapshot")
	s := m.snapshots[i]
	if rapid.IntRange(0, 4).Draw(t, "close") == 0 {
		s.s.Close()
		m.snapshots = slices.Delete(m.snapshots, i, i+1)
		return
	}
	key := keys().Draw(t, "key")
	want, there := s.view[key]
	value, err := s.s.Get([]byte(key))
	if there != (err == nil) || string(value) != want || err != nil && err != bitcask.ErrNotFound {
		t.Fatalf("snapshot get %q: %d bytes, %v; want %v, %d", key, len(value), err, there, len(want))
	}
	found, err := s.s.MultiGet([][]byte{[]byte(key), []byte("kz")})
	m.fatal(t, "snapshot multi get", err)
	if string(found[0]) != want || (found[0] != nil) != there {
		t.Fatalf("snapshot multi get %q: %d bytes", key, len(found[0]))
	}
	n, err := s.s.Len()
	m.fatal(t, "snapshot len", err)
	count, err := s.s.Count(bitcask.From([]byte("")))
	m.fatal(t, "snapshot count", err)
	seen := 0
	it := s.s.All()
	for key, value := range it.Seq() {
		if want, there := s.view[string(key)]; !there || want != string(value) {
			t.Fatalf("the snapshot has %q with %d bytes", key, len(value))
		}
		seen++
	}
	m.fatal(t, "snapshot iterate", it.Err())
	if want := len(s.view); n != uint64(want) || count != n || seen != want {
		t.Fatalf("the snapshot has len %d, count %d, %d records; want %d", n, count, seen, want)
	}
}

func (m *machine) TxnBegin(t *rapid.T) {
	txn, err := m.db.Begin()
	m.fatal(t, "begin", err)
	m.txns = append(m.txns, &openTxn{txn: txn, view: maps.Clone(m.model), reads: map[string]bool{}})
}

func (m *machine) pickTxn(t *rapid.T) (int, *openTxn) {
	if len(m.txns) == 0 {
		t.Skip("no transaction")
	}
	i := rapid.IntRange(0, len(m.txns)-1).Draw(t, "transaction")
	return i, m.txns[i]
}

func (m *machine) TxnWrite(t *rapid.T) {
	_, txn := m.pickTxn(t)
	txn.write(t, txn.txn)
	n, err := txn.txn.Len()
	m.fatal(t, "txn len", err)
	if want := len(txn.written()); n != want {
		t.Fatalf("txn len %d, want %d", n, want)
	}
}

func (m *machine) TxnSavepoints(t *rapid.T) {
	_, txn := m.pickTxn(t)
	txn.rollBack(t, txn.txn)
}

func (m *machine) TxnRead(t *rapid.T) {
	_, txn := m.pickTxn(t)
	key, all := txn.read(t, txn.txn, txn.view)
	txn.all = txn.all || all
	// What it reads of its own writes it does not read of the store.
	if !all && !slices.ContainsFunc(txn.changes, func(c change) bool { return c.covers(key) }) {
		txn.reads[key] = true
	}
}

// TxnEnd commits: a conflict is due if what was read is no longer so, and must not be if nobody touched it. Between the two either will do.
func (m *machine) TxnEnd(t *rapid.T) {
	i, txn := m.pickTxn(t)
	m.txns = slices.Delete(m.txns, i, i+1)
	if rapid.IntRange(0, 4).Draw(t, "drop") == 0 {
		m.fatal(t, "rollback", txn.txn.Rollback())
		return
	}
	due, free := false, !txn.all || len(txn.others) == 0
	for key := range txn.reads {
		was, had := txn.view[key]
		is, has := m.model[key]
		due = due || had != has || was != is
		free = free && !slices.ContainsFunc(txn.others, func(c change) bool { return c.covers(key) })
	}
	err := txn.txn.Commit()
	switch {
	case err == nil:
		// A transaction that wrote nothing has nothing to lose.
		if due && len(txn.changes) > 0 {
			t.Fatal("no conflict")
		}
		m.committed(txn.changes...)
	case !errors.Is(err, bitcask.ErrConflict) || free:
		t.Fatalf("commit: %v", err)
	}
	txn.txn.Close()
}

func (m *machine) Update(t *rapid.T) {
	key, more := keys().Draw(t, "key"), rapid.SampledFrom([]string{"", "x", "yyy"}).Draw(t, "more")
	m.fatal(t, "update", m.db.Update(func(txn *bitcask.Txn) error {
		value, err := txn.Get([]byte(key))
		if err != nil && err != bitcask.ErrNotFound {
			return err
		}
		return txn.Put([]byte(key), append(value, more...))
	}))
	m.committed(putting(key, m.model[key]+more))
}

func (m *machine) Swap(t *rapid.T) {
	key := keys().Draw(t, "key")
	value, there := m.model[key]
	replacement := values().Draw(t, "value")
	if rapid.Bool().Draw(t, "if absent") {
		stored, err := m.db.PutIfAbsent([]byte(key), []byte(replacement))
		m.fatal(t, "put if absent", err)
		if stored == there {
			t.Fatalf("put if absent of %q: %v", key, stored)
		}
		if stored {
			m.committed(putting(key, replacement))
		}
		return
	}
	var expected, after []byte
	if there {
		expected = []byte(value)
	}
	right := rapid.Bool().Draw(t, "right")
	if !right {
		expected = append([]byte("not "), value...)
	}
	if c := putting(key, replacement); rapid.Bool().Draw(t, "put") {
		after = []byte(replacement)
		if right {
			m.committed(c)
		}
	} else if right && there {
		m.committed(deleting(key))
	}
	swapped, err := m.db.CompareAndSwap([]byte(key), expected, after)
	m.fatal(t, "compare and swap", err)
	if swapped != right {
		t.Fatalf("swapped: %v", swapped)
	}
}

// Add uses keys that are numbers, unless something else was written to them.
func (m *machine) Add(t *rapid.T) {
	key := rapid.SampledFrom([]string{"n", "kn", "knn"}).Draw(t, "counter")
	delta := rapid.Int64Range(-1000, 1000).Draw(t, "delta")
	value, there := m.model[key]
	before, err := m.db.FetchAdd([]byte(key), delta)
	if there && len(value) != 8 {
		if !errors.Is(err, bitcask.ErrInvalidArgument) {
			t.Fatalf("adding to %d bytes: %v", len(value), err)
		}
		return
	}
	m.fatal(t, "fetch add", err)
	var want int64
	if there {
		want = int64(binary.LittleEndian.Uint64([]byte(value)))
	}
	if before != want {
		t.Fatalf("%q was %d, want %d", key, before, want)
	}
	m.committed(putting(key, string(binary.LittleEndian.AppendUint64(nil, uint64(want+delta)))))
}

func (m *machine) LoadBegin(t *rapid.T) {
	if len(m.loads) > 2 {
		t.Skip("loads enough")
	}
	load, err := m.db.BulkLoad()
	m.fatal(t, "bulk load", err)
	m.loads = append(m.loads, &openLoad{load: load})
}

func (m *machine) pickLoad(t *rapid.T) (int, *openLoad) {
	if len(m.loads) == 0 {
		t.Skip("no load")
	}
	i := rapid.IntRange(0, len(m.loads)-1).Draw(t, "load")
	return i, m.loads[i]
}

func (m *machine) LoadPut(t *rapid.T) {
	_, l := m.pickLoad(t)
	for range rapid.IntRange(1, 10).Draw(t, "puts") {
		key, value := keys().Draw(t, "key"), values().Draw(t, "value")
		m.fatal(t, "bulk put", l.load.Put([]byte(key), []byte(value)))
		l.puts = append(l.puts, putting(key, value))
	}
}

func (m *machine) LoadEnd(t *rapid.T) {
	i, l := m.pickLoad(t)
	m.loads = slices.Delete(m.loads, i, i+1)
	if rapid.IntRange(0, 3).Draw(t, "drop") > 0 {
		m.fatal(t, "bulk finish", l.load.Finish())
		m.committed(l.puts...)
	}
	l.load.Close()
}

func (m *machine) Numbers(t *rapid.T) {
	key, value := keys().Draw(t, "key"), values().Draw(t, "value")
	before, err := m.db.LastSeq()
	m.fatal(t, "last seq", err)
	seq, err := m.db.PutSeq([]byte(key), []byte(value))
	m.fatal(t, "put seq", err)
	m.committed(putting(key, value))
	if seq <= before {
		t.Fatalf("%d after %d", seq, before)
	}
	if rapid.Bool().Draw(t, "wait") {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m.fatal(t, "wait durable", m.db.WaitDurable(ctx, seq))
		durable, err := m.db.DurableSeq()
		m.fatal(t, "durable seq", err)
		if durable != seq {
			t.Fatalf("durable is %d, last %d", durable, seq)
		}
	}
}

// Reader is a store opened for reading only beside the writer, which it follows when it is told to.
func (m *machine) Reader(t *rapid.T) {
	switch {
	case m.reader == nil:
		reader, err := bitcask.Open(m.path, bitcask.WithReadOnly(), bitcask.WithIndex(rapid.SampledFrom(kinds).Draw(t, "index").index))
		m.fatal(t, "open a reader", err)
		m.reader, m.shown = reader, maps.Clone(m.model)
	case rapid.IntRange(0, 5).Draw(t, "close") == 0:
		m.fatal(t, "close a reader", m.reader.Close())
		m.reader = nil
		return
	case rapid.Bool().Draw(t, "refresh"):
		refreshed, err := m.reader.Refresh()
		m.fatal(t, "refresh", err)
		if !refreshed.Changed() && !maps.Equal(m.shown, m.model) {
			t.Fatal("nothing changed")
		}
		m.shown = maps.Clone(m.model)
	}
	n := 0
	it := m.reader.All()
	for key, value := range it.Seq() {
		if want, there := m.shown[string(key)]; !there || want != string(value) {
			t.Fatalf("the reader shows %q with %d bytes; want %v, %d", key, len(value), there, len(want))
		}
		n++
	}
	m.fatal(t, "iterate a reader", it.Err())
	if n != len(m.shown) {
		t.Fatalf("the reader shows %d records, want %d", n, len(m.shown))
	}
}
