// The store in Go: open, put, get, a batch, all keys with a prefix, close.
//
//	go run ./go DIRECTORY
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("hello: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: hello DIRECTORY")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(directory string) (err error) {
	db, err := bitcask.Open(directory)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()

	if err := db.Put([]byte("user:1"), []byte("Ada")); err != nil {
		return err
	}
	value, err := db.Get([]byte("user:1"))
	if err != nil {
		return err
	}
	fmt.Printf("user:1 is %s\n", value)

	// All of it or nothing, after any crash.
	batch := db.NewBatch()
	defer batch.Close()
	if err := batch.Put([]byte("user:2"), []byte("Grace")); err != nil {
		return err
	}
	if err := batch.Put([]byte("user:3"), []byte("Edsger")); err != nil {
		return err
	}
	if err := batch.Delete([]byte("user:1")); err != nil {
		return err
	}
	if err := batch.Commit(bitcask.Sync()); err != nil {
		return err
	}

	users := db.Prefix([]byte("user:"))
	for key, value := range users.Seq() {
		fmt.Printf("%s: %s\n", key, value)
	}
	return users.Err()
}
