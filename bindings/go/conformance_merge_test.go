// The conformance runner's operations that concern a store's files: merges and figures.

package bitcask_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/libbitcask/libbitcask/bindings/go"
)

// policyOption gives the option of a merge's policy with this name; nil if there is none.
func policyOption(name string, n uint64) bitcask.Option {
	switch name {
	case "frag_merge_trigger":
		return bitcask.WithFragMergeTrigger(int(n))
	case "frag_threshold":
		return bitcask.WithFragThreshold(int(n))
	case "dead_bytes_merge_trigger":
		return bitcask.WithDeadBytesMergeTrigger(n)
	case "dead_bytes_threshold":
		return bitcask.WithDeadBytesThreshold(n)
	case "small_file_threshold":
		return bitcask.WithSmallFileThreshold(n)
	}
	return nil
}

func mergeOps() map[string]storeOp {
	return map[string]storeOp{
		"merge": {0, false, merge},
		"merge_needed": {0, false, func(_ *confRunner, s *confStore, _ *confOp) ([]string, error) {
			need, err := s.db.MergeNeeded()
			return outcome(err, yesNo(need != nil))
		}},
		"merge_pause": {0, false, func(_ *confRunner, s *confStore, _ *confOp) ([]string, error) {
			return outcome(s.db.PauseMerge(), "OK")
		}},
		"merge_resume": {0, false, func(_ *confRunner, s *confStore, _ *confOp) ([]string, error) {
			return outcome(s.db.ResumeMerge(), "OK")
		}},
		"file_stat": {1, false, fileStat},
		"file_recount": {0, false, func(_ *confRunner, s *confStore, _ *confOp) ([]string, error) {
			counted, err := s.db.Recount()
			kept, err2 := s.db.FileStats()
			if err := errors.Join(err, err2); err != nil {
				return outcome(err)
			}
			if !slices.EqualFunc(counted, kept, sameFigures) {
				return []string{"different"}, nil
			}
			return []string{"same"}, nil
		}},
	}
}

func merge(_ *confRunner, s *confStore, op *confOp) ([]string, error) {
	var opts []bitcask.MergeOption
	for _, o := range op.opts {
		switch {
		case o.name == "files":
			var ids []uint32
			for _, token := range strings.Split(o.value, ",") {
				id, err := strconv.ParseUint(token, 10, 32)
				if err != nil {
					return nil, err
				}
				ids = append(ids, uint32(id))
			}
			opts = append(opts, bitcask.MergeFiles(ids...))
		case o.name == "everything" && o.value == "yes":
			opts = append(opts, bitcask.MergeEverything())
		case o.name == "bytes_per_second":
			n, err := strconv.ParseUint(o.value, 10, 64)
			if err != nil {
				return nil, err
			}
			opts = append(opts, bitcask.MergeBytesPerSecond(n))
		case o.name == "progress" && (o.value == "watch" || o.value == "cancel"):
			opts = append(opts, bitcask.WithMergeProgress(func(bitcask.MergeProgress) error {
				if o.value == "cancel" {
					return errors.New("cancelled by the case")
				}
				return nil
			}))
		default:
			return nil, fmt.Errorf("unknown option %s=%s", o.name, o.value)
		}
	}
	op.opts = nil
	report, err := s.db.Merge(context.Background(), opts...)
	return outcome(err, yesNo(len(report.RemovedFiles) > 0))
}

// sameFigures compares all but the length: a sync in the background may have marked the log meanwhile.
func sameFigures(a, b bitcask.FileStats) bool {
	a.Bytes, b.Bytes = 0, 0
	return a == b
}

func fileStat(_ *confRunner, s *confStore, op *confOp) ([]string, error) {
	files, err := s.db.FileStats()
	if err != nil {
		return outcome(err)
	}
	one := func(yes bool) uint64 {
		if yes {
			return 1
		}
		return 0
	}
	figure := map[string]func(f bitcask.FileStats) uint64{
		"merged":          func(f bitcask.FileStats) uint64 { return one(f.Merged) },
		"active":          func(f bitcask.FileStats) uint64 { return one(f.Active) },
		"damaged":         func(f bitcask.FileStats) uint64 { return one(f.Damaged) },
		"live_records":    func(f bitcask.FileStats) uint64 { return f.LiveRecords },
		"dead_records":    func(f bitcask.FileStats) uint64 { return f.DeadRecords },
		"expired_records": func(f bitcask.FileStats) uint64 { return f.ExpiredRecords },
		"tombstones":      func(f bitcask.FileStats) uint64 { return f.Tombstones },
	}[op.args[0]]
	if figure == nil {
		return nil, errors.New("unknown figure")
	}
	var sum uint64
	for _, file := range files {
		sum += figure(file)
	}
	return []string{strconv.FormatUint(sum, 10)}, nil
}
