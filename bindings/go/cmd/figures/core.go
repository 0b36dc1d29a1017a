// The same gets without Go: a loop in C over the library's C ABI, which tells what Go adds. In the same process and in turns
// with Go's own rounds, so that both meet the same machine.

package main

/*
#cgo CFLAGS: -O2 -I${SRCDIR}/../../../../include
#include <bitcask.h>
#include <stdlib.h>

static bitcask_db *figures_open(const char *path, int32_t index) {
    bitcask_options *options = bitcask_options_new();
    bitcask_db *db = NULL;
    bitcask_options_set_index(options, index, NULL);
    bitcask_options_set_durability(options, BITCASK_DURABILITY_NONE, NULL);
    bitcask_open(path, options, &db, NULL);
    bitcask_options_free(options);
    return db;
}

// Gets n keys of key_len bytes, the first at number `at`, into one buffer; gives how many were there.
static size_t figures_get(bitcask_db *db, const uint8_t *keys, size_t count, size_t key_len, size_t at, size_t n) {
    uint8_t buf[1024];
    size_t found = 0, len;
    while (n-- > 0) {
        found += bitcask_get_into(db, keys + at * key_len, key_len, buf, sizeof buf, &len, NULL) == BITCASK_OK;
        if (++at == count)
            at = 0;
    }
    return found;
}
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// compare measures gets by Go and by C, in turns, on a store and a copy of it, opened alike, and prints both with their
// difference. (Opened for reading only a store is not mapped, which would make the two equally slow.)
func compare(m *meter, path string, index bitcask.Index) error {
	twin := path + "-twin"
	if err := os.CopyFS(twin, os.DirFS(path)); err != nil {
		return err
	}
	db, err := bitcask.Open(path, bitcask.WithIndex(index), bitcask.WithDurability(bitcask.DurabilityNone))
	if err != nil {
		return err
	}
	defer db.Close()
	cpath := C.CString(twin)
	defer C.free(unsafe.Pointer(cpath))
	core := C.figures_open(cpath, C.int32_t(index))
	if core == nil {
		return fmt.Errorf("%s: the C ABI does not open it", twin)
	}
	defer C.bitcask_close(core, nil)

	// The C loop reads its keys in order from one block, and so does Go here: an index of slices is one miss more.
	block := make([]byte, 0, len(m.keys)*keyLen)
	for _, key := range m.keys {
		block = append(block, key...)
	}
	bestGo, bestC := 0.0, 0.0
	for round := range *rounds {
		at := round * *gets % len(m.keys)
		begin := clock()
		found := C.figures_get(core, (*C.uint8_t)(unsafe.SliceData(block)), C.size_t(len(m.keys)), keyLen, C.size_t(at), C.size_t(*gets))
		inC := float64(clock()-begin) / float64(*gets)
		if int(found) != *gets {
			return fmt.Errorf("%s: C found %d keys of %d", path, found, *gets)
		}
		begin = clock()
		for range *gets {
			if _, err := db.Get(block[at*keyLen : (at+1)*keyLen]); err != nil {
				return err
			}
			if at++; at == len(m.keys) {
				at = 0
			}
		}
		inGo := float64(clock()-begin) / float64(*gets)
		if round == 0 || inC < bestC {
			bestC = inC
		}
		if round == 0 || inGo < bestGo {
			bestGo = inGo
		}
	}
	m.print("c_get_ns", bestC, "ns")
	m.print("go_get_beside_c_ns", bestGo, "ns")
	m.print("go_get_extra_ns", bestGo-bestC, "ns")
	return m.err
}
