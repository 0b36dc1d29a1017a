// Go moves the stacks of goroutines as they grow, and ends the program if it then finds an address on one that can't be. What C gives for
// something empty may be such an address.

package bitcask_test

import (
	"context"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// deeper makes a call with n frames more on the stack.
//
//go:noinline
func deeper(n int, call func() error) (byte, error) {
	var frame [96]byte
	if n == 0 {
		return 0, call()
	}
	frame[n%len(frame)] = byte(n)
	sum, err := deeper(n-1, call)
	return sum + frame[(n*7)%len(frame)], err
}

// wherever makes a call again and again, each time where another place of it needs a larger stack.
func wherever(t *testing.T, what string, call func() error) {
	t.Helper()
	for depth := range 100 {
		failed := make(chan error)
		go func() {
			_, err := deeper(depth, call)
			failed <- err
		}()
		if err := <-failed; err != nil {
			t.Fatalf("%s at depth %d: %v", what, depth, err)
		}
	}
}

func TestEmptyResultsWhereverTheStackGrows(t *testing.T) {
	db := open(t, bitcask.WithDurability(bitcask.DurabilityNone), bitcask.WithBackgroundMerge(false))
	wherever(t, "a page without records", func() error {
		it := db.All()
		defer it.Close()
		it.Next()
		return it.Err()
	})
	wherever(t, "a merge of no files", func() error {
		report, err := db.Merge(context.Background())
		if err == nil && len(report.RemovedFiles)+len(report.CreatedFiles)+len(report.SkippedFiles) != 0 {
			t.Errorf("it was of files: %+v", report)
		}
		return err
	})
	put(t, db, "key", "")
	wherever(t, "a merge that skips no file", func() error {
		report, err := db.Merge(context.Background(), bitcask.MergeEverything())
		if err == nil && (len(report.RemovedFiles) == 0 || len(report.SkippedFiles) != 0) {
			t.Errorf("it was of files: %+v", report)
		}
		return err
	})
	wherever(t, "a record with an empty value", func() error {
		key, value, err := db.First()
		if string(key) != "key" || value == nil || len(value) != 0 {
			t.Errorf("it is %q: %q", key, value)
		}
		return err
	})
	wherever(t, "many empty values", func() error {
		values, err := db.MultiGet([][]byte{[]byte("key"), []byte("none"), []byte("key")})
		if err == nil && (len(values) != 3 || values[0] == nil || values[1] != nil || len(values[2]) != 0) {
			t.Errorf("they are %q", values)
		}
		return err
	})
}
