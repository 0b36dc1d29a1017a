// What opening a store found and did.

package bitcask

import "runtime"

// Damage is a place in a file that holds no valid record where one should be.
type Damage struct {
	Path   string
	Offset uint64
	Length uint64 // bytes up to the next valid record, or to the end of the file
	What   string // what is wrong
}

// TornTail is a torn tail that opening cut off, as a power cut leaves it behind the last sync.
type TornTail struct {
	Path   string
	Offset uint64 // where the log ends now
	Length uint64 // bytes behind it
	KeptAs string // the path of a copy of the bytes, if valid records were among them; else empty
}

// UnusableHint is a hint that could not be used, which only took longer, and why.
type UnusableHint struct {
	Path, What string
}

// OpenReport is what opening found and did.
type OpenReport struct {
	Files          uint64 // data files found
	FilesFromHint  uint64 // files whose index entries came from a hint, at least in part
	HintRecords    uint64 // records read from hints
	IndexUsed      bool   // the index was saved: only what follows IndexSeq was read
	IndexSeq       uint64 // number of the last commit that the saved index had
	UnusableIndex  string // why a saved index that was there was not used; else empty
	ScannedRecords uint64 // records read from data files
	LastSeq        uint64 // number of the last commit found
	ActiveFile     uint32 // the data file that new records go to; 0 with WithReadOnly
	Damage         []Damage
	Torn           []TornTail
	UnusableHints  []UnusableHint
}

// OpenReport tells what opening found and did, which never changes. Its error is [ErrClosed].
func (db *DB) OpenReport() (OpenReport, error) {
	if db.closed.Load() {
		return OpenReport{}, ErrClosed
	}
	ref := db.ref
	maybeGC()
	report, r := cOpenReport(ref)
	runtime.KeepAlive(db)
	if r.status != statusOK {
		return OpenReport{}, db.fail("open report", r)
	}
	return report, nil
}
