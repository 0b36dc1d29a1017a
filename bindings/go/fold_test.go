// Folds and lists of keys.

package bitcask_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/libbitcask/libbitcask/bindings/go"
)

func TestFold(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		db := open(t, bitcask.WithIndex(index))
		wantEmpty := func(want bool) {
			t.Helper()
			if empty, err := db.IsEmpty(); err != nil || empty != want {
				t.Errorf("empty: %v, %v", empty, err)
			}
		}
		wantEmpty(true)
		if keys, err := db.ListKeys(); err != nil || keys != nil {
			t.Errorf("%q, %v", keys, err)
		}
		for _, key := range []string{"b", "c", "a"} {
			put(t, db, key, "of "+key)
		}
		wantEmpty(false)
		keys, err := db.ListKeys()
		must(t, err)
		if got := string(bytes.Join(keys, []byte(" "))); got != "a b c" {
			t.Errorf("keys %s", got)
		}
		join := func(all string, key, value []byte) string { return all + fmt.Sprintf("%s=%s ", key, value) }
		all, err := bitcask.Fold(db, "> ", join, bitcask.Reverse())
		must(t, err)
		if all != "> c=of c b=of b a=of a " {
			t.Errorf("fold %s", all)
		}
		snapshot, err := db.Snapshot()
		must(t, err)
		defer snapshot.Close()
		put(t, db, "d", "")
		n, err := bitcask.FoldKeys(snapshot, 0, func(n int, key []byte) int { return n + len(key) }, bitcask.From([]byte("b")))
		must(t, err)
		if n != 2 {
			t.Errorf("%d bytes of keys", n)
		}
		must(t, db.Close())
		_, err = bitcask.Fold(db, "", join)
		wantErr(t, err, bitcask.ErrClosed)
		_, err = db.ListKeys()
		wantErr(t, err, bitcask.ErrClosed)
		_, err = db.IsEmpty()
		wantErr(t, err, bitcask.ErrClosed)
	})
}
