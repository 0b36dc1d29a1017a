// Merges: by policy and by hand, stopped, held up, and beside a close.

package bitcask_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libbitcask/libbitcask/bindings/go"
)

const mergeKeys = 200

// eager makes nearly every file worth a merge, and many files of little data. Nothing merges by itself.
var eager = []bitcask.Option{bitcask.WithMaxFileSize(8192), bitcask.WithDurability(bitcask.DurabilityNone),
	bitcask.WithFragMergeTrigger(30), bitcask.WithFragThreshold(10), bitcask.WithSmallFileThreshold(0), bitcask.WithBackgroundMerge(false)}

func mergeValue(i, round int) []byte { return fmt.Appendf(nil, "%100d of round %d", i, round) }

// halfDead overwrites every key once, and deletes every fifth.
func halfDead(t *testing.T, db *bitcask.DB) {
	t.Helper()
	for round := range 2 {
		for i := range mergeKeys {
			must(t, db.Put(fmt.Appendf(nil, "%04d", i), mergeValue(i, round)))
		}
	}
	for i := 0; i < mergeKeys; i += 5 {
		_, err := db.Delete(fmt.Appendf(nil, "%04d", i))
		must(t, err)
	}
}

func wantHalfDead(t *testing.T, db *bitcask.DB) {
	t.Helper()
	wantLen(t, db, mergeKeys-mergeKeys/5)
	i := 0
	for key, value := range db.All().Seq() {
		if i%5 == 0 {
			i++
		}
		if string(key) != fmt.Sprintf("%04d", i) || !bytes.Equal(value, mergeValue(i, 1)) {
			t.Fatalf("%q is %q", key, value)
		}
		i++
	}
}

// sumOf adds up a figure of all files.
func sumOf(t *testing.T, files []bitcask.FileStats, err error, figure func(bitcask.FileStats) uint64) (sum uint64) {
	t.Helper()
	must(t, err)
	for i, file := range files {
		if i > 0 && file.ID <= files[i-1].ID || file.Bytes == 0 || file.MinSeq > file.MaxSeq || time.Since(file.Created).Abs() > 24*time.Hour {
			t.Fatalf("%+v", file)
		}
		sum += figure(file)
	}
	return sum
}

func TestMerge(t *testing.T) {
	forEachIndex(t, func(t *testing.T, index bitcask.Index) {
		ctx := context.Background()
		path := filepath.Join(t.TempDir(), "store")
		db := openAt(t, path, append(eager, bitcask.WithIndex(index))...)
		halfDead(t, db)
		// Else a sync in the background may mark the log between two looks at it.
		must(t, db.Sync())
		live := func(f bitcask.FileStats) uint64 { return f.LiveRecords }
		dead := func(f bitcask.FileStats) uint64 { return f.DeadRecords }
		tombstones := func(f bitcask.FileStats) uint64 { return f.Tombstones }
		before, err := db.FileStats()
		if got := sumOf(t, before, err, live); got != mergeKeys-mergeKeys/5 {
			t.Errorf("live: %d", got)
		}
		if got := sumOf(t, before, nil, dead); got != mergeKeys+mergeKeys/5 {
			t.Errorf("dead: %d", got)
		}
		if last := before[len(before)-1]; !last.Active || last.Merged || last.Damaged {
			t.Errorf("%+v", last)
		}
		counted, err := db.Recount()
		must(t, err)
		if !slices.Equal(counted, before) {
			t.Errorf("%+v, counted %+v", before, counted)
		}

		need, err := db.MergeNeeded()
		must(t, err)
		if need == nil || len(need.Files) < 2 || need.ReclaimableBytes == 0 || !need.InWindow || !strings.Contains(need.Reason, "data file") {
			t.Fatalf("%+v", need)
		}
		told := bitcask.MergeProgress{}
		report, err := db.Merge(ctx, bitcask.WithMergeProgress(func(p bitcask.MergeProgress) error {
			told = p
			return nil
		}))
		must(t, err)
		if !slices.Equal(report.RemovedFiles, need.Files) || len(report.CreatedFiles) == 0 || report.SkippedFiles != nil {
			t.Errorf("%+v after %+v", report, need)
		}
		if report.RemovedBytes <= report.CreatedBytes || report.CreatedBytes == 0 || report.DroppedRecords == 0 ||
			report.CopiedRecords != report.InstalledRecords || report.BytesRead <= report.RemovedBytes || report.BytesWritten == 0 {
			t.Errorf("%+v", report)
		}
		if told.BytesTotal != report.RemovedBytes || told.BytesRead == 0 || told.BytesWritten == 0 {
			t.Errorf("told %+v", told)
		}
		needs, err := db.NeedsMerge()
		must(t, err)
		if need, err := db.MergeNeeded(); needs || need != nil || err != nil {
			t.Errorf("still %+v, %v", need, err)
		}
		wantHalfDead(t, db)

		report, err = db.Merge(ctx, bitcask.MergeEverything(), bitcask.MergeBytesPerSecond(1<<30))
		must(t, err)
		if len(report.RemovedFiles) == 0 {
			t.Errorf("%+v", report)
		}
		files, err := db.Recount()
		if sumOf(t, files, err, dead) != 0 || sumOf(t, files, nil, tombstones) != 0 || !files[0].Merged && !files[1].Merged {
			t.Errorf("%+v", files)
		}
		wantHalfDead(t, db)
		must(t, db.Close())
		wantHalfDead(t, openAt(t, path, bitcask.WithIndex(index)))
	})
}

func TestMergeOfFiles(t *testing.T) {
	db := open(t, eager...)
	halfDead(t, db)
	ctx := context.Background()
	report, err := db.Merge(ctx, bitcask.MergeFiles(2, 1))
	must(t, err)
	if !slices.Equal(report.RemovedFiles, []uint32{1, 2}) {
		t.Errorf("%+v", report)
	}
	_, err = db.Merge(ctx, bitcask.MergeFiles(1))
	wantErr(t, err, bitcask.ErrInvalidArgument)
	report, err = db.Merge(ctx, bitcask.MergeFiles())
	must(t, err)
	if len(report.RemovedFiles) > 0 {
		t.Errorf("%+v", report)
	}
	wantHalfDead(t, db)
}

func TestMergePolicy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for _, wrong := range []bitcask.Option{bitcask.WithMergeWindow(0, 24), bitcask.WithMergeWindow(-1, -1), bitcask.WithFragThreshold(-1),
		bitcask.WithFragMergeTrigger(math.MinInt)} {
		_, err := bitcask.Open(path, wrong)
		wantErr(t, err, bitcask.ErrInvalidArgument)
	}
	never := []bitcask.Option{bitcask.WithFragMergeTrigger(101), bitcask.WithFragThreshold(math.MaxInt)}
	hour := time.Now().UTC().Hour()
	db := openAt(t, path, append(eager, never...)...)
	halfDead(t, db)
	for _, want := range []struct {
		opts             []bitcask.Option
		needed, inWindow bool
	}{
		{nil, false, false},
		{[]bitcask.Option{bitcask.WithDeadBytesMergeTrigger(4096), bitcask.WithDeadBytesThreshold(4096)}, true, true},
		{[]bitcask.Option{bitcask.WithFragMergeTrigger(30), bitcask.WithSmallFileThreshold(1 << 30)}, true, true},
		// Hours away, also if the hour turns meanwhile.
		{[]bitcask.Option{bitcask.WithFragMergeTrigger(30), bitcask.WithFragThreshold(30), bitcask.WithMergeWindow((hour+6)%24, (hour+8)%24)}, true, false},
	} {
		must(t, db.Close())
		db = openAt(t, path, append(append(slices.Clone(eager), never...), want.opts...)...)
		need, err := db.MergeNeeded()
		must(t, err)
		if (need != nil) != want.needed || need != nil && need.InWindow != want.inWindow {
			t.Errorf("%d options: %+v", len(want.opts), need)
		}
	}
}

func TestMergeStopped(t *testing.T) {
	db := open(t, eager...)
	halfDead(t, db)
	enough := errors.New("enough")
	_, err := db.Merge(context.Background(), bitcask.WithMergeProgress(func(p bitcask.MergeProgress) error {
		return fmt.Errorf("at %d: %w", p.BytesRead, enough)
	}))
	wantErr(t, err, bitcask.ErrCancelled)
	wantErr(t, err, enough)

	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(enough)
	_, err = db.Merge(ctx)
	for _, want := range []error{bitcask.ErrCancelled, context.Canceled, enough} {
		wantErr(t, err, want)
	}
	// While it is paused.
	must(t, db.PauseMerge())
	ctx, cancel = context.WithCancelCause(context.Background())
	n := 0
	_, err = db.Merge(ctx, bitcask.WithMergeProgress(func(bitcask.MergeProgress) error {
		if n++; n == 3 {
			cancel(enough)
		}
		return nil
	}))
	for _, want := range []error{bitcask.ErrCancelled, context.Canceled, enough} {
		wantErr(t, err, want)
	}
	must(t, db.ResumeMerge())

	func() {
		defer func() {
			if got := recover(); got != "oh" {
				t.Errorf("recovered %v", got)
			}
		}()
		_, err := db.Merge(context.Background(), bitcask.WithMergeProgress(func(bitcask.MergeProgress) error { panic("oh") }))
		t.Errorf("no panic, but %v", err)
	}()
	wantHalfDead(t, db)
	if needs, err := db.NeedsMerge(); !needs || err != nil {
		t.Errorf("needs merge: %v, %v", needs, err)
	}
	_, err = db.Merge(context.Background(), bitcask.WithMergeProgress(func(bitcask.MergeProgress) error { return db.Put([]byte("beside"), nil) }))
	must(t, err)
	wantValue(t, db, "beside", "")
}

func TestMergeBesideOthers(t *testing.T) {
	db := open(t, eager...)
	halfDead(t, db)
	must(t, db.PauseMerge())
	begun := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := db.Merge(context.Background(), bitcask.MergeEverything(), bitcask.WithMergeProgress(func(bitcask.MergeProgress) error {
				once.Do(func() { close(begun) })
				return nil
			}))
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	put(t, db, "0001", "newer")
	_, err := db.Delete([]byte("0002"))
	must(t, err)
	must(t, db.ResumeMerge())
	wg.Wait()
	wantValue(t, db, "0001", "newer")
	wantMissing(t, db, "0002")
	wantValue(t, db, "0003", string(mergeValue(3, 1)))
}

// Closed by the function that it tells, or by another goroutine, a merge ends.
func TestMergeAndClose(t *testing.T) {
	for _, inside := range []bool{true, false} {
		db := open(t, eager...)
		halfDead(t, db)
		must(t, db.PauseMerge())
		closed := make(chan error)
		_, err := db.Merge(context.Background(), bitcask.WithMergeProgress(func(bitcask.MergeProgress) error {
			if inside {
				err := db.Close()
				go func() { closed <- err }()
			} else {
				go func() { closed <- db.Close() }()
				for db.Sync() == nil {
				}
			}
			return nil
		}))
		wantErr(t, err, bitcask.ErrClosed)
		must(t, <-closed)
	}
}

func TestMergeInBackground(t *testing.T) {
	db := open(t, append(eager, bitcask.WithBackgroundMerge(true), bitcask.WithMergeBytesPerSecond(1<<30))...)
	if last, err := db.LastBackgroundMerge(); last != nil || err != nil {
		t.Errorf("%+v, %v", last, err)
	}
	halfDead(t, db)
	for {
		stats, err := db.Stats()
		must(t, err)
		if stats.BackgroundMergeFailures > 0 {
			t.Fatalf("%+v", stats)
		}
		if stats.BackgroundMerges > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	last, err := db.LastBackgroundMerge()
	must(t, err)
	if last == nil || last.Err != nil || len(last.Report.RemovedFiles) == 0 || time.Since(last.Ended).Abs() > time.Hour {
		t.Errorf("%+v", last)
	}
	wantHalfDead(t, db)
	must(t, db.Close())
	_, err = db.LastBackgroundMerge()
	wantErr(t, err, bitcask.ErrClosed)
}

func TestMergeAfterClose(t *testing.T) {
	db := open(t, eager...)
	reader := openAt(t, db.Path(), bitcask.WithReadOnly())
	_, err := reader.Merge(context.Background())
	wantErr(t, err, bitcask.ErrReadOnly)
	must(t, db.Close())
	_, err = db.Merge(context.Background())
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.MergeNeeded()
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.NeedsMerge()
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.FileStats()
	wantErr(t, err, bitcask.ErrClosed)
	_, err = db.Recount()
	wantErr(t, err, bitcask.ErrClosed)
	wantErr(t, db.PauseMerge(), bitcask.ErrClosed)
	wantErr(t, db.ResumeMerge(), bitcask.ErrClosed)
}
