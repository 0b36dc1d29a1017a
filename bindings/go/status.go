// Statuses and errors: the library's stable codes as Go sentinels, and the error that carries the details.
//
// The table is the library's own, and a test compares the two.

package bitcask

import (
	"context"
	"strconv"
	"strings"
	"syscall"
)

// Status is one of the library's stable outcome codes, the same in every language. Those below are errors to compare with:
//
//	if errors.Is(err, bitcask.ErrNotFound) { … }
type Status int32

const statusOK Status = 0

// What can go wrong. Every error of this package is one of these, or an [*Error] that wraps one.
const (
	// ErrNotFound: the key is not in the store.
	ErrNotFound Status = 1
	// ErrInvalidArgument: an argument or option is out of range.
	ErrInvalidArgument Status = 10
	// ErrNullArgument: a pointer is NULL that must not be. Go programs never see it.
	ErrNullArgument Status = 11
	// ErrKeyEmpty: the key has no bytes.
	ErrKeyEmpty Status = 12
	// ErrKeyTooLarge: the key has more than [MaxKeyLen] bytes.
	ErrKeyTooLarge Status = 13
	// ErrValueTooLarge: the value has more than [MaxValueLen] bytes.
	ErrValueTooLarge Status = 14
	// ErrBufferTooSmall: the value does not fit into the buffer of [DB.GetInto].
	ErrBufferTooSmall Status = 15
	// ErrClosed: the store, batch or iterator was closed.
	ErrClosed Status = 20
	// ErrInvalidHandle: the library does not know the handle. Go programs never see it.
	ErrInvalidHandle Status = 21
	// ErrForked: the store belongs to a parent process.
	ErrForked Status = 22
	// ErrBatchFinished: the batch was committed already.
	ErrBatchFinished Status = 23
	// ErrConflict: another commit changed what the transaction had read; it wrote nothing and is over.
	ErrConflict Status = 24
	// ErrTransactionFinished: the transaction was committed already, or ended by a conflict.
	ErrTransactionFinished Status = 25
	// ErrLocked: the store is open for writing elsewhere.
	ErrLocked Status = 30
	// ErrNoStore: there is no store in the directory, and the options say not to create one.
	ErrNoStore Status = 31
	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly Status = 32
	// ErrCancelled: a context, or the function that is told of an opening's or a merge's progress, ended the call. errors.Is also finds the context's
	// error, or that of the function.
	ErrCancelled Status = 33
	// ErrStale: a reader knows of a record that the writer in another process took back; refresh forgets it.
	ErrStale Status = 34
	// ErrIO: an operating-system call failed; errors.Is also finds its [syscall.Errno].
	ErrIO Status = 40
	// ErrDiskFull: the disk or a quota is full.
	ErrDiskFull Status = 41
	// ErrWritesStopped: the store stopped writing after a failure that could not be undone; reopen it to write again.
	ErrWritesStopped Status = 42
	// ErrCorrupted: the bytes in a file are not what was written.
	ErrCorrupted Status = 50
	// ErrUnsupportedVersion: the file has a newer version of the format.
	ErrUnsupportedVersion Status = 51
	// ErrUnsupportedFeature: the file needs a feature that this release lacks.
	ErrUnsupportedFeature Status = 52
	// ErrForeignFile: a file of another store is in the directory.
	ErrForeignFile Status = 53
	// ErrUnsupported: the index kind can't do this.
	ErrUnsupported Status = 60
	// ErrInternal: a bug in the library was caught at the boundary; please report it.
	ErrInternal Status = 70
)

// statusTable holds, for each status but OK, the name that all languages share and Go's text.
var statusTable = map[Status]struct{ name, text string }{
	ErrNotFound:            {"NOT_FOUND", "key not found"},
	ErrInvalidArgument:     {"INVALID_ARGUMENT", "invalid argument"},
	ErrNullArgument:        {"NULL_ARGUMENT", "a pointer is NULL"},
	ErrKeyEmpty:            {"KEY_EMPTY", "the key is empty"},
	ErrKeyTooLarge:         {"KEY_TOO_LARGE", "the key is too large"},
	ErrValueTooLarge:       {"VALUE_TOO_LARGE", "the value is too large"},
	ErrBufferTooSmall:      {"BUFFER_TOO_SMALL", "the buffer is too small for the value"},
	ErrClosed:              {"CLOSED", "closed"},
	ErrInvalidHandle:       {"INVALID_HANDLE", "invalid handle"},
	ErrForked:              {"FORKED", "the store belongs to a parent process"},
	ErrBatchFinished:       {"BATCH_FINISHED", "the batch was committed already"},
	ErrConflict:            {"CONFLICT", "another commit changed what was read"},
	ErrTransactionFinished: {"TRANSACTION_FINISHED", "the transaction is over"},
	ErrLocked:              {"LOCKED", "the store is open elsewhere"},
	ErrNoStore:             {"NO_STORE", "no store there"},
	ErrReadOnly:            {"READ_ONLY", "the store was opened for reading only"},
	ErrCancelled:           {"CANCELLED", "the caller ended it"},
	ErrStale:               {"STALE", "the writer took the record back; refresh"},
	ErrIO:                  {"IO", "an operating-system call failed"},
	ErrDiskFull:            {"DISK_FULL", "the disk is full"},
	ErrWritesStopped:       {"WRITES_STOPPED", "the store takes no more writes"},
	ErrCorrupted:           {"CORRUPTED", "damage on disk"},
	ErrUnsupportedVersion:  {"UNSUPPORTED_VERSION", "unknown version of the format"},
	ErrUnsupportedFeature:  {"UNSUPPORTED_FEATURE", "unknown feature of the format"},
	ErrForeignFile:         {"FOREIGN_FILE", "a file of another store"},
	ErrUnsupported:         {"UNSUPPORTED", "not supported by the index"},
	ErrInternal:            {"INTERNAL", "internal error"},
}

// Name gives the status's name in all languages, such as KEY_EMPTY; UNKNOWN if the library has no such status.
func (s Status) Name() string {
	if s == statusOK {
		return "OK"
	}
	if row, ok := statusTable[s]; ok {
		return row.name
	}
	return "UNKNOWN"
}

// Error implements error.
func (s Status) Error() string {
	if row, ok := statusTable[s]; ok {
		return "bitcask: " + row.text
	}
	return "bitcask: status " + strconv.Itoa(int(s))
}

// Error is a failure with its details. It wraps its [Status], its [syscall.Errno] if an operating-system call failed, and its Cause if
// there is one: errors.Is(err, bitcask.ErrDiskFull) and errors.Is(err, syscall.ENOSPC) are both true for a full disk.
type Error struct {
	Status  Status
	Op      string        // the call that failed: open, get, put, …
	Path    string        // the file or directory; empty if none
	Offset  int64         // where in that file; -1 if unknown
	Errno   syscall.Errno // what the operating system said; 0 if it was not asked
	Message string        // what happened, in one line, with the path and the offset
	Cause   error         // what the caller's own context or function said; nil but with ErrCancelled
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Message
	if text == "" {
		text = strings.TrimPrefix(e.Status.Error(), "bitcask: ")
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return "bitcask: " + e.Op + ": " + text
}

// Unwrap gives what errors.Is compares with.
func (e *Error) Unwrap() []error {
	wrapped := []error{e.Status}
	if e.Errno != 0 {
		wrapped = append(wrapped, e.Errno)
	}
	if e.Cause != nil {
		wrapped = append(wrapped, e.Cause)
	}
	return wrapped
}

// newError turns an outcome that is no success into a Go error and frees its C object. What happens in good programs (a missing
// key, a small buffer, a closed store) is the bare status, which costs no allocation.
func newError(op string, o outcome) error {
	d, ok := takeDetail(o.detail)
	switch o.status {
	case ErrNotFound, ErrBufferTooSmall, ErrClosed:
		return o.status
	}
	if !ok {
		return &Error{Status: o.status, Op: op, Offset: -1}
	}
	return &Error{o.status, op, d.path, d.offset, syscall.Errno(d.errno), d.message, nil}
}

// cancelled is the error of a call that its context ended.
func cancelled(op string, ctx context.Context) error {
	return &Error{Status: ErrCancelled, Op: op, Offset: -1, Cause: contextError{ctx.Err(), context.Cause(ctx)}}
}

// contextError is why a context is done, in both words that it has for it.
type contextError struct{ err, cause error }

func (e contextError) Error() string   { return e.cause.Error() }
func (e contextError) Unwrap() []error { return []error{e.err, e.cause} }

func invalidArgument(op, message string) error {
	return &Error{Status: ErrInvalidArgument, Op: op, Offset: -1, Message: "invalid argument: " + message}
}
