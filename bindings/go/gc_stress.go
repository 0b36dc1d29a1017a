// The build with the tag bitcask_gcstress collects garbage in the middle of every call, after it has read a handle and before
// it crosses into C. A missing KeepAlive, or Go memory that C still needs, then fails a test at once instead of once a month.

//go:build bitcask_gcstress

package bitcask

import "runtime"

const gcStress = true

func maybeGC() {
	runtime.GC()
	for range 10 { // lets cleanups run, which have goroutines of their own
		runtime.Gosched()
	}
}
