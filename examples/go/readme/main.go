// The README's program in Go. What is between the markers stands in README.md. It works in the directory that it is started in.
package main

import (
	"errors"
	"fmt"
	"os"

	bitcask "github.com/libbitcask/libbitcask/bindings/go"
)

func run() error {
	// README begins.
	db, err := bitcask.Open("store", bitcask.WithDurability(bitcask.DurabilityAlways))
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.Put([]byte("user:1"), []byte("Ada"))
	value, err := db.Get([]byte("user:1")) // errors.Is(err, bitcask.ErrNotFound)
	users := db.Prefix([]byte("user:"))
	for key, value := range users.Seq() {
		fmt.Printf("%s %s\n", key, value)
	}
	err = db.Update(func(txn *bitcask.Txn) error { // a transaction, again if it meets a conflict
		name, err := txn.Get([]byte("user:1"))
		if err != nil {
			return err
		}
		return txn.Put([]byte("user:2"), name)
	})
	// README ends.
	fmt.Printf("%s\n", value)
	return errors.Join(err, users.Err(), db.Close())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
