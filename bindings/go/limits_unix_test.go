// The limit of values, with a value that is address space and nothing else.

//go:build unix

package bitcask_test

import (
	"strconv"
	"syscall"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestValueTooLarge(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("needs more than 4 GiB of address space")
	}
	limit := uint64(bitcask.MaxValueLen)
	tooMuch, err := syscall.Mmap(-1, 0, int(limit+1), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(t, err)
	defer syscall.Munmap(tooMuch)
	db := open(t)
	wantErr(t, db.Put([]byte("k"), tooMuch), bitcask.ErrValueTooLarge)
	b := db.NewBatch()
	wantErr(t, b.Put([]byte("k"), tooMuch), bitcask.ErrValueTooLarge)
	b.Close()
	wantLen(t, db, 0)
}
