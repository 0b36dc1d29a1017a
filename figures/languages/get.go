// Gets every key of a store twice and prints the nanoseconds of a get of the second round, as ../src/bin/core_get.rs does: first
// with Get, then with GetInto.
//
//	get STORE KEYS
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const keyLen, valueLen = 24, 150

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: get STORE KEYS")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(directory, keysFile string) error {
	keys, err := os.ReadFile(keysFile)
	if err != nil {
		return err
	}
	db, err := bitcask.Open(directory, bitcask.WithDurability(bitcask.DurabilityNone), bitcask.WithCreateIfMissing(false))
	if err != nil {
		return err
	}
	defer db.Close()
	buf := make([]byte, valueLen)
	for _, get := range []func(key []byte) (int, error){
		func(key []byte) (int, error) { value, err := db.Get(key); return len(value), err },
		func(key []byte) (int, error) { return db.GetInto(key, buf) },
	} {
		var each float64
		for range 2 {
			start := time.Now()
			for at := 0; at < len(keys); at += keyLen {
				if n, err := get(keys[at : at+keyLen]); err != nil || n != valueLen {
					return fmt.Errorf("a value has %d bytes: %w", n, err)
				}
			}
			each = float64(time.Since(start).Nanoseconds()) * keyLen / float64(len(keys))
		}
		fmt.Printf("%.1f\n", each)
	}
	return nil
}
