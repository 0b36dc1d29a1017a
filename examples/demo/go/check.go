// Compares a store with the directory it was made of, in Go. See ../README.md for what is checked and by which rules.
//
//	check WORK DIRECTORY [EARLIER...]
//	check --beside WORK DIRECTORY    in the second act: again and again, until that is over
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const me = "go"

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: check [--beside] WORK DIRECTORY [EARLIER...]")
		os.Exit(2)
	}
	var same bool
	var err error
	if os.Args[1] == "--beside" && len(os.Args) == 4 {
		same, err = beside(os.Args[2], os.Args[3])
	} else {
		same, err = run(os.Args[1], os.Args[2], os.Args[3:])
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "Go:", err)
		os.Exit(2)
	case !same:
		os.Exit(1)
	}
}

// tree is the directory that was stored. Paths are below its root.
type tree struct {
	root                string
	work                os.FileInfo
	paths               []string
	notRegular, leftOut int
}

func (t *tree) walk(below string) {
	entries, err := os.ReadDir(filepath.Join(t.root, below))
	if err != nil {
		t.leftOut++
		return
	}
	for _, entry := range entries {
		path := entry.Name()
		if below != "" {
			path = below + "/" + path
		}
		info, err := entry.Info() // does not follow links
		switch {
		case err != nil:
			t.leftOut++
		case info.IsDir():
			if !os.SameFile(info, t.work) {
				t.walk(path)
			}
		case info.Mode().IsRegular():
			t.paths = append(t.paths, path)
		default:
			t.notRegular++
		}
	}
}

// read gives the contents of a file, and false if it can't be read or is not stored.
func (t *tree) read(path string) ([]byte, bool) {
	if len(path) > bitcask.MaxKeyLen {
		return nil, false
	}
	file, err := os.OpenFile(filepath.Join(t.root, path), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > math.MaxUint32 {
		return nil, false
	}
	contents := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = io.Copy(contents, file)
	return contents.Bytes(), err == nil && contents.Len() <= math.MaxUint32
}

// changedSince tells whether a file, or if it is gone its nearest directory, changed at that time or later.
func (t *tree) changedSince(path string, nanoseconds int64) bool {
	for {
		var stat syscall.Stat_t
		if syscall.Lstat(filepath.Join(t.root, path), &stat) == nil {
			return changeTime(&stat) >= nanoseconds
		}
		if path == "" {
			return true
		}
		if path = filepath.Dir(path); path == "." {
			path = ""
		}
	}
}

type differences struct {
	tree           *tree
	started        int64
	count, changed int
}

// add notes one, unless the file changed meanwhile.
func (d *differences) add(path, what string) {
	if d.tree.changedSince(path, d.started) {
		d.changed++
	} else {
		d.note("%q: %s", path, what)
	}
}

func (d *differences) note(format string, args ...any) {
	if d.count++; d.count <= 10 {
		fmt.Fprintf(os.Stderr, "Go: "+format+"\n", args...)
	}
}

func whereDifferent(stored, file []byte) string {
	if len(stored) != len(file) {
		return fmt.Sprintf("the store has %d bytes, the file %d", len(stored), len(file))
	}
	at := 0
	for stored[at] == file[at] {
		at++
	}
	return fmt.Sprintf("other bytes from offset %d on", at)
}

func ownKey(db *bitcask.DB, key string) (string, error) {
	value, err := db.Get([]byte(key))
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return string(value), nil
}

func ownNumber(db *bitcask.DB, key string) (int64, error) {
	text, err := ownKey(db, key)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// run compares and tells whether all is the same; an error is for what kept it from comparing.
func run(work, root string, earlier []string) (same bool, err error) {
	t := &tree{root: root}
	if t.work, err = os.Stat(work); err != nil {
		return false, err
	}
	t.walk("")
	start := time.Now()
	db, err := bitcask.Open(filepath.Join(work, "store"), bitcask.WithCreateIfMissing(false))
	if err != nil {
		return false, err
	}
	opened := time.Since(start)
	defer func() {
		if closeErr := db.Close(); err == nil {
			err = closeErr
		}
	}()
	started, err := ownNumber(db, "/demo/started")
	if err != nil {
		return false, err
	}
	// A second earlier, because the kernel's clock for files is coarse.
	d := &differences{tree: t, started: started - int64(time.Second)}

	// Every file has its key, with its bytes.
	compared := make(map[string]bool, len(t.paths))
	var size int64
	start = time.Now()
	for _, path := range t.paths {
		contents, ok := t.read(path)
		if !ok {
			t.leftOut++
			continue
		}
		compared[path] = true
		size += int64(len(contents))
		value, err := db.Get([]byte(path))
		switch {
		case errors.Is(err, bitcask.ErrNotFound):
			d.add(path, "missing in the store")
		case err != nil:
			d.note("%q: %v", path, err)
		case !bytes.Equal(value, contents):
			d.add(path, whereDifferent(value, contents))
		}
	}
	took := time.Since(start)

	// Every key has its file.
	keys := db.All(bitcask.KeysOnly())
	for key := range keys.Seq() {
		if key[0] != '/' && !compared[string(key)] {
			d.add(string(key), "in the store, but no file that is stored")
		}
	}
	if keys.Err() != nil {
		return false, keys.Err()
	}

	// One folder, by its prefix, in order.
	folder, err := ownKey(db, "/demo/folder")
	if err != nil {
		return false, err
	}
	listed := map[string]bool{}
	if folder != "" {
		last := ""
		records := db.Prefix([]byte(folder), bitcask.KeysOnly())
		for key := range records.Seq() {
			if string(key) <= last {
				d.note("the folder %q is not listed in order", folder)
			}
			last = string(key)
			listed[last] = true
			if !compared[last] {
				d.add(last, "in the listing of the folder only")
			}
		}
		if records.Err() != nil {
			return false, records.Err()
		}
		for path := range compared {
			if strings.HasPrefix(path, folder) && !listed[path] {
				d.add(path, "not in the listing of its folder")
			}
		}
	}

	// Nothing that was acknowledged before the kill is lost.
	text, err := os.ReadFile(filepath.Join(work, "acknowledged"))
	if err != nil {
		return false, err
	}
	acknowledged, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return false, err
	}
	progress, err := ownNumber(db, "/demo/progress")
	if err != nil {
		return false, err
	}
	if progress < acknowledged {
		d.note("write %d was acknowledged, the store has %d", acknowledged, progress)
	}

	for _, name := range earlier {
		if added, err := ownKey(db, "/demo/added-by/"+name); err != nil || added != "added by "+name {
			d.note("the key of %s holds %q (%v)", name, added, err)
		}
	}
	if err := db.Put([]byte("/demo/added-by/"+me), []byte("added by "+me)); err != nil {
		return false, err
	}

	shown := folder
	if shown == "" {
		shown = "no folder"
	}
	fmt.Printf("Go: compared %d files, %.1f MB in %.2f s; %s has %d keys; left out %d not regular, %d unreadable or too large; %d changed meanwhile\n",
		len(compared), float64(size)/1e6, took.Seconds(), shown, len(listed), t.notRegular, t.leftOut, d.changed)
	if d.count > 10 {
		fmt.Fprintf(os.Stderr, "Go: and %d more\n", d.count-10)
	}
	if d.count > 0 {
		return false, nil
	}
	results, err := os.OpenFile(filepath.Join(work, "results"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return false, err
	}
	_, err = fmt.Fprintf(results, "Go\t%d\t%d\t%f\t%f\n", len(compared), size, took.Seconds(), opened.Seconds())
	return true, errors.Join(err, results.Close())
}
