// The boundary: every cgo line, every C type and every unsafe operation of this package is in this file.
//
// It turns Go slices into pointers and C results into Go values, one C call each, and decides nothing. The rules it keeps:
//
//   - No Go pointer stays in C: what is passed is used during the call and no longer. The functions are therefore declared
//     noescape and nocallback, and arguments may lie on a goroutine's stack. Only an opening and a merge call back, with a cgo.Handle.
//   - Handles are numbers, here as in the library, which never follows them: a stale one gives a status.
//   - Whoever calls keeps the object that owns the handle alive until the call is over (runtime.KeepAlive).
//   - The bytes of a page belong to the library until the next call on its iterator.

package bitcask

/*
#cgo CFLAGS: -O2 -I${SRCDIR}/../../include
#cgo bitcask_system pkg-config: bitcask
#cgo !bitcask_system,linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libbitcask.a
#cgo !bitcask_system,linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libbitcask.a
#cgo !bitcask_system,darwin,amd64 LDFLAGS: ${SRCDIR}/lib/darwin_amd64/libbitcask.a
#cgo !bitcask_system,darwin,arm64 LDFLAGS: ${SRCDIR}/lib/darwin_arm64/libbitcask.a
#cgo !bitcask_system,linux LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

#cgo noescape go_put
#cgo nocallback go_put
#cgo noescape go_delete
#cgo nocallback go_delete
#cgo noescape go_put_seq
#cgo nocallback go_put_seq
#cgo noescape go_delete_seq
#cgo nocallback go_delete_seq
#cgo noescape go_bulk_put
#cgo nocallback go_bulk_put
#cgo noescape go_contains
#cgo nocallback go_contains
#cgo noescape go_get_into
#cgo nocallback go_get_into
#cgo noescape go_multi_get
#cgo nocallback go_multi_get
#cgo noescape go_value_size
#cgo nocallback go_value_size
#cgo noescape go_count
#cgo nocallback go_count
#cgo noescape go_batch_put
#cgo nocallback go_batch_put
#cgo noescape go_batch_add
#cgo nocallback go_batch_add
#cgo noescape go_batch_commit
#cgo nocallback go_batch_commit
#cgo noescape go_batch_write
#cgo nocallback go_batch_write
#cgo noescape go_iter_new
#cgo nocallback go_iter_new
#cgo noescape go_iter_next_page
#cgo nocallback go_iter_next_page
#cgo noescape go_iter_seek
#cgo nocallback go_iter_seek
#cgo noescape go_compare_and_swap
#cgo nocallback go_compare_and_swap
#cgo noescape go_put_if_absent
#cgo nocallback go_put_if_absent
#cgo noescape go_fetch_add
#cgo nocallback go_fetch_add
#cgo noescape go_pending_get
#cgo nocallback go_pending_get
#cgo noescape go_delete_range
#cgo nocallback go_delete_range
#cgo noescape go_delete_prefix
#cgo nocallback go_delete_prefix
#cgo noescape go_txn_put
#cgo nocallback go_txn_put
#cgo noescape go_txn_delete
#cgo nocallback go_txn_delete
#cgo noescape go_put_ttl
#cgo nocallback go_put_ttl
#cgo noescape go_put_if_absent_ttl
#cgo nocallback go_put_if_absent_ttl
#cgo noescape go_expire
#cgo nocallback go_expire
#cgo noescape go_persist
#cgo nocallback go_persist
#cgo noescape go_ttl
#cgo nocallback go_ttl
#cgo noescape go_pending_put_ttl
#cgo nocallback go_pending_put_ttl
#cgo noescape go_pending_expire
#cgo nocallback go_pending_expire
#cgo noescape go_pending_persist
#cgo nocallback go_pending_persist
#cgo noescape go_put_seq_ttl
#cgo nocallback go_put_seq_ttl
#cgo noescape go_compare_and_swap_ttl
#cgo nocallback go_compare_and_swap_ttl
#cgo noescape go_fetch_add_ttl
#cgo nocallback go_fetch_add_ttl
#cgo noescape go_bulk_put_ttl
#cgo nocallback go_bulk_put_ttl
#cgo nocallback go_iter_free
#cgo nocallback go_edge
#cgo nocallback go_random_key
#cgo nocallback go_value_free

#include "shim.h"
#include <stdlib.h>
*/
import "C"

import (
	"runtime/cgo"
	"slices"
	"time"
	"unsafe"
)

// Handles. The zero value is no handle.
type (
	dbRef       struct{ n C.uintptr_t }
	snapshotRef struct{ n C.uintptr_t }
	batchRef    struct{ n C.uintptr_t }
	txnRef      struct{ n C.uintptr_t }
	bulkRef     struct{ n C.uintptr_t }
	iterRef     struct{ n C.uintptr_t }
	valuesRef   struct{ n C.uintptr_t }
	errorRef    struct{ p *C.bitcask_error }
)

// readRef is what is read: a store, a snapshot, or a batch or transaction laid over a store. Which of them a call takes is in shim.h.
type readRef struct {
	n    C.uintptr_t
	kind C.int32_t
}

func (r dbRef) read() readRef       { return readRef{r.n, C.GO_STORE} }
func (r snapshotRef) read() readRef { return readRef{r.n, C.GO_SNAPSHOT} }
func (r batchRef) read() readRef    { return readRef{r.n, C.GO_BATCH} }
func (r txnRef) read() readRef      { return readRef{r.n, C.GO_TXN} }

// outcome is what every call gives: a status, and a C error object that takeDetail must free if the status is an error.
type outcome struct {
	status Status
	detail errorRef
}

func asOutcome(status C.int32_t, err *C.bitcask_error) outcome {
	return outcome{Status(status), errorRef{err}}
}

// pointer gives C the beginning of a slice; nil for a nil one.
func pointer(b []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b))
}

// overlap tells whether two slices share memory: C takes one as constant while it writes to the other.
func overlap(a, b []byte) bool {
	pa, pb := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return pa < pb+uintptr(len(b)) && pb < pa+uintptr(len(a))
}

// ---- library and errors ----

func cVersion() string { return C.GoString(C.bitcask_version()) }

func cStatusName(status Status) string { return C.GoString(C.bitcask_status_name(C.int32_t(status))) }

// detail is a C error object in Go's terms. Path is empty, offset -1 and errno 0 where there is none.
type detail struct {
	message, path string
	offset        int64
	errno         int
}

// takeDetail reads an error object and frees it.
func takeDetail(ref errorRef) (detail, bool) {
	if ref.p == nil {
		return detail{}, false
	}
	info := C.go_error_describe(ref.p)
	d := detail{C.GoString(info.message), C.GoString(info.path), int64(info.offset), int(info.os_error)}
	C.bitcask_error_free(ref.p)
	return d, true
}

// ---- open and close ----

// cOpen tells o.opening of the progress, if there is one.
func cOpen(path string, o *options) (dbRef, outcome) {
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var from C.go_open_options
	from.set = C.uint32_t(o.set)
	from.index = C.int32_t(o.index)
	from.durability = C.int32_t(o.durability)
	from.sync_milliseconds = C.uint64_t(o.syncMilliseconds)
	from.sync_bytes = C.uint64_t(o.syncBytes)
	from.max_file_size = C.uint64_t(o.maxFileSize)
	from.create_if_missing = C.bool(o.createIfMissing)
	from.read_only = C.bool(o.readOnly)
	from.verify_checksums = C.bool(o.verifyChecksums)
	from.on_damage = C.int32_t(o.onDamage)
	from.io = C.int32_t(o.io)
	from.sort_budget = C.uint64_t(o.sortBudget)
	from.index_budget = C.uint64_t(o.indexBudget)
	from.checkpoint_bytes = C.uint64_t(o.checkpointBytes)
	from.frag_merge_trigger = C.uint32_t(o.fragMergeTrigger)
	from.dead_bytes_merge_trigger = C.uint64_t(o.deadBytesMergeTrigger)
	from.frag_threshold = C.uint32_t(o.fragThreshold)
	from.dead_bytes_threshold = C.uint64_t(o.deadBytesThreshold)
	from.small_file_threshold = C.uint64_t(o.smallFileThreshold)
	from.merge_from = C.int32_t(o.mergeFrom)
	from.merge_to = C.int32_t(o.mergeTo)
	from.expiry_milliseconds = C.uint64_t(o.expiry)
	from.background_merge = C.bool(o.backgroundMerge)
	from.merge_bytes_per_second = C.uint64_t(o.mergeBytesPerSecond)
	if o.opening != nil {
		handle := cgo.NewHandle(o.opening)
		defer handle.Delete()
		from.progress = C.uintptr_t(handle)
	}
	r := C.go_open(cpath, from)
	return dbRef{r.db}, asOutcome(r.status, r.error)
}

// bitcaskGoProgress is called by the library inside of cOpen, with the handle that was made there. Nothing that Go does in it unwinds
// C's frames: see opening.tell.
//
//export bitcaskGoProgress
func bitcaskGoProgress(handle C.uintptr_t, phase C.int32_t, done, total, records C.uint64_t) C.int32_t {
	o := cgo.Handle(handle).Value().(*opening)
	if !o.tell(Progress{Phase(phase), uint64(done), uint64(total), uint64(records)}) {
		return 1
	}
	return 0
}

// cMerge tells o.told of the progress, if there is one.
func cMerge(db dbRef, o *mergeOptions) (report MergeReport, r outcome) {
	var progress C.uintptr_t
	if o.told != nil {
		handle := cgo.NewHandle(o.told)
		defer handle.Delete()
		progress = C.uintptr_t(handle)
	}
	made := C.go_merge(db.n, C.bool(o.chosen), (*C.uint32_t)(unsafe.SliceData(o.files)), C.size_t(len(o.files)), C.bool(o.everything),
		C.uint64_t(o.bytesPerSecond), progress)
	if made.status != C.BITCASK_OK {
		return report, asOutcome(made.status, made.error)
	}
	return takeReport(made.handle), asOutcome(made.status, made.error)
}

// takeReport reads a report and frees it.
func takeReport(handle C.uintptr_t) MergeReport {
	defer C.go_merge_report_free(handle)
	told := C.go_merge_report(handle)
	f := &told.figures
	report := MergeReport{
		RemovedFiles:      fileIDs(told.removed),
		RemovedBytes:      uint64(f[C.BITCASK_MERGE_REMOVED_BYTES]),
		CreatedFiles:      fileIDs(told.created),
		CreatedBytes:      uint64(f[C.BITCASK_MERGE_CREATED_BYTES]),
		CopiedRecords:     uint64(f[C.BITCASK_MERGE_COPIED_RECORDS]),
		InstalledRecords:  uint64(f[C.BITCASK_MERGE_INSTALLED_RECORDS]),
		DroppedRecords:    uint64(f[C.BITCASK_MERGE_DROPPED_RECORDS]),
		CopiedTombstones:  uint64(f[C.BITCASK_MERGE_COPIED_TOMBSTONES]),
		DroppedTombstones: uint64(f[C.BITCASK_MERGE_DROPPED_TOMBSTONES]),
		BytesRead:         uint64(f[C.BITCASK_MERGE_BYTES_READ]),
		BytesWritten:      uint64(f[C.BITCASK_MERGE_BYTES_WRITTEN]),
		SweptKeys:         uint64(f[C.BITCASK_MERGE_SWEPT_KEYS]),
	}
	for i, id := range fileIDs(told.skipped) {
		reason := C.GoString(C.go_merge_report_reason(handle, C.size_t(i)))
		report.SkippedFiles = append(report.SkippedFiles, SkippedFile{id, reason})
	}
	return report
}

// cLastBackgroundMerge gives the merge, how it ended if it failed, and how the call did: ErrNotFound before the first.
func cLastBackgroundMerge(db dbRef) (last BackgroundMerge, ended, r outcome) {
	told := C.go_last_background_merge(db.n)
	if told.status == C.BITCASK_OK {
		last.Ended = time.UnixMilli(int64(told.ended))
		if told.report != 0 {
			last.Report = takeReport(told.report)
		}
	}
	return last, asOutcome(told.why, told.failure), asOutcome(told.status, told.error)
}

// fileIDs copies numbers of data files.
func fileIDs(list C.go_file_ids) []uint32 {
	return slices.Clone(unsafe.Slice((*uint32)(list.ids), list.count))
}

// bitcaskGoMergeProgress is for cMerge what bitcaskGoProgress is for cOpen.
//
//export bitcaskGoMergeProgress
func bitcaskGoMergeProgress(handle C.uintptr_t, total, read, written C.uint64_t) C.int32_t {
	m := cgo.Handle(handle).Value().(*merging)
	if !m.tell(MergeProgress{uint64(total), uint64(read), uint64(written)}) {
		return 1
	}
	return 0
}

// cMergeNeeded gives the status ErrNotFound if no merge is.
func cMergeNeeded(db dbRef) (need MergeNeed, r outcome) {
	made := C.go_merge_needed(db.n)
	if made.status == C.BITCASK_OK {
		told := C.go_merge_need(made.handle)
		need = MergeNeed{
			Reason:           C.GoString(told.reason),
			Files:            fileIDs(told.files),
			ReclaimableBytes: uint64(told.figures[C.BITCASK_MERGE_NEED_RECLAIMABLE_BYTES]),
			InWindow:         told.figures[C.BITCASK_MERGE_NEED_IN_WINDOW] != 0,
		}
		C.go_merge_need_free(made.handle)
	}
	return need, asOutcome(made.status, made.error)
}

func cPauseMerge(db dbRef) outcome {
	r := C.go_pause_merge(db.n)
	return asOutcome(r.status, r.error)
}

func cResumeMerge(db dbRef) outcome {
	r := C.go_resume_merge(db.n)
	return asOutcome(r.status, r.error)
}

func cFileStats(db dbRef, recount bool) ([]FileStats, outcome) {
	made := C.go_file_stats(db.n, C.bool(recount))
	if made.status != C.BITCASK_OK {
		return nil, asOutcome(made.status, made.error)
	}
	files := make([]FileStats, made.count)
	for i := range files {
		told := C.go_files_figures(made.files, C.size_t(i))
		f := &told.figures
		files[i] = FileStats{
			ID:             uint32(f[C.BITCASK_FILE_ID]),
			Merged:         f[C.BITCASK_FILE_MERGED] != 0,
			Active:         f[C.BITCASK_FILE_ACTIVE] != 0,
			Damaged:        f[C.BITCASK_FILE_DAMAGED] != 0,
			Created:        time.UnixMilli(int64(f[C.BITCASK_FILE_CREATED_MS])),
			Bytes:          uint64(f[C.BITCASK_FILE_BYTES]),
			LiveRecords:    uint64(f[C.BITCASK_FILE_LIVE_RECORDS]),
			LiveBytes:      uint64(f[C.BITCASK_FILE_LIVE_BYTES]),
			DeadRecords:    uint64(f[C.BITCASK_FILE_DEAD_RECORDS]),
			DeadBytes:      uint64(f[C.BITCASK_FILE_DEAD_BYTES]),
			ExpiredRecords: uint64(f[C.BITCASK_FILE_EXPIRED_RECORDS]),
			ExpiredBytes:   uint64(f[C.BITCASK_FILE_EXPIRED_BYTES]),
			Tombstones:     uint64(f[C.BITCASK_FILE_TOMBSTONES]),
			TombstoneBytes: uint64(f[C.BITCASK_FILE_TOMBSTONE_BYTES]),
			MinSeq:         uint64(f[C.BITCASK_FILE_MIN_SEQ]),
			MaxSeq:         uint64(f[C.BITCASK_FILE_MAX_SEQ]),
		}
	}
	C.go_files_free(made.files)
	return files, asOutcome(made.status, made.error)
}

func cOpenReport(db dbRef) (OpenReport, outcome) {
	made := C.go_open_report(db.n)
	if made.status != C.BITCASK_OK {
		return OpenReport{}, asOutcome(made.status, made.error)
	}
	defer C.go_open_report_free(made.handle)
	f := C.go_open_report_figures(made.handle).figures
	report := OpenReport{
		Files:          uint64(f[C.BITCASK_OPEN_FILES]),
		FilesFromHint:  uint64(f[C.BITCASK_OPEN_FILES_FROM_HINT]),
		HintRecords:    uint64(f[C.BITCASK_OPEN_HINT_RECORDS]),
		IndexUsed:      f[C.BITCASK_OPEN_INDEX_USED] != 0,
		IndexSeq:       uint64(f[C.BITCASK_OPEN_INDEX_SEQ]),
		UnusableIndex:  C.GoString(C.go_open_report_unusable_index(made.handle)),
		ScannedRecords: uint64(f[C.BITCASK_OPEN_SCANNED_RECORDS]),
		LastSeq:        uint64(f[C.BITCASK_OPEN_LAST_SEQ]),
		ActiveFile:     uint32(f[C.BITCASK_OPEN_ACTIVE_FILE]),
	}
	each := func(which C.int32_t, count C.uint64_t, found func(path, text string, offset, length uint64)) {
		for i := range count {
			at := C.go_open_report_finding(made.handle, which, C.size_t(i))
			found(C.GoString(at.path), C.GoString(at.text), uint64(at.offset), uint64(at.len))
		}
	}
	each(C.BITCASK_OPEN_DAMAGE, f[C.BITCASK_OPEN_DAMAGED_PLACES], func(path, text string, offset, length uint64) {
		report.Damage = append(report.Damage, Damage{Path: path, Offset: offset, Length: length, What: text})
	})
	each(C.BITCASK_OPEN_TORN_TAIL, f[C.BITCASK_OPEN_TORN_TAILS], func(path, text string, offset, length uint64) {
		report.Torn = append(report.Torn, TornTail{Path: path, Offset: offset, Length: length, KeptAs: text})
	})
	each(C.BITCASK_OPEN_UNUSABLE_HINT, f[C.BITCASK_OPEN_UNUSABLE_HINTS], func(path, text string, _, _ uint64) {
		report.UnusableHints = append(report.UnusableHints, UnusableHint{Path: path, What: text})
	})
	return report, asOutcome(made.status, made.error)
}

func cRefresh(db dbRef) (Refreshed, outcome) {
	r := C.go_refresh(db.n)
	refreshed := Refreshed{
		Records:  uint64(r.figures[C.BITCASK_REFRESH_RECORDS]),
		Reloaded: r.figures[C.BITCASK_REFRESH_RELOADED] != 0,
		LastSeq:  uint64(r.figures[C.BITCASK_REFRESH_LAST_SEQ]),
	}
	return refreshed, asOutcome(r.status, r.error)
}

func cClose(db dbRef) outcome {
	r := C.go_close(db.n)
	return asOutcome(r.status, r.error)
}

// ---- single keys ----

func cPut(db dbRef, key, value []byte, flags uint32) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put(db.n, k, kl, v, vl, C.uint32_t(flags))
	return asOutcome(r.status, r.error)
}

func cDelete(db dbRef, key []byte, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	r := C.go_delete(db.n, k, kl, C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cContains(of readRef, key []byte) outcome {
	k, kl := pointer(key)
	r := C.go_contains(of.n, of.kind, k, kl)
	return asOutcome(r.status, r.error)
}

// cGetInto gives the value's length, which exceeds len(buf) if the status is ErrBufferTooSmall. The slices may not overlap.
func cGetInto(of readRef, key, buf []byte) (int, outcome) {
	k, kl := pointer(key)
	b, bl := pointer(buf)
	r := C.go_get_into(of.n, of.kind, k, kl, b, bl)
	return int(r.number), asOutcome(r.status, r.error)
}

func cValueSize(of readRef, key []byte) (uint64, outcome) {
	k, kl := pointer(key)
	r := C.go_value_size(of.n, of.kind, k, kl)
	return uint64(r.number), asOutcome(r.status, r.error)
}

// ---- changes of a key that depend on what it was ----

// cCompareAndSwap takes nil for a value that is not there.
func cCompareAndSwap(db dbRef, key, expected, replacement []byte, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	e, el := pointer(expected)
	v, vl := pointer(replacement)
	r := C.go_compare_and_swap(db.n, k, kl, C.bool(expected != nil), e, el, C.bool(replacement != nil), v, vl, C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cPutIfAbsent(db dbRef, key, value []byte, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put_if_absent(db.n, k, kl, v, vl, C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cFetchAdd(db dbRef, key []byte, delta int64, flags uint32) (int64, outcome) {
	k, kl := pointer(key)
	r := C.go_fetch_add(db.n, k, kl, C.int64_t(delta), C.uint32_t(flags))
	return int64(r.number), asOutcome(r.status, r.error)
}

// ---- keys that expire; times are in milliseconds ----

const noExpiry uint64 = C.BITCASK_NO_EXPIRY

func cPutTTL(db dbRef, key, value []byte, ttl uint64, flags uint32) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put_ttl(db.n, k, kl, v, vl, C.uint64_t(ttl), C.uint32_t(flags))
	return asOutcome(r.status, r.error)
}

func cPutIfAbsentTTL(db dbRef, key, value []byte, ttl uint64, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put_if_absent_ttl(db.n, k, kl, v, vl, C.uint64_t(ttl), C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cPutSeqTTL(db dbRef, key, value []byte, ttl uint64, flags uint32) (uint64, outcome) {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put_seq_ttl(db.n, k, kl, v, vl, C.uint64_t(ttl), C.uint32_t(flags))
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cCompareAndSwapTTL(db dbRef, key, expected, replacement []byte, ttl uint64, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	e, el := pointer(expected)
	v, vl := pointer(replacement)
	r := C.go_compare_and_swap_ttl(db.n, k, kl, C.bool(expected != nil), e, el, v, vl, C.uint64_t(ttl), C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cFetchAddTTL(db dbRef, key []byte, delta int64, ttl uint64, flags uint32) (int64, outcome) {
	k, kl := pointer(key)
	r := C.go_fetch_add_ttl(db.n, k, kl, C.int64_t(delta), C.uint64_t(ttl), C.uint32_t(flags))
	return int64(r.number), asOutcome(r.status, r.error)
}

func cExpire(db dbRef, key []byte, ttl uint64, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	r := C.go_expire(db.n, k, kl, C.uint64_t(ttl), C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cPersist(db dbRef, key []byte, flags uint32) (bool, outcome) {
	k, kl := pointer(key)
	r := C.go_persist(db.n, k, kl, C.uint32_t(flags))
	return r.number != 0, asOutcome(r.status, r.error)
}

// cTTL gives noExpiry for a key that does not expire.
func cTTL(of readRef, key []byte) (uint64, outcome) {
	k, kl := pointer(key)
	r := C.go_ttl(of.n, of.kind, k, kl)
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cSweepExpired(db dbRef) (uint64, outcome) {
	r := C.go_sweep_expired(db.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cPendingPutTTL(of readRef, key, value []byte, ttl uint64) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_pending_put_ttl(of.n, of.kind, k, kl, v, vl, C.uint64_t(ttl))
	return asOutcome(r.status, r.error)
}

func cPendingExpire(of readRef, key []byte, ttl uint64) (bool, outcome) {
	k, kl := pointer(key)
	r := C.go_pending_expire(of.n, of.kind, k, kl, C.uint64_t(ttl))
	return r.number != 0, asOutcome(r.status, r.error)
}

func cPendingPersist(of readRef, key []byte) (bool, outcome) {
	k, kl := pointer(key)
	r := C.go_pending_persist(of.n, of.kind, k, kl)
	return r.number != 0, asOutcome(r.status, r.error)
}

func cBulkPutTTL(bulk bulkRef, key, value []byte, ttl uint64) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_bulk_put_ttl(bulk.n, k, kl, v, vl, C.uint64_t(ttl))
	return asOutcome(r.status, r.error)
}

// ---- many keys ----

// keyLen is the type of C's lengths of keys.
type keyLen = C.size_t

// lookup is what one of many keys came to.
type lookup C.bitcask_lookup

// lookups are what many keys came to, in the library's memory: valid until the next call with the same values, or their free.
type lookups struct {
	first *lookup
	count int
}

// cMultiGet reads the values of keys that lie one behind the other. It makes the values if they are the zero value.
func cMultiGet(of readRef, packed []byte, lens []keyLen, values *valuesRef) (lookups, outcome) {
	k, kl := pointer(packed)
	r := C.go_multi_get(of.n, of.kind, k, kl, unsafe.SliceData(lens), C.size_t(len(lens)), values.n)
	values.n = r.values
	return lookups{(*lookup)(r.lookups), len(lens)}, asOutcome(r.status, r.error)
}

// all lends the outcomes.
func (l lookups) all() []lookup { return unsafe.Slice(l.first, l.count) }

// size gives the length of the value that was found, or -1 if there is none.
func (l *lookup) size() int {
	if l.status != C.BITCASK_OK {
		return -1
	}
	return int(l.len)
}

// value lends the value that was found, if it has bytes.
func (l *lookup) value() []byte { return unsafe.Slice((*byte)(l.data), l.len) }

func cValuesFree(values valuesRef) { C.go_values_free(values.n) }

// ---- records that the store picks ----

// cEdge copies the first record, or the last.
func cEdge(of readRef, last bool) (key, value []byte, o outcome) {
	r := C.go_edge(of.n, of.kind, C.bool(last))
	if r.status == C.BITCASK_OK {
		e := &r.entry
		key, value = copiedPair(unsafe.Slice((*byte)(e.key), e.key_len), unsafe.Slice((*byte)(e.value), e.value_len))
		C.go_value_free(r.value)
	}
	return key, value, asOutcome(r.status, r.error)
}

// cRandomKey copies a key.
func cRandomKey(db dbRef) (key []byte, o outcome) {
	r := C.go_random_key(db.n)
	if r.status == C.BITCASK_OK {
		key = copied(unsafe.Slice((*byte)(r.entry.key), r.entry.key_len))
		C.go_value_free(r.value)
	}
	return key, asOutcome(r.status, r.error)
}

// cPendingGet copies the value of a key in a batch or transaction.
func cPendingGet(of readRef, key []byte, forUpdate bool) (value []byte, o outcome) {
	k, kl := pointer(key)
	r := C.go_pending_get(of.n, of.kind, k, kl, C.bool(forUpdate))
	if r.status == C.BITCASK_OK {
		value = copied(unsafe.Slice((*byte)(r.entry.value), r.entry.value_len))
		C.go_value_free(r.value)
	}
	return value, asOutcome(r.status, r.error)
}

// ---- the store as a whole ----

func cLen(of readRef) (uint64, outcome) {
	r := C.go_len(of.n, of.kind)
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cSync(db dbRef) outcome {
	r := C.go_sync(db.n)
	return asOutcome(r.status, r.error)
}

func cStats(db dbRef) (Stats, outcome) {
	r := C.go_stats(db.n)
	f := &r.figures
	return Stats{
		Keys:          uint64(f[C.BITCASK_STAT_KEYS]),
		Files:         uint64(f[C.BITCASK_STAT_FILES]),
		MappedFiles:   uint64(f[C.BITCASK_STAT_MAPPED_FILES]),
		MappedAppends: f[C.BITCASK_STAT_MAPPED_APPENDS] != 0,
		DataBytes:     uint64(f[C.BITCASK_STAT_DATA_BYTES]),
		IndexBytes:    uint64(f[C.BITCASK_STAT_INDEX_BYTES]),
		LastSeq:       uint64(f[C.BITCASK_STAT_LAST_SEQ]),
		DamagedPlaces: uint64(f[C.BITCASK_STAT_DAMAGED_PLACES]),
		DamagedBytes:  uint64(f[C.BITCASK_STAT_DAMAGED_BYTES]),

		BackgroundMerges:        uint64(f[C.BITCASK_STAT_BACKGROUND_MERGES]),
		BackgroundMergeFailures: uint64(f[C.BITCASK_STAT_BACKGROUND_MERGE_FAILURES]),
		MergingInBackground:     f[C.BITCASK_STAT_MERGING_IN_BACKGROUND] != 0,
	}, asOutcome(r.status, r.error)
}

// ---- what is durable ----

func cPutSeq(db dbRef, key, value []byte, flags uint32) (uint64, outcome) {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_put_seq(db.n, k, kl, v, vl, C.uint32_t(flags))
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cDeleteSeq(db dbRef, key []byte, flags uint32) (bool, uint64, outcome) {
	k, kl := pointer(key)
	r := C.go_delete_seq(db.n, k, kl, C.uint32_t(flags))
	return bool(r.existed), uint64(r.seq), asOutcome(r.status, r.error)
}

func cLastSeq(db dbRef) (uint64, outcome) {
	r := C.go_last_seq(db.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cDurableSeq(db dbRef) (uint64, outcome) {
	r := C.go_durable_seq(db.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

// cWaitDurable waits as long as it takes.
func cWaitDurable(db dbRef, seq uint64) outcome {
	r := C.go_wait_durable(db.n, C.uint64_t(seq))
	return asOutcome(r.status, r.error)
}

// ---- bulk loads ----

func cBulkNew(db dbRef, flags uint32) (bulkRef, outcome) {
	r := C.go_bulk_new(db.n, C.uint32_t(flags))
	return bulkRef{r.handle}, asOutcome(r.status, r.error)
}

func cBulkPut(bulk bulkRef, key, value []byte) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_bulk_put(bulk.n, k, kl, v, vl)
	return asOutcome(r.status, r.error)
}

func cBulkFinish(bulk bulkRef) outcome {
	r := C.go_bulk_finish(bulk.n)
	return asOutcome(r.status, r.error)
}

func cBulkFree(bulk bulkRef) { C.go_bulk_free(bulk.n) }

// ---- batches; ops are operations in the form that shim.h tells ----

func cBatchNew(db dbRef) (batchRef, outcome) {
	r := C.go_batch_new(db.n)
	return batchRef{r.handle}, asOutcome(r.status, r.error)
}

func cBatchPut(batch batchRef, key, value []byte) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_batch_put(batch.n, k, kl, v, vl)
	return asOutcome(r.status, r.error)
}

func cBatchAdd(batch batchRef, ops []byte) outcome {
	o, ol := pointer(ops)
	r := C.go_batch_add(batch.n, o, ol)
	return asOutcome(r.status, r.error)
}

// cBatchCommit and cBatchWrite give the commit's sequence number.
func cBatchCommit(batch batchRef, ops []byte, flags uint32) (uint64, outcome) {
	o, ol := pointer(ops)
	r := C.go_batch_commit(batch.n, o, ol, C.uint32_t(flags))
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cBatchWrite(db dbRef, ops []byte, flags uint32) (uint64, outcome) {
	o, ol := pointer(ops)
	r := C.go_batch_write(db.n, o, ol, C.uint32_t(flags))
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cBatchClear(batch batchRef) outcome {
	r := C.go_batch_clear(batch.n)
	return asOutcome(r.status, r.error)
}

func cBatchLen(batch batchRef) (int, outcome) {
	r := C.go_batch_len(batch.n)
	return int(r.number), asOutcome(r.status, r.error)
}

func cBatchFree(batch batchRef) { C.go_batch_free(batch.n) }

func cBatchByteLen(batch batchRef) (uint64, outcome) {
	r := C.go_batch_byte_len(batch.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

// ---- what batches and transactions have in common ----

// cDeleteRange takes nil for an end that is not there.
func cDeleteRange(of readRef, start, end []byte) outcome {
	s, sl := pointer(start)
	e, el := pointer(end)
	r := C.go_delete_range(of.n, of.kind, s, sl, e, el)
	return asOutcome(r.status, r.error)
}

func cDeletePrefix(of readRef, prefix []byte) outcome {
	p, pl := pointer(prefix)
	r := C.go_delete_prefix(of.n, of.kind, p, pl)
	return asOutcome(r.status, r.error)
}

func cSavepoint(of readRef) (Savepoint, outcome) {
	r := C.go_savepoint(of.n, of.kind)
	return Savepoint{uint64(r.number)}, asOutcome(r.status, r.error)
}

func cRollbackTo(of readRef, to Savepoint) outcome {
	r := C.go_rollback_to(of.n, of.kind, C.uint64_t(to.n))
	return asOutcome(r.status, r.error)
}

func cRelease(of readRef, savepoint Savepoint) outcome {
	r := C.go_release(of.n, of.kind, C.uint64_t(savepoint.n))
	return asOutcome(r.status, r.error)
}

// ---- snapshots ----

func cSnapshotNew(db dbRef) (snapshotRef, outcome) {
	r := C.go_snapshot_new(db.n)
	return snapshotRef{r.handle}, asOutcome(r.status, r.error)
}

func cSnapshotSeq(snapshot snapshotRef) (uint64, outcome) {
	r := C.go_snapshot_seq(snapshot.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cSnapshotFree(snapshot snapshotRef) { C.go_snapshot_free(snapshot.n) }

// ---- transactions ----

func cTxnNew(db dbRef) (txnRef, outcome) {
	r := C.go_txn_new(db.n)
	return txnRef{r.handle}, asOutcome(r.status, r.error)
}

func cTxnPut(txn txnRef, key, value []byte) outcome {
	k, kl := pointer(key)
	v, vl := pointer(value)
	r := C.go_txn_put(txn.n, k, kl, v, vl)
	return asOutcome(r.status, r.error)
}

func cTxnDelete(txn txnRef, key []byte) outcome {
	k, kl := pointer(key)
	r := C.go_txn_delete(txn.n, k, kl)
	return asOutcome(r.status, r.error)
}

func cTxnLen(txn txnRef) (int, outcome) {
	r := C.go_txn_len(txn.n)
	return int(r.number), asOutcome(r.status, r.error)
}

func cTxnSeq(txn txnRef) (uint64, outcome) {
	r := C.go_txn_seq(txn.n)
	return uint64(r.number), asOutcome(r.status, r.error)
}

// cTxnCommit gives the commit's sequence number.
func cTxnCommit(txn txnRef, flags uint32) (uint64, outcome) {
	r := C.go_txn_commit(txn.n, C.uint32_t(flags))
	return uint64(r.number), asOutcome(r.status, r.error)
}

func cTxnFree(txn txnRef) { C.go_txn_free(txn.n) }

// ---- iterators ----

func cIterNew(of readRef, o *iterOptions) (iterRef, outcome) {
	p, pl := pointer(o.prefix)
	s, sl := pointer(o.start)
	e, el := pointer(o.end)
	r := C.go_iter_new(of.n, of.kind, C.uint32_t(o.set), p, pl, s, sl, e, el, C.uint64_t(o.limit))
	return iterRef{r.handle}, asOutcome(r.status, r.error)
}

func cCount(of readRef, o *iterOptions) (uint64, outcome) {
	p, pl := pointer(o.prefix)
	s, sl := pointer(o.start)
	e, el := pointer(o.end)
	r := C.go_count(of.n, of.kind, C.uint32_t(o.set), p, pl, s, sl, e, el, C.uint64_t(o.limit))
	return uint64(r.number), asOutcome(r.status, r.error)
}

// page is a run of records in the library's memory, valid until the next call on the iterator.
type page struct {
	entries *C.bitcask_entry
	count   int
}

func cIterNextPage(it iterRef, maxRecords, maxBytes int) (page, outcome) {
	r := C.go_iter_next_page(it.n, C.size_t(maxRecords), C.size_t(maxBytes))
	return page{r.entries, int(r.count)}, asOutcome(r.status, r.error)
}

// at lends the i-th record, which must be below count. Their capacity is their length, so that append moves them away.
func (p page) at(i int) (key, value []byte) {
	e := (*C.bitcask_entry)(unsafe.Add(unsafe.Pointer(p.entries), uintptr(i)*unsafe.Sizeof(*p.entries)))
	key = unsafe.Slice((*byte)(e.key), e.key_len)
	if e.value_len == 0 {
		// Its address may be the end of a mapping, where other memory begins.
		return key, key[:0:0]
	}
	return key, unsafe.Slice((*byte)(e.value), e.value_len)
}

func cIterSeek(it iterRef, key []byte) outcome {
	k, kl := pointer(key)
	r := C.go_iter_seek(it.n, k, kl)
	return asOutcome(r.status, r.error)
}

func cIterRewind(it iterRef) outcome {
	r := C.go_iter_rewind(it.n)
	return asOutcome(r.status, r.error)
}

func cIterSkipDamaged(it iterRef) outcome {
	r := C.go_iter_skip_damaged(it.n)
	return asOutcome(r.status, r.error)
}

func cIterFree(it iterRef) { C.go_iter_free(it.n) }
