// Examples of the documentation, which the tests run.

package bitcask_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// exampleStore opens a store in a directory of its own; the function closes and removes it.
func exampleStore(opts ...bitcask.Option) (*bitcask.DB, func()) {
	dir, err := os.MkdirTemp("", "bitcask-example-")
	if err != nil {
		log.Fatal(err)
	}
	db, err := bitcask.Open(filepath.Join(dir, "store"), opts...)
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "bitcask-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	db, err := bitcask.Open(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	if err := db.Put([]byte("greeting"), []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := db.Get([]byte("greeting"))
	fmt.Println(string(value), err)
	_, err = db.Get([]byte("farewell"))
	fmt.Println(errors.Is(err, bitcask.ErrNotFound))
	existed, err := db.Delete([]byte("greeting"))
	fmt.Println(existed, err)
	// Output:
	// hello <nil>
	// true
	// true <nil>
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "bitcask-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	_, err = bitcask.Open(filepath.Join(dir, "missing"), bitcask.WithCreateIfMissing(false))
	fmt.Println(errors.Is(err, bitcask.ErrNoStore))

	db, err := bitcask.Open(filepath.Join(dir, "store"),
		bitcask.WithIndex(bitcask.IndexHash),
		bitcask.WithDurability(bitcask.DurabilityAlways),
		bitcask.WithMaxFileSize(256<<20))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Close())
	// Output:
	// true
	// <nil>
}

func ExampleDB_AppendTo() {
	db, done := exampleStore()
	defer done()
	for _, key := range []string{"a", "b"} {
		if err := db.Put([]byte(key), []byte("value of "+key)); err != nil {
			log.Fatal(err)
		}
	}

	buf := make([]byte, 0, 4096) // serves all gets: none of them allocates
	for _, key := range []string{"a", "b"} {
		value, err := db.AppendTo(buf[:0], []byte(key))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", value)
	}
	// Output:
	// value of a
	// value of b
}

func ExampleDB_MultiGet() {
	db, done := exampleStore()
	defer done()
	if err := db.Put([]byte("a"), []byte("1")); err != nil {
		log.Fatal(err)
	}
	if err := db.Put([]byte("b"), nil); err != nil {
		log.Fatal(err)
	}

	values, err := db.MultiGet([][]byte{[]byte("b"), []byte("x"), []byte("a")})
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range values {
		fmt.Printf("%q, missing: %v\n", value, value == nil)
	}
	// Output:
	// "", missing: false
	// "", missing: true
	// "1", missing: false
}

func ExampleDB_Count() {
	db, done := exampleStore()
	defer done()
	for _, key := range []string{"user:1", "user:2", "user:3", "zebra"} {
		if err := db.Put([]byte(key), []byte("…")); err != nil {
			log.Fatal(err)
		}
	}
	users, err := db.Count(bitcask.WithPrefix([]byte("user:")))
	if err != nil {
		log.Fatal(err)
	}
	last, _, err := db.Last()
	fmt.Println(users, string(last), err)
	// Output: 3 zebra <nil>
}

func ExampleDB_NewBatch() {
	db, done := exampleStore()
	defer done()
	if err := db.Put([]byte("account:1"), []byte("100")); err != nil {
		log.Fatal(err)
	}

	batch := db.NewBatch()
	defer batch.Close()
	err := errors.Join(
		batch.Put([]byte("account:2"), []byte("100")),
		batch.Delete([]byte("account:1")),
	)
	if err == nil {
		err = batch.Commit(bitcask.Sync())
	}
	fmt.Println(err)
	n, err := db.Len()
	fmt.Println(n, err)
	// Output:
	// <nil>
	// 1 <nil>
}

func ExampleDB_Prefix() {
	db, done := exampleStore()
	defer done()
	for key, value := range map[string]string{"user:1": "Ada", "user:2": "Alan", "group:1": "admins"} {
		if err := db.Put([]byte(key), []byte(value)); err != nil {
			log.Fatal(err)
		}
	}

	it := db.Prefix([]byte("user:"))
	for key, value := range it.Seq() {
		fmt.Printf("%s is %s\n", key, value)
	}
	if err := it.Err(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// user:1 is Ada
	// user:2 is Alan
}

func ExampleDB_Range() {
	db, done := exampleStore()
	defer done()
	for i := range 100 {
		if err := db.Put(fmt.Appendf(nil, "%02d", i), nil); err != nil {
			log.Fatal(err)
		}
	}

	it := db.Range(bitcask.From([]byte("20")), bitcask.Before([]byte("50")),
		bitcask.Reverse(), bitcask.Limit(3), bitcask.KeysOnly())
	for key := range it.Seq() {
		fmt.Printf("%s\n", key)
	}
	fmt.Println(it.Err())
	// Output:
	// 49
	// 48
	// 47
	// <nil>
}

func ExampleIterator_Seek() {
	db, done := exampleStore()
	defer done()
	for _, key := range []string{"apple", "banana", "cherry"} {
		if err := db.Put([]byte(key), nil); err != nil {
			log.Fatal(err)
		}
	}

	it := db.All()
	defer it.Close()
	if err := it.Seek([]byte("b")); err != nil {
		log.Fatal(err)
	}
	for it.Next() {
		fmt.Printf("%s\n", it.Key())
	}
	fmt.Println(it.Err())
	// Output:
	// banana
	// cherry
	// <nil>
}

func ExampleError() {
	db, done := exampleStore()
	defer done()

	_, err := bitcask.Open(db.Path()) // it is open already
	var details *bitcask.Error
	fmt.Println(errors.Is(err, bitcask.ErrLocked))
	fmt.Println(errors.As(err, &details) && details.Op == "open" && details.Path != "")
	// Output:
	// true
	// true
}

func ExampleDB_Update() {
	db, done := exampleStore()
	defer done()
	if err := db.Put([]byte("stock"), []byte{5}); err != nil {
		log.Fatal(err)
	}
	errSoldOut := errors.New("sold out")
	buy := func(item []byte) error {
		// Called again if somebody else changes the stock meanwhile.
		return db.Update(func(txn *bitcask.Txn) error {
			stock, err := txn.Get(item)
			switch {
			case err != nil:
				return err
			case stock[0] == 0:
				return errSoldOut
			}
			stock[0]--
			return txn.Put(item, stock)
		}, bitcask.Sync())
	}
	fmt.Println(buy([]byte("stock")))
	fmt.Println(buy([]byte("shelf")))
	stock, err := db.Get([]byte("stock"))
	fmt.Println(stock, err)
	// Output:
	// <nil>
	// bitcask: key not found
	// [4] <nil>
}

func ExampleDB_View() {
	db, done := exampleStore()
	defer done()
	for _, key := range []string{"a", "b", "c"} {
		if err := db.Put([]byte(key), nil); err != nil {
			log.Fatal(err)
		}
	}
	// All that is read in it is of one moment, whoever writes meanwhile.
	err := db.View(func(s *bitcask.Snapshot) error {
		if err := db.Put([]byte("d"), nil); err != nil {
			return err
		}
		keys, err := s.Len()
		if err != nil {
			return err
		}
		last, _, err := s.Last()
		fmt.Println(keys, string(last))
		return err
	})
	fmt.Println(err)
	// Output:
	// 3 c
	// <nil>
}

func ExampleDB_BulkLoad() {
	db, done := exampleStore()
	defer done()
	load, err := db.BulkLoad(bitcask.Sync())
	if err != nil {
		log.Fatal(err)
	}
	defer load.Close() // abandons it if it is not finished
	for i := range 1000 {
		if err := load.Put(fmt.Appendf(nil, "user:%06d", i), []byte("…")); err != nil {
			log.Fatal(err)
		}
	}
	if err := load.Finish(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Len())
	// Output:
	// 1000 <nil>
}

func ExampleDB_WaitDurable() {
	db, done := exampleStore(bitcask.WithDurability(bitcask.DurabilityNone))
	defer done()
	var last uint64
	for i := range 100 {
		seq, err := db.PutSeq([]byte{byte(i)}, nil) // waits for no disk
		if err != nil {
			log.Fatal(err)
		}
		last = seq
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(db.WaitDurable(ctx, last)) // one sync for all of them
	// Output:
	// <nil>
}

func ExampleWithProgress() {
	dir, err := os.MkdirTemp("", "bitcask-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := bitcask.OpenContext(context.Background(), filepath.Join(dir, "store"),
		bitcask.WithProgress(func(p bitcask.Progress) error {
			if p.Phase == bitcask.PhaseFinish {
				fmt.Printf("read %d records\n", p.Records)
			}
			return nil
		}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Close())
	// Output:
	// read 0 records
	// <nil>
}
