package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// fate tells what becomes of a file in the second act: 0 and 1 stay, 2 is overwritten, 3 is overwritten and then deleted.
func fate(path string) int {
	sum := 0
	for i := range len(path) {
		sum += int(path[i])
	}
	return sum % 4
}

// then gives what a file must be at a moment of the second act, and false if it must be gone.
func then(path string, contents []byte, phase byte, last string) ([]byte, bool) {
	fate := fate(path)
	switch {
	case fate < 2, phase == '0', phase == '1' && path > last:
		return contents, true
	case fate == 3 && (phase == '3' || phase == '2' && path <= last):
		return nil, false
	}
	slices.Reverse(contents)
	return append([]byte("turned:"), contents...), true
}

// look compares the store with what it must be at this moment.
func look(db *bitcask.DB, d *differences, phase byte, last string) error {
	there := make(map[string]bool, len(d.tree.paths))
	for _, path := range d.tree.paths {
		contents, ok := d.tree.read(path)
		if !ok {
			continue
		}
		expected, isThere := then(path, contents, phase, last)
		if isThere {
			there[path] = true
		}
		value, err := db.Get([]byte(path))
		found := err == nil
		switch {
		case err != nil && !errors.Is(err, bitcask.ErrNotFound):
			d.note("%q: %v", path, err)
		case isThere && !found:
			d.add(path, "missing in the store")
		case !isThere && found:
			d.add(path, "was deleted, and is there")
		case isThere && !bytes.Equal(value, expected):
			d.add(path, "not what it was at this moment: "+whereDifferent(value, expected))
		}
	}
	keys := db.All(bitcask.KeysOnly())
	for key := range keys.Seq() {
		if key[0] != '/' && !there[string(key)] {
			d.add(string(key), "listed, but no file of this moment")
		}
	}
	return keys.Err()
}

// beside looks at the store again and again, until the second act is over.
func beside(work, root string) (same bool, err error) {
	t := &tree{root: root}
	if t.work, err = os.Stat(work); err != nil {
		return false, err
	}
	t.walk("")
	db, err := bitcask.Open(filepath.Join(work, "store"), bitcask.WithReadOnly())
	if err != nil {
		return false, err
	}
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	started, err := ownNumber(db, "/demo/started")
	if err != nil {
		return false, err
	}
	d := &differences{tree: t, started: started - 1e9}
	looks, midst := 0, 0
	for before := ""; ; {
		if looks > 0 {
			if _, err := db.Refresh(); err != nil {
				return false, err
			}
		}
		looks++
		moment, err := ownKey(db, "/demo/second")
		if err != nil {
			return false, err
		}
		if moment < before {
			d.note("the store went back from %q to %q", before, moment)
		}
		before = moment
		phase := moment[0]
		if err := look(db, d, phase, moment[2:]); err != nil {
			return false, err
		}
		if d.count > 10 {
			fmt.Fprintf(os.Stderr, "Go: and %d more\n", d.count-10)
		}
		if d.count > 0 {
			return false, nil
		}
		if phase == '3' {
			break
		}
		if phase != '0' {
			midst++
		}
		// By another name first, so that nobody reads half of it.
		name := filepath.Join(work, "looks-new-"+me)
		if err := os.WriteFile(name, []byte(strconv.Itoa(midst)), 0o644); err != nil {
			return false, err
		}
		if err := os.Rename(name, filepath.Join(work, "looks-"+me)); err != nil {
			return false, err
		}
	}
	fmt.Printf("Go: %d looks, %d of them in the midst; %d changed meanwhile\n", looks, midst, d.changed)
	return true, nil
}
