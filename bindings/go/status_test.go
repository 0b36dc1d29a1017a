// Errors: Go's table is the library's, and errors.Is finds everything that an error is.

package bitcask_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestStatusesAreTheLibrarys(t *testing.T) {
	known := 0
	for code := int32(-10); code < 1000; code++ {
		want := bitcask.LibraryStatusName(code)
		if got := bitcask.Status(code).Name(); got != want {
			t.Errorf("status %d: Go says %s, the library %s", code, got, want)
		}
		if want != "UNKNOWN" {
			known++
		}
	}
	if known < 24 {
		t.Errorf("the library told %d statuses", known)
	}
}

func TestStatusTexts(t *testing.T) {
	for status, want := range map[bitcask.Status]string{
		bitcask.ErrNotFound: "bitcask: key not found",
		bitcask.ErrClosed:   "bitcask: closed",
		12345:               "bitcask: status 12345",
	} {
		if got := status.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	bare := &bitcask.Error{Status: bitcask.ErrKeyEmpty, Op: "put", Offset: -1}
	if want := "bitcask: put: the key is empty"; bare.Error() != want {
		t.Errorf("got %q, want %q", bare.Error(), want)
	}
}

func TestErrorIs(t *testing.T) {
	err := error(&bitcask.Error{
		Status: bitcask.ErrDiskFull, Op: "put", Path: "/store/1.data", Offset: 7, Errno: syscall.ENOSPC,
		Message: "/store/1.data: write failed at offset 7: no space left on device",
	})
	for _, target := range []error{bitcask.ErrDiskFull, syscall.ENOSPC} {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
	for _, target := range []error{bitcask.ErrIO, bitcask.ErrNotFound, syscall.EIO} {
		if errors.Is(err, target) {
			t.Errorf("%v is %v", err, target)
		}
	}
	if want := "bitcask: put: /store/1.data: write failed at offset 7: no space left on device"; err.Error() != want {
		t.Errorf("got %q", err.Error())
	}
	var details *bitcask.Error
	if !errors.As(err, &details) || details.Offset != 7 {
		t.Error("errors.As found no details")
	}
}

// An error of the operating system, from its number up to Go's own sentinels.
func TestErrnoFromTheLibrary(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "missing")
	_, err := bitcask.Open(filepath.Join(parent, "store"))
	var details *bitcask.Error
	if !errors.As(err, &details) {
		t.Fatalf("got %v", err)
	}
	if details.Op != "open" || details.Status != bitcask.ErrIO || details.Errno != syscall.ENOENT ||
		!strings.HasPrefix(details.Path, parent) || details.Offset != -1 {
		t.Fatalf("%#v", details)
	}
	if !errors.Is(err, syscall.ENOENT) || !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, bitcask.ErrIO) {
		t.Fatalf("%v is not what it is", err)
	}
	if !strings.HasPrefix(err.Error(), "bitcask: open: ") || !strings.Contains(err.Error(), parent) {
		t.Fatalf("got %q", err)
	}
}

// Damage to a stored value is told with file and offset, and never served.
func TestDamageIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	db := openAt(t, path)
	put(t, db, "good", "a value that stays whole")
	put(t, db, "bad", "a value that will be damaged")
	must(t, db.Sync())
	files, err := filepath.Glob(filepath.Join(path, "*.data"))
	must(t, err)
	hits := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		at := strings.Index(string(content), "will be damaged")
		if at < 0 {
			continue
		}
		hits++
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt([]byte{'W'}, int64(at))
		must(t, err)
		must(t, f.Close())
	}
	if hits != 1 {
		t.Fatalf("found the value in %d of %d files", hits, len(files))
	}
	_, err = db.Get([]byte("bad"))
	wantErr(t, err, bitcask.ErrCorrupted)
	var details *bitcask.Error
	if !errors.As(err, &details) || details.Offset < 0 || filepath.Ext(details.Path) != ".data" || details.Op != "get" {
		t.Fatalf("%#v", err)
	}
	wantValue(t, db, "good", "a value that stays whole")
	it := db.All()
	seen := 0
	for range it.Seq() {
		seen++
	}
	wantErr(t, it.Err(), bitcask.ErrCorrupted)
	if seen > 1 {
		t.Fatalf("iterated over %d records", seen)
	}
	it = db.All()
	defer it.Close()
	if it.Next() {
		t.Fatalf("it begins with %s", it.Key())
	}
	wantErr(t, it.Err(), bitcask.ErrCorrupted)
	must(t, it.SkipDamaged())
	if !it.Next() || string(it.Key()) != "good" || it.Next() || it.Err() != nil {
		t.Fatalf("behind the damage: %s, %v", it.Key(), it.Err())
	}
	must(t, it.SkipDamaged())

	// An opening without hint and saved index reads all, and finds it.
	must(t, db.Close())
	_, err = db.OpenReport()
	wantErr(t, err, bitcask.ErrClosed)
	wantErr(t, it.SkipDamaged(), bitcask.ErrClosed)
	must(t, os.Remove(filepath.Join(path, "1.hint")))
	must(t, os.Remove(filepath.Join(path, "index.checkpoint")))
	db = openAt(t, path, bitcask.WithOnDamage(bitcask.OnDamageServe))
	report, err := db.OpenReport()
	must(t, err)
	if len(report.Damage) != 1 || filepath.Base(report.Damage[0].Path) != "1.data" || report.Damage[0].Length == 0 || report.Damage[0].What == "" ||
		report.Files != 1 || report.ActiveFile == 0 || report.LastSeq < 2 || report.IndexUsed || report.Torn != nil || report.UnusableHints != nil {
		t.Errorf("%+v", report)
	}
}
