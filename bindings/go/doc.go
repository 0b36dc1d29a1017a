// Package bitcask is an embedded key-value store: a log of data files, an index in memory, one directory. It is the Go
// binding of libbitcask, whose stores programs in C, C++, Python and Rust read and write too.
//
//	db, err := bitcask.Open("/var/lib/app/store")
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	err = db.Put([]byte("key"), []byte("value"))
//	value, err := db.Get([]byte("key"))
//
// # Keys and values
//
// Keys have 1 to [MaxKeyLen] bytes, values 0 to [MaxValueLen], any bytes. Keys are ordered bytewise, as by bytes.Compare. An
// empty value is a value: [DB.Get] gives an empty slice that is not nil, and [ErrNotFound] for a missing key.
//
// Slices that are passed in are the caller's again as soon as the call returns. Slices that come out are copies, the caller's to
// keep and to change. [DB.AppendTo] and [DB.GetInto] copy into memory that the caller has; [NoCopy] makes an iterator lend.
//
// # Durability
//
// When a write returns it survives the death of the process, a kill -9 included. Whether it survives a loss of power is chosen
// at open ([WithDurability]) or for a single write ([Sync]). A [Batch] takes effect as a whole or not at all, and so does a [BulkLoader],
// which loads any number of pairs.
//
// One can also write without waiting for the disk and wait later: [DB.PutSeq] gives the commit's sequence number, [DB.WaitDurable] waits for
// it. Elsewhere the library commits without waiting and calls back; in Go a goroutine that waits does the same, so there are no such calls.
//
// # Moments and transactions
//
// A [Snapshot] is the store at one moment, with all ways of reading; [DB.View] lends one to a function. [DB.Update] runs a function as a transaction:
// it reads one moment, and what it writes is committed if nothing that it read has changed meanwhile, or else the function is called again. What
// changes a single key needs no transaction: [DB.CompareAndSwap], [DB.PutIfAbsent], [DB.FetchAdd].
//
// # Goroutines
//
// A [DB] and a [Snapshot] may be used by any number of goroutines at once, and closed by one of them while others use it. A [Batch], a [Txn], a
// [BulkLoader] and an [Iterator] are for one goroutine at a time. Gets do not wait for writers, writers that wait for the disk share the wait.
//
// A call blocks an operating-system thread while it runs. That matters where many goroutines write with [DurabilityAlways] or
// [Sync]: each waits in a thread of its own, so bound their number.
//
// # Errors
//
// Every error is a [Status], which are the package's sentinels, or an [*Error] that wraps one with path, offset and message:
//
//	if errors.Is(err, bitcask.ErrNotFound) { … }
//	if errors.Is(err, syscall.ENOSPC) { … }
//
// # Closing
//
// [DB.Close] is the only way to learn that the last sync failed. What is forgotten, a store or what was made from one, is freed when the
// garbage collector finds it, which may be late or never. Calls on what is closed give [ErrClosed]; closing twice is fine.
package bitcask
