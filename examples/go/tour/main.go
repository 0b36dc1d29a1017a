// The program of bindings/go/README.md: what is between the markers stands there. It works in the directory that it is started in.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	bitcask "github.com/libbitcask/libbitcask/bindings/go"
)

func run() error {
	ctx := context.Background()
	k1, v1, k2, v2 := []byte("user:2"), []byte("Grace"), []byte("user:3"), []byte("Edsger")
	// README begins.
	db, err := bitcask.Open("store")
	if err != nil {
		return err
	}
	defer db.Close()

	err = db.Put([]byte("user:1"), []byte("Ada"))
	value, err := db.Get([]byte("user:1")) // a copy; errors.Is(err, bitcask.ErrNotFound) if missing
	existed, err := db.Delete([]byte("user:1"))

	batch := db.NewBatch() // all or nothing
	err = errors.Join(batch.Put(k1, v1), batch.Put(k2, v2))
	err = batch.Commit(bitcask.Sync()) // on stable storage when it returns

	err = db.Update(func(txn *bitcask.Txn) error { // a transaction, again if it meets a conflict
		name, err := txn.Get(k1)
		if err != nil {
			return err
		}
		return errors.Join(txn.Put(k2, name), txn.Delete(k1))
	})
	err = db.View(func(s *bitcask.Snapshot) error { // the store at one moment; also db.Snapshot()
		value, err = s.Get(k2)
		return err
	})
	before, err := db.FetchAdd([]byte("hits"), 1) // also CompareAndSwap, PutIfAbsent

	load, err := db.BulkLoad() // any number of pairs, all or nothing
	err = errors.Join(load.Put(k1, v1), load.Finish())

	seq, err := db.PutSeq(k1, v1) // write now, and wait for the disk later, with as many others as there are
	err = db.WaitDurable(ctx, seq)

	values, err := db.MultiGet([][]byte{k1, k2}) // of one moment, in one crossing; nil for each that is missing
	users, err := db.Count(bitcask.WithPrefix([]byte("user:")))
	first, value, err := db.First() // also Last; RandomKey; ValueSize, which reads no value

	total, err := bitcask.Fold(db, 0, func(n int, key, value []byte) int { return n + len(value) }) // also FoldKeys, ListKeys, IsEmpty

	report, err := db.Merge(ctx) // gives back what overwritten and deleted records take

	it := db.Prefix([]byte("user:"), bitcask.Limit(10))
	for key, value := range it.Seq() {
		fmt.Printf("%s = %s\n", key, value)
	}
	err = it.Err()
	// README ends.
	fmt.Printf("%t %d %s %d %s %d %d %d\n", existed, before, values, users, first, len(value), total, len(report.RemovedFiles))
	return errors.Join(err, db.Close())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
