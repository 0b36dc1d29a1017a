/*
 * libbitcask: an embedded key-value store on the Bitcask model. The C interface.
 *
 * Generated from the Rust sources in ffi/ by `cargo run -p xtask -- header`; do not edit.
 *
 * Conventions
 * - Fallible functions return a status: BITCASK_OK, BITCASK_NOT_FOUND, or an error (10 and above). Numbers are never
 *   changed. Out-parameters are written only on success.
 * - The last parameter, `error`, may be NULL. Otherwise *error is set to a new error object on errors, which the caller
 *   frees with bitcask_error_free, and to NULL on success and BITCASK_NOT_FOUND. It belongs to no thread.
 * - Inputs are pointer and length, are copied or only read during the call, and may be NULL if the length is 0. Any
 *   other pointer must not be NULL unless that is said (BITCASK_NULL_ARGUMENT), and must be valid.
 * - Handles are numbers in the clothes of pointers: they are looked up, never dereferenced. A handle that was closed or freed,
 *   is of another type or was made up gives BITCASK_INVALID_HANDLE, and a second close or free does no harm, also
 *   while other threads are using the handle. (The bytes of a freed value, record or message are gone all the same.)
 * - Stores and snapshots are for any number of threads; batches, transactions, iterators and values objects (bitcask_values) are
 *   for one thread at a time.
 * - After fork, a child's calls on its parent's stores, snapshots, batches, transactions and iterators give BITCASK_FORKED and touch nothing. It may
 *   read values, and free or close everything, which then leaves the parent's store alone.
 * - The library prints nothing, installs no signal handler and reads no environment variable. An internal failure is
 *   BITCASK_INTERNAL, never an abort.
 */

#ifndef BITCASK_H
#define BITCASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// It worked.
#define BITCASK_OK 0

// The key is not in the store, or the iterator is at its end. No error: there is no error object.
#define BITCASK_NOT_FOUND 1

// An argument or option is out of range.
#define BITCASK_INVALID_ARGUMENT 10

// A pointer that must not be NULL is.
#define BITCASK_NULL_ARGUMENT 11

// The key has no bytes.
#define BITCASK_KEY_EMPTY 12

// The key is longer than BITCASK_MAX_KEY_LEN.
#define BITCASK_KEY_TOO_LARGE 13

// The value is longer than BITCASK_MAX_VALUE_LEN.
#define BITCASK_VALUE_TOO_LARGE 14

// The caller's buffer is too small; the needed size was told.
#define BITCASK_BUFFER_TOO_SMALL 15

// The store was closed.
#define BITCASK_CLOSED 20

// No such handle: freed, closed, of another type, or never one of ours.
#define BITCASK_INVALID_HANDLE 21

// The store belongs to a parent process; this one must open it itself.
#define BITCASK_FORKED 22

// The batch was committed already.
#define BITCASK_BATCH_FINISHED 23

// Another commit changed what the transaction had read. It wrote nothing and is over; begin a new one.
#define BITCASK_CONFLICT 24

// The transaction was committed already, or ended by a conflict.
#define BITCASK_TRANSACTION_FINISHED 25

// The store is open for writing elsewhere, or in this process.
#define BITCASK_LOCKED 30

// There is no store there.
#define BITCASK_NO_STORE 31

// The store was opened for reading only.
#define BITCASK_READ_ONLY 32

// The callback that is told of the progress of an opening or a merge stopped it.
#define BITCASK_CANCELLED 33

// A reader knows of a record that the writer in another process took back; bitcask_refresh forgets it.
#define BITCASK_STALE 34

// An operating-system call failed.
#define BITCASK_IO 40

// The disk or a quota is full.
#define BITCASK_DISK_FULL 41

// The store stopped writing after a failure; it can be read; reopen it to write.
#define BITCASK_WRITES_STOPPED 42

// Damage on disk.
#define BITCASK_CORRUPTED 50

// A newer version of the format.
#define BITCASK_UNSUPPORTED_VERSION 51

// A feature that this release lacks.
#define BITCASK_UNSUPPORTED_FEATURE 52

// A file of another store is in the directory.
#define BITCASK_FOREIGN_FILE 53

// The index kind can't do this.
#define BITCASK_UNSUPPORTED 60

// A bug in this library was caught at the boundary; please report it.
#define BITCASK_INTERNAL 70

// Longest key, in bytes. The shortest is one byte.
#define BITCASK_MAX_KEY_LEN 65535

// Longest value, in bytes: 4 GiB - 1. The shortest is empty.
#define BITCASK_MAX_VALUE_LEN 4294967295

// A B+tree in memory: range and prefix scans in key order, least memory of the ordered kinds. The default.
#define BITCASK_INDEX_BTREE 0

// A hash table that keeps no keys: fewest bytes a key, fastest single reads; iteration sorts.
#define BITCASK_INDEX_HASH 1

// An adaptive radix tree in memory: in key order, fastest single reads of the ordered kinds.
#define BITCASK_INDEX_ART 2

// A skip list in memory: in key order, and readers take no lock that a writer holds while it makes a change.
#define BITCASK_INDEX_SKIPLIST 3

// A B+tree on disk with a bounded cache (bitcask_options_set_index_budget): in key order, for more keys than fit into
// memory.
#define BITCASK_INDEX_BPTREE 4

// Data files are read through memory maps: values are lent without a copy. An I/O error of the disk under a mapped page is
// the signal SIGBUS. The default where pointers have 64 bits.
#define BITCASK_IO_MMAP 0

// Data files are read by pread: an I/O error is an error, and nothing is mapped. The default where pointers have 32 bits.
#define BITCASK_IO_FILE 1

// Acknowledged writes are in the page cache: they survive the process, not a loss of power.
#define BITCASK_DURABILITY_NONE 0

// As NONE, and synced in the background every so often (bitcask_options_set_sync_interval). The default.
#define BITCASK_DURABILITY_INTERVAL 1

// Acknowledged writes are on stable storage. Concurrent writers share a sync.
#define BITCASK_DURABILITY_ALWAYS 2

// Opening fails if damage hides which keys it touches. The default.
#define BITCASK_ON_DAMAGE_REFUSE 0

// Opening succeeds, and all that is undamaged is served.
#define BITCASK_ON_DAMAGE_SERVE 1

// For flags: the store's own durability.
#define BITCASK_WRITE_DEFAULT 0

// For flags: return only when this write is on stable storage, whatever the store's durability.
#define BITCASK_WRITE_SYNC 1

// For flags of bitcask_compare_and_swap: the new value expires when the one that it replaces would have. Other calls refuse it with
// BITCASK_INVALID_ARGUMENT.
#define BITCASK_WRITE_KEEP_EXPIRY 2

// Index into the figures of bitcask_stats: keys that are there.
#define BITCASK_STAT_KEYS 0

// Data files.
#define BITCASK_STAT_FILES 1

// Bytes of log in the data files, without preallocated space.
#define BITCASK_STAT_DATA_BYTES 2

// Bytes of memory that the index holds.
#define BITCASK_STAT_INDEX_BYTES 3

// Sequence number of the last commit.
#define BITCASK_STAT_LAST_SEQ 4

// Damaged places that were found at open.
#define BITCASK_STAT_DAMAGED_PLACES 5

// Bytes in them.
#define BITCASK_STAT_DAMAGED_BYTES 6

// Data files that are read through a memory map: none with BITCASK_IO_FILE, and fewer than all where the system would not
// map one.
#define BITCASK_STAT_MAPPED_FILES 7

// 1 if appends are copied into mapped space at the moment; 0 if they are written by calls: with BITCASK_IO_FILE or
// BITCASK_DURABILITY_ALWAYS, and where the file system does not promise that reserved space can be written.
#define BITCASK_STAT_MAPPED_APPENDS 8

// Merges in the background (bitcask_options_set_background_merge) that were completed since the opening.
#define BITCASK_STAT_BACKGROUND_MERGES 9

// Those that failed; bitcask_last_background_merge says why the last did.
#define BITCASK_STAT_BACKGROUND_MERGE_FAILURES 10

// 1 if one runs, else 0.
#define BITCASK_STAT_MERGING_IN_BACKGROUND 11

// How many figures this header knows. A later library may know more.
#define BITCASK_STAT_COUNT 12

// Most keys of one bitcask_multi_get or bitcask_multi_get_packed.
#define BITCASK_MAX_MULTI_GET 1073741824

// A load that is atomic, with the store's own durability.
#define BITCASK_BULK_DEFAULT 0

// bitcask_bulk_finish returns when all is on stable storage, whatever the store's durability. An atomic load of more than 16 MiB is in
// any case.
#define BITCASK_BULK_SYNC 1

// The load need not be atomic: it becomes visible in commits of about a MiB each as it goes.
#define BITCASK_BULK_IN_PIECES 2

// For timeout_ms: as long as it takes.
#define BITCASK_NO_TIMEOUT -1

// Bytes of log (and 256 for each write) that may be queued and unanswered. Who brings more waits in the call until there
// is room; an event loop that must never wait keeps count of what it has under way.
#define BITCASK_ASYNC_BYTES 67108864

// What bitcask_ttl and its like say of a key that does not expire.
#define BITCASK_NO_EXPIRY UINT64_MAX

// Hints and data files are read into the index.
#define BITCASK_OPEN_READ 0

// All was read; what is left is short.
#define BITCASK_OPEN_FINISH 1

// Index into the figures of bitcask_refresh_figures: puts and deletes that are shown now and were not before. Where all was loaded anew, all
// that were read for it.
#define BITCASK_REFRESH_RECORDS 0

// 1 if all was loaded anew, because files came or went or the writer took something back; else 0.
#define BITCASK_REFRESH_RELOADED 1

// Sequence number of the last commit that is shown.
#define BITCASK_REFRESH_LAST_SEQ 2

// How many figures this header knows. A later library may know more.
#define BITCASK_REFRESH_COUNT 3

// Index into the figures of an opening: data files found.
#define BITCASK_OPEN_FILES 0

// Files whose index entries came from a hint, at least in part.
#define BITCASK_OPEN_FILES_FROM_HINT 1

// Records read from hints.
#define BITCASK_OPEN_HINT_RECORDS 2

// 1 if a saved index was used, so that only what follows BITCASK_OPEN_INDEX_SEQ was read; else 0.
#define BITCASK_OPEN_INDEX_USED 3

// Sequence number of the last commit that this index had.
#define BITCASK_OPEN_INDEX_SEQ 4

// Records read from data files.
#define BITCASK_OPEN_SCANNED_RECORDS 5

// Sequence number of the last commit found.
#define BITCASK_OPEN_LAST_SEQ 6

// Number of the data file that new records go to; 0 for a store that is opened for reading only.
#define BITCASK_OPEN_ACTIVE_FILE 7

// How many findings of BITCASK_OPEN_DAMAGE there are.
#define BITCASK_OPEN_DAMAGED_PLACES 8

// How many of BITCASK_OPEN_TORN_TAIL.
#define BITCASK_OPEN_TORN_TAILS 9

// How many of BITCASK_OPEN_UNUSABLE_HINT.
#define BITCASK_OPEN_UNUSABLE_HINTS 10

// How many figures of an opening this header knows. A later library may know more.
#define BITCASK_OPEN_COUNT 11

// For bitcask_open_report_finding: a place in a file that holds no valid record where one should be. Reading a key that is hit is
// BITCASK_CORRUPTED. len bytes lie between offset and the next valid record, or the end of the file; text says what is wrong.
#define BITCASK_OPEN_DAMAGE 0

// A torn tail that opening cut off (or, opened for reading only, left out): the log ends at offset now, and len bytes were behind it.
// text is the path of a copy of these bytes if valid records were among them, else "".
#define BITCASK_OPEN_TORN_TAIL 1

// A hint that could not be used, which only took longer. text says why; offset and len are 0.
#define BITCASK_OPEN_UNUSABLE_HINT 2

// For both hours of bitcask_options_set_merge_window: merges are needed at any hour.
#define BITCASK_MERGE_ANY_HOUR -1

// Index into the figures of a merge's report: length of the data files that were merged and are gone, in bytes.
#define BITCASK_MERGE_REMOVED_BYTES 0

// Length of the data files that were made of them, in bytes.
#define BITCASK_MERGE_CREATED_BYTES 1

// Live records that were copied.
#define BITCASK_MERGE_COPIED_RECORDS 2

// Of these, records that were still the newest of their key when all were copied.
#define BITCASK_MERGE_INSTALLED_RECORDS 3

// Overwritten and deleted records that are gone.
#define BITCASK_MERGE_DROPPED_RECORDS 4

// Deletes that were copied, because something older may be left that they hide.
#define BITCASK_MERGE_COPIED_TOMBSTONES 5

// Deletes that are gone.
#define BITCASK_MERGE_DROPPED_TOMBSTONES 6

// Bytes read.
#define BITCASK_MERGE_BYTES_READ 7

// Bytes written.
#define BITCASK_MERGE_BYTES_WRITTEN 8

// Keys that had expired and were deleted before anything was merged.
#define BITCASK_MERGE_SWEPT_KEYS 9

// How many figures of a merge's report this header knows. A later library may know more.
#define BITCASK_MERGE_COUNT 10

// For bitcask_merge_report_files: data files that were merged and are gone.
#define BITCASK_MERGE_REMOVED_FILES 0

// Data files that were made of them.
#define BITCASK_MERGE_CREATED_FILES 1

// Data files that were to be merged and were not; bitcask_merge_report_reason tells why.
#define BITCASK_MERGE_SKIPPED_FILES 2

// Index into the figures of a need: bytes that a merge would give back, about.
#define BITCASK_MERGE_NEED_RECLAIMABLE_BYTES 0

// 1 if the hour is one at which merges should run (bitcask_options_set_merge_window), else 0.
#define BITCASK_MERGE_NEED_IN_WINDOW 1

// How many figures of a need this header knows. A later library may know more.
#define BITCASK_MERGE_NEED_COUNT 2

// Index into the figures of a data file: its number.
#define BITCASK_FILE_ID 0

// 1 if it was written by a merge, and not as part of the log; else 0.
#define BITCASK_FILE_MERGED 1

// 1 if the log ends in it, else 0; 0 for all files of a store that is opened for reading only.
#define BITCASK_FILE_ACTIVE 2

// 1 if opening found damage in it, else 0. No merge takes it then.
#define BITCASK_FILE_DAMAGED 3

// When it was created, in milliseconds since 1970 (UTC).
#define BITCASK_FILE_CREATED_MS 4

// Its length in bytes without reserved space: records, commits of batches, marks, headers and damage.
#define BITCASK_FILE_BYTES 5

// Puts that are the newest of their key. What has expired counts until it is swept.
#define BITCASK_FILE_LIVE_RECORDS 6

// Bytes of these with their headers.
#define BITCASK_FILE_LIVE_BYTES 7

// Puts that are not.
#define BITCASK_FILE_DEAD_RECORDS 8

// Bytes of these.
#define BITCASK_FILE_DEAD_BYTES 9

// Of the live ones those that have expired, by the clock that decides expiry. No sweep has deleted them yet.
#define BITCASK_FILE_EXPIRED_RECORDS 10

// Bytes of these.
#define BITCASK_FILE_EXPIRED_BYTES 11

// Deletes, whether or not something older is left that they hide.
#define BITCASK_FILE_TOMBSTONES 12

// Bytes of these.
#define BITCASK_FILE_TOMBSTONE_BYTES 13

// Smallest sequence number of its puts and deletes; 0 without any.
#define BITCASK_FILE_MIN_SEQ 14

// Largest sequence number of these.
#define BITCASK_FILE_MAX_SEQ 15

// How many figures of a data file this header knows. A later library may know more.
#define BITCASK_FILE_COUNT 16

// Writes that take effect together or not at all. Owned by the caller, who frees it with bitcask_batch_free. For one
// thread at a time.
typedef struct bitcask_batch bitcask_batch;

// A bulk load under way. Owned by the caller, who frees it with bitcask_bulk_free. For one thread at a time.
typedef struct bitcask_bulk bitcask_bulk;

// An open store. Thread-safe: any number of threads may use it at once, and one may close it meanwhile.
typedef struct bitcask_db bitcask_db;

// Why a call failed. Made by a call that was given a place for it; owned by the caller, who frees it with
// bitcask_error_free. It never changes, so threads may share it.
typedef struct bitcask_error bitcask_error;

// Data files in figures, at one moment, exact but for damage of the file. Owned by the caller, who frees it with bitcask_files_free; it outlives the store. It never changes,
// so threads may share it.
typedef struct bitcask_files bitcask_files;

// An iterator over the store at the moment of its making, whatever is written meanwhile; or over a snapshot, or a batch or
// transaction laid over the store. Owned by the caller, who frees
// it with bitcask_iter_free. For one thread at a time; it keeps nobody from writing.
typedef struct bitcask_iter bitcask_iter;

// What an iterator covers and how; all of it can be combined. Owned by the caller, who frees it with
// bitcask_iter_options_free; an iterator keeps nothing of it. For one thread at a time while it is being set; then
// threads may share it.
typedef struct bitcask_iter_options bitcask_iter_options;

// Why a merge would be worth its while, and of which files. As bitcask_merge_report.
typedef struct bitcask_merge_need bitcask_merge_need;

// How one merge runs. Owned by the caller, who frees it with bitcask_merge_options_free. For one thread at a time while it is
// being set; then threads may share it.
typedef struct bitcask_merge_options bitcask_merge_options;

// What a merge did. Owned by the caller, who frees it with bitcask_merge_report_free; it outlives the store. It never changes, so threads
// may share it.
typedef struct bitcask_merge_report bitcask_merge_report;

// What opening a store found and did. Owned by the caller, who frees it with bitcask_open_report_free; it outlives the store. It never
// changes, so threads may share it.
typedef struct bitcask_open_report bitcask_open_report;

// How to open a store. Owned by the caller, who frees it with bitcask_options_free; a store keeps nothing of it. For
// one thread at a time while it is being set; then threads may share it.
typedef struct bitcask_options bitcask_options;

// The store at one moment: every read shows the effect of the same commits, whatever is written meanwhile. Owned by the
// caller, who frees it with bitcask_snapshot_free; iterators made from it live by themselves. Thread-safe. It keeps nobody from
// writing; what is overwritten while it lives costs memory (the key and about 150 bytes) until it is freed.
typedef struct bitcask_snapshot bitcask_snapshot;

// A transaction: reads show the store at its beginning with its own writes laid over, bitcask_txn_commit makes the writes if
// nothing that was read has changed. Committed transactions are serializable, in the order of their sequence numbers; keys that were
// only written are not read. Owned by the caller, who frees it with bitcask_txn_free, which discards one that was not committed. For one
// thread at a time; nobody waits for it.
typedef struct bitcask_txn bitcask_txn;

// A value that was read (or a key, where that is said). Owned by the caller, who frees it with bitcask_value_free; it
// outlives the store. It never changes, so threads may share it.
typedef struct bitcask_value bitcask_value;

// Memory for what bitcask_multi_get and bitcask_multi_get_packed find, to be used for any number of calls, on any stores.
// Owned by the caller, who frees it with bitcask_values_free; until then it keeps the memory of its largest call. It belongs
// to no store and outlives them all. For one thread at a time.
typedef struct bitcask_values bitcask_values;

// What one of many keys came to. The bytes belong to the bitcask_values.
typedef struct bitcask_lookup {
  // The value; never NULL if the key is there, also of an empty value. NULL if it is not there.
  const uint8_t *data;
  // Its length in bytes; 0 if the key is not there.
  size_t len;
  // BITCASK_OK, or BITCASK_NOT_FOUND if the key is not there.
  int32_t status;
} bitcask_lookup;

// Gets the outcome of a queued write, exactly once.
//
// status is what the call that waits would have returned, seq the commit's sequence number (see bitcask_put_seq), existed whether the
// key was there before (false for a batch). On errors seq is 0, and error tells more; it is lent until the callback
// returns and must not be freed. On success it is NULL.
//
// It is called from a thread of the store, which is started by the first such write and ends with the store; one after the other, so it
// should be short: hand the outcome to the event loop. It may call anything of this library, bitcask_close of its own store and
// further writes included, and then never waits for room. It must not throw or jump out.
typedef void (*bitcask_write_callback)(void *user_data,
                                       int32_t status,
                                       uint64_t seq,
                                       bool existed,
                                       const struct bitcask_error *error);

// One record. The bytes belong to the iterator, or the value (bitcask_first), that it came from. Neither pointer is ever
// NULL in an entry that a call has filled.
typedef struct bitcask_entry {
  // The key.
  const uint8_t *key;
  // Its length in bytes.
  size_t key_len;
  // The value; empty if the options say keys only.
  const uint8_t *value;
  // Its length in bytes.
  size_t value_len;
} bitcask_entry;

// Gets a record, whose bytes are lent until it returns: not even their addresses are good afterwards. Returns 0 to go on, anything else to end.
// It must not throw or jump out.
typedef int32_t (*bitcask_fold_fn)(void *user_data, const struct bitcask_entry *record);

// Is told how far an opening is. phase is BITCASK_OPEN_READ or BITCASK_OPEN_FINISH, or one that a later library knows; bytes_done of
// bytes_total bytes of data files are in the index by now; records is the number of records read so far. Returns 0 to go on, anything
// else to stop the opening, which then gives BITCASK_CANCELLED. It must not throw or jump out.
typedef int32_t (*bitcask_progress_fn)(void *user_data,
                                       int32_t phase,
                                       uint64_t bytes_done,
                                       uint64_t bytes_total,
                                       uint64_t records);

// Something that opening found. The strings belong to the report; they are never NULL.
typedef struct bitcask_finding {
  // The file, NUL-terminated, as the operating system takes it.
  const char *path;
  // Where in that file, in bytes from its beginning.
  uint64_t offset;
  // How many bytes.
  uint64_t len;
  // What is to be said of it, NUL-terminated.
  const char *text;
} bitcask_finding;

// Is told how far a merge is: of bytes_total bytes of data files that are merged, 0 while it sweeps what has expired and does not know yet. bytes_read and bytes_written are what it read and wrote
// so far; files are read more than once, to be checked, and for what is alive in them, and copies are read back. Returns 0 to go on,
// anything else to stop the merge, which then gives BITCASK_CANCELLED. It must not throw or jump out.
typedef int32_t (*bitcask_merge_progress_fn)(void *user_data,
                                             uint64_t bytes_total,
                                             uint64_t bytes_read,
                                             uint64_t bytes_written);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The library's version, such as "0.1.0".
//
// The string is static. Never fails; may be called at any time from any thread.
const char *bitcask_version(void);

// The name of a status without its prefix, such as "KEY_EMPTY"; "UNKNOWN" for a number that is none.
//
// The string is static. Never fails; may be called at any time from any thread.
const char *bitcask_status_name(int32_t status);

// The status that the failed call returned. BITCASK_NULL_ARGUMENT for NULL, BITCASK_INVALID_HANDLE for a freed error.
int32_t bitcask_error_status(const struct bitcask_error *error);

// The operating system's error number (errno), or 0 if no system call failed.
int32_t bitcask_error_os_error(const struct bitcask_error *error);

// What failed, where, and what can be done, in English, NUL-terminated UTF-8. For people: programs look at the
// status. The string lives as long as the error. "" for NULL or a freed error.
const char *bitcask_error_message(const struct bitcask_error *error);

// The file or directory that the error is about, NUL-terminated, as the operating system takes it; "" if there is
// none. The string lives as long as the error.
const char *bitcask_error_path(const struct bitcask_error *error);

// Where in that file, in bytes from its beginning; -1 if that has no meaning.
int64_t bitcask_error_offset(const struct bitcask_error *error);

// Frees an error with its strings. Does nothing for NULL, or if it was freed before.
void bitcask_error_free(struct bitcask_error *error);

// Options at their defaults: a btree index, files mapped where pointers have 64 bits, a sync every 100 ms or 16 MiB, files of
// 1 GiB, created if missing, checksums verified, damage refused. NULL only if there are no handles left.
struct bitcask_options *bitcask_options_new(void);

// Frees options. Does nothing for NULL, or if they were freed before.
void bitcask_options_free(struct bitcask_options *options);

// The kind of index: BITCASK_INDEX_BTREE, _HASH, _ART, _SKIPLIST or _BPTREE. Any kind opens any directory.
//
// Errors: BITCASK_INVALID_ARGUMENT for another number, or a kind that this release lacks; BITCASK_NULL_ARGUMENT,
// BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_index(struct bitcask_options *options,
                                  int32_t kind,
                                  struct bitcask_error **error);

// How data files are read: BITCASK_IO_MMAP or BITCASK_IO_FILE. Writing is the same under both, and so are the files. Where a
// file can't be mapped it is read; bitcask_stats tells how many are mapped. A store that is opened for reading only maps
// nothing, because a writer in another process may cut a file shorter.
//
// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_io(struct bitcask_options *options,
                               int32_t kind,
                               struct bitcask_error **error);

// Most bytes of memory that an iterator may take to sort keys, where the index has no order (BITCASK_INDEX_HASH): 8 for each
// key of the store, and for each key in the iterator's range its length and 16 more. Beyond it making the iterator is
// BITCASK_UNSUPPORTED. 1 GiB unless it is set.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_sort_budget(struct bitcask_options *options,
                                        uint64_t bytes,
                                        struct bitcask_error **error);

// Bytes of memory that an index on disk (BITCASK_INDEX_BPTREE) may take for its cache; the other kinds have none. At least
// 1048576, which is checked at open. 64 MiB unless it is set.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_index_budget(struct bitcask_options *options,
                                         uint64_t bytes,
                                         struct bitcask_error **error);

// Bytes of log after which the index is saved, so that an opening after a crash reads little of the log: BITCASK_INDEX_BTREE and
// BITCASK_INDEX_HASH beside writers in the file index.checkpoint, not before the log has grown by an eighth of what saving it writes, and where that
// is 16 MiB or more in a pause of the writers, or after two seconds without one; BITCASK_INDEX_BPTREE in its own file. With each new data
// file that is looked at too. 0 saves it at close alone. The other kinds are not saved. 64 MiB unless it is set.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_checkpoint_bytes(struct bitcask_options *options,
                                             uint64_t bytes,
                                             struct bitcask_error **error);

// When writes reach stable storage: BITCASK_DURABILITY_NONE, _INTERVAL or _ALWAYS. A single write may ask for more with
// BITCASK_WRITE_SYNC.
//
// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_durability(struct bitcask_options *options,
                                       int32_t durability,
                                       struct bitcask_error **error);

// The limits of BITCASK_DURABILITY_INTERVAL, which it does not choose: the longest time, and the most bytes of log, that
// acknowledged writes stay unsynced. Both at least 1, which is checked at open.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_sync_interval(struct bitcask_options *options,
                                          uint64_t milliseconds,
                                          uint64_t bytes,
                                          struct bitcask_error **error);

// Length in bytes beyond which no further record goes into a data file: 4096 to 4294967296, which is checked at open. A
// larger record gets a file of its own.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_max_file_size(struct bitcask_options *options,
                                          uint64_t bytes,
                                          struct bitcask_error **error);

// Whether to create the directory and the store in it if missing. The parent directory must exist.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_create_if_missing(struct bitcask_options *options,
                                              bool yes,
                                              struct bitcask_error **error);

// Opens without a lock and without changing anything, also beside a writer in another process; shows what was there at
// open.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_read_only(struct bitcask_options *options,
                                      bool yes,
                                      struct bitcask_error **error);

// Whether every read verifies the record's checksum.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_verify_checksums(struct bitcask_options *options,
                                             bool yes,
                                             struct bitcask_error **error);

// What open does with damage whose keys are unknown: BITCASK_ON_DAMAGE_REFUSE or BITCASK_ON_DAMAGE_SERVE.
//
// Errors: BITCASK_INVALID_ARGUMENT for another number, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_on_damage(struct bitcask_options *options,
                                      int32_t policy,
                                      struct bitcask_error **error);

// Opens the store in a directory, creating it if the options say so, and recovers what is there.
//
// path is NUL-terminated, its bytes as the operating system takes them. options may be NULL for the defaults; they may
// be freed at once afterwards. *db is owned by the caller, who gives it to bitcask_close.
//
// Errors: BITCASK_LOCKED if it is open for writing elsewhere or in this process (the message tells the process id),
// BITCASK_NO_STORE, BITCASK_CORRUPTED (see bitcask_options_set_on_damage), BITCASK_UNSUPPORTED_VERSION,
// BITCASK_UNSUPPORTED_FEATURE, BITCASK_FOREIGN_FILE, BITCASK_INVALID_ARGUMENT, BITCASK_IO, BITCASK_DISK_FULL.
int32_t bitcask_open(const char *path,
                     const struct bitcask_options *options,
                     struct bitcask_db **db,
                     struct bitcask_error **error);

// Syncs, closes and unlocks a store. The handle is invalid afterwards, whatever is returned.
//
// Calls under way in other threads end first. Snapshots, batches, transactions and iterators of the store give BITCASK_CLOSED from now on, values
// stay readable; each must still be freed.
//
// Errors: BITCASK_INVALID_HANDLE if it was closed before, BITCASK_FORKED in a child process (where nothing is
// touched), or the failure of the last sync; the store is closed all the same.
int32_t bitcask_close(struct bitcask_db *db,
                      struct bitcask_error **error);

// Stores a value under a key, replacing any other. Key and value are copied. value may be NULL if value_len is 0: an empty
// value, which is not the same as none.
//
// flags: BITCASK_WRITE_DEFAULT or BITCASK_WRITE_SYNC.
//
// Errors: BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE, BITCASK_READ_ONLY, BITCASK_CLOSED,
// BITCASK_FORKED, BITCASK_IO or BITCASK_DISK_FULL (the write did not happen; later ones may work),
// BITCASK_WRITES_STOPPED, BITCASK_INVALID_ARGUMENT for unknown flags.
int32_t bitcask_put(struct bitcask_db *db,
                    const uint8_t *key,
                    size_t key_len,
                    const uint8_t *value,
                    size_t value_len,
                    uint32_t flags,
                    struct bitcask_error **error);

// Removes a key, and tells in *existed (which may be NULL) whether it was there. Removing a missing key is no error
// and writes nothing.
//
// Errors: as bitcask_put.
int32_t bitcask_delete(struct bitcask_db *db,
                       const uint8_t *key,
                       size_t key_len,
                       uint32_t flags,
                       bool *existed,
                       struct bitcask_error **error);

// Whether a key is there: BITCASK_OK or BITCASK_NOT_FOUND. Reads no value.
//
// Errors: as bitcask_get.
int32_t bitcask_contains(struct bitcask_db *db,
                         const uint8_t *key,
                         size_t key_len,
                         struct bitcask_error **error);

// Reads a value without copying it. *value is owned by the caller, who frees it with bitcask_value_free; it keeps the
// bytes readable, also after later writes and after the store is closed, and keeps nobody from writing.
//
// Returns BITCASK_NOT_FOUND, and leaves *value alone, if there is no such key.
//
// Errors: BITCASK_CORRUPTED if the record is damaged, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_CLOSED,
// BITCASK_FORKED, BITCASK_IO.
int32_t bitcask_get(struct bitcask_db *db,
                    const uint8_t *key,
                    size_t key_len,
                    struct bitcask_value **value,
                    struct bitcask_error **error);

// Copies a value into the caller's buffer, and tells its length in *len. buf may be NULL if capacity is 0, to ask for the
// length only. Key and buffer must not overlap.
//
// Returns BITCASK_NOT_FOUND, and leaves *len alone, if there is no such key. Returns BITCASK_BUFFER_TOO_SMALL, with
// the needed size in *len and without an error object, if the value is longer than capacity; what the buffer holds
// is unspecified then. (The one out-parameter that is written without success.)
//
// Errors: as bitcask_get.
int32_t bitcask_get_into(struct bitcask_db *db,
                         const uint8_t *key,
                         size_t key_len,
                         uint8_t *buf,
                         size_t capacity,
                         size_t *len,
                         struct bitcask_error **error);

// The length of a value in bytes, in *size. Reads no value, and so finds no damage in it.
//
// Returns BITCASK_NOT_FOUND, and leaves *size alone, if there is no such key.
//
// Errors: as bitcask_get; BITCASK_CORRUPTED only if the record's head or key is damaged.
int32_t bitcask_value_size(struct bitcask_db *db,
                           const uint8_t *key,
                           size_t key_len,
                           uint64_t *size,
                           struct bitcask_error **error);

// The number of keys, in O(1).
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_len(struct bitcask_db *db, uint64_t *keys, struct bitcask_error **error);

// Brings everything acknowledged so far to stable storage.
//
// Errors: BITCASK_WRITES_STOPPED after a sync that failed, now or earlier; BITCASK_READ_ONLY, BITCASK_CLOSED,
// BITCASK_FORKED.
int32_t bitcask_sync(struct bitcask_db *db, struct bitcask_error **error);

// The store in figures, at one moment: writes at most capacity of them to figures, where BITCASK_STAT_KEYS and so on are
// the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_stats(struct bitcask_db *db,
                      uint64_t *figures,
                      size_t capacity,
                      size_t *count,
                      struct bitcask_error **error);

// Where a value's bytes are. They can be read until the value is freed. *data is never NULL, also of an empty value. Of
// a record (bitcask_first) these are its value's.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_value_bytes(const struct bitcask_value *value,
                            const uint8_t **data,
                            size_t *len);

// Frees a value: its bytes must not be read any more. Does nothing for NULL, or if it was freed before.
void bitcask_value_free(struct bitcask_value *value);

// Makes an object for the values of many keys. NULL only if there are no handles left.
struct bitcask_values *bitcask_values_new(void);

// Frees an object with the values in it. Does nothing for NULL, or if it was freed before.
void bitcask_values_free(struct bitcask_values *values);

// Reads the values of count keys as of one moment, of which keys has the addresses and key_lens the lengths. A key may be
// given twice. *lookups is an array of count outcomes in the order of the keys; array and bytes live until the next call
// that is given the same values object, or its free. The records are read in the order of the log, which is faster than
// one by one.
//
// Keys that are not there are BITCASK_NOT_FOUND in their lookups and no failure of the call. keys and key_lens may be NULL if
// count is 0; a key may be NULL if its length is 0, which is BITCASK_KEY_EMPTY. No key may lie in the bytes that the
// values object gave before.
//
// Errors: BITCASK_INVALID_ARGUMENT if count is above BITCASK_MAX_MULTI_GET or another thread is using the values object; else
// as bitcask_get, of the first key that fails. After an error *lookups is as it was, and what the values object gave
// before is gone all the same.
int32_t bitcask_multi_get(struct bitcask_db *db,
                          const uint8_t *const *keys,
                          const size_t *key_lens,
                          size_t count,
                          struct bitcask_values *values,
                          const struct bitcask_lookup **lookups,
                          struct bitcask_error **error);

// As bitcask_multi_get, with the keys one behind the other in one buffer of keys_len bytes: for callers that can't hand
// out an array of pointers, or have the keys like this. The lengths must add up to keys_len.
//
// Errors: as bitcask_multi_get; BITCASK_INVALID_ARGUMENT if the lengths don't add up.
int32_t bitcask_multi_get_packed(struct bitcask_db *db,
                                 const uint8_t *keys,
                                 size_t keys_len,
                                 const size_t *key_lens,
                                 size_t count,
                                 struct bitcask_values *values,
                                 const struct bitcask_lookup **lookups,
                                 struct bitcask_error **error);

// Replaces a key's value if it is what is expected, and tells in *swapped whether it was: atomic whoever else writes. With
// expected_there false the key must not be there; with new_there false it is removed. The bytes that go with false are not
// looked at. flags as for bitcask_put; also BITCASK_WRITE_KEEP_EXPIRY, without which the new value has no expiry.
//
// Errors: as bitcask_put, and as bitcask_get.
int32_t bitcask_compare_and_swap(struct bitcask_db *db,
                                 const uint8_t *key,
                                 size_t key_len,
                                 bool expected_there,
                                 const uint8_t *expected,
                                 size_t expected_len,
                                 bool new_there,
                                 const uint8_t *new_value,
                                 size_t new_len,
                                 uint32_t flags,
                                 bool *swapped,
                                 struct bitcask_error **error);

// Stores a value if the key is not there, and tells in *stored whether it did. flags as for bitcask_put.
//
// Errors: as bitcask_compare_and_swap.
int32_t bitcask_put_if_absent(struct bitcask_db *db,
                              const uint8_t *key,
                              size_t key_len,
                              const uint8_t *value,
                              size_t value_len,
                              uint32_t flags,
                              bool *stored,
                              struct bitcask_error **error);

// Adds to a counter, and tells in *before (which may be NULL) what it was before: a value of 8 bytes, a signed number with its lowest byte
// first. A key that is not there counts as 0. flags as for bitcask_put.
//
// Errors: BITCASK_INVALID_ARGUMENT if the value is not of 8 bytes, or the sum is beyond 64 bits: then nothing is changed. Else as
// bitcask_compare_and_swap.
int32_t bitcask_fetch_add(struct bitcask_db *db,
                          const uint8_t *key,
                          size_t key_len,
                          int64_t delta,
                          uint32_t flags,
                          int64_t *before,
                          struct bitcask_error **error);

// Makes an empty batch.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_FORKED.
int32_t bitcask_batch_new(struct bitcask_db *db, struct bitcask_batch **batch, struct bitcask_error **error);

// Adds a put. Key and value are copied. Nothing reaches the store before bitcask_batch_commit; a key that is written
// twice keeps its last write.
//
// Errors: BITCASK_BATCH_FINISHED after a commit, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE,
// BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the batch.
int32_t bitcask_batch_put(struct bitcask_batch *batch,
                          const uint8_t *key,
                          size_t key_len,
                          const uint8_t *value,
                          size_t value_len,
                          struct bitcask_error **error);

// Adds a delete; the key need not exist.
//
// Errors: as bitcask_batch_put.
int32_t bitcask_batch_delete(struct bitcask_batch *batch,
                             const uint8_t *key,
                             size_t key_len,
                             struct bitcask_error **error);

// Deletes all keys from start on and before end: those that the batch has put so far, and those that are in the store when
// it is committed. Keys that it puts afterwards stay. An empty start is the first key; end may be NULL: up to the last (and is
// not, if it is only empty: no key is before that). The commit finds the keys and deletes them one by one, which takes memory for all of
// them for a moment; with BITCASK_INDEX_HASH it reads all keys of the store for it.
//
// Errors: as bitcask_batch_put.
int32_t bitcask_batch_delete_range(struct bitcask_batch *batch,
                                   const uint8_t *start,
                                   size_t start_len,
                                   const uint8_t *end,
                                   size_t end_len,
                                   struct bitcask_error **error);

// Deletes all keys that begin with prefix, as bitcask_batch_delete_range. An empty prefix: all keys of the store.
//
// Errors: as bitcask_batch_delete_range.
int32_t bitcask_batch_delete_prefix(struct bitcask_batch *batch,
                                    const uint8_t *prefix,
                                    size_t prefix_len,
                                    struct bitcask_error **error);

// Marks the present state of the batch's writes; *savepoint is a number for bitcask_batch_rollback_to and bitcask_batch_release.
//
// Errors: as bitcask_batch_delete_range.
int32_t bitcask_batch_savepoint(struct bitcask_batch *batch,
                                uint64_t *savepoint,
                                struct bitcask_error **error);

// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone.
//
// Errors: BITCASK_INVALID_ARGUMENT if there is no such savepoint (any more); else as bitcask_batch_delete_range.
int32_t bitcask_batch_rollback_to(struct bitcask_batch *batch,
                                  uint64_t savepoint,
                                  struct bitcask_error **error);

// Forgets a savepoint and later ones, and keeps all writes.
//
// Errors: as bitcask_batch_rollback_to.
int32_t bitcask_batch_release(struct bitcask_batch *batch, uint64_t savepoint, struct bitcask_error **error);

// The value that a key would have if the batch were committed now: the batch's own write, else what the store has. As bitcask_get.
//
// Errors: BITCASK_BATCH_FINISHED after a commit; else as bitcask_get.
int32_t bitcask_batch_get(struct bitcask_batch *batch,
                          const uint8_t *key,
                          size_t key_len,
                          struct bitcask_value **value,
                          struct bitcask_error **error);

// Makes an iterator over what the store would be if the batch were committed now; later writes change nothing of it. options as
// for bitcask_iter_new.
//
// Errors: BITCASK_BATCH_FINISHED after a commit; else as bitcask_iter_new.
int32_t bitcask_batch_iter_new(struct bitcask_batch *batch,
                               const struct bitcask_iter_options *options,
                               struct bitcask_iter **iter,
                               struct bitcask_error **error);

// Forgets all writes added so far, with all savepoints. The store is as it was; to delete all of its keys is bitcask_batch_delete_prefix
// with an empty prefix.
//
// Errors: as bitcask_batch_put.
int32_t bitcask_batch_clear(struct bitcask_batch *batch,
                            struct bitcask_error **error);

// The number of different keys written so far, without those that ranges delete; 0 after a commit.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the batch.
int32_t bitcask_batch_len(struct bitcask_batch *batch, size_t *len, struct bitcask_error **error);

// Bytes of all keys and values written so far, in *size.
//
// Errors: as bitcask_batch_len.
int32_t bitcask_batch_byte_len(struct bitcask_batch *batch, uint64_t *size, struct bitcask_error **error);

// Makes all writes, atomically: readers, and whoever opens the store after a crash, see all of them or none. An empty batch
// writes nothing. The batch can't be used again; it must still be freed. After an error nothing was written, and the
// commit may be tried again unless the store is closed or stopped writing.
//
// flags: BITCASK_WRITE_DEFAULT or BITCASK_WRITE_SYNC.
//
// Errors: BITCASK_BATCH_FINISHED the second time; else as bitcask_put.
int32_t bitcask_batch_commit(struct bitcask_batch *batch,
                             uint32_t flags,
                             struct bitcask_error **error);

// Frees a batch; one that was not committed is discarded. Does nothing for NULL, or if it was freed before.
void bitcask_batch_free(struct bitcask_batch *batch);

// Begins to load many pairs at once: faster than a batch, and in the memory of their keys only, whatever their values take. Pairs may
// come in any order; ascending keys are the fastest. A key that comes twice keeps its last value. Others read and write meanwhile, and
// several loads may be under way at once; an atomic load stands behind all that was committed before bitcask_bulk_finish.
//
// flags: BITCASK_BULK_DEFAULT, or BITCASK_BULK_SYNC and BITCASK_BULK_IN_PIECES or'ed.
//
// Errors: BITCASK_READ_ONLY, BITCASK_CLOSED, BITCASK_INVALID_ARGUMENT for other flags, BITCASK_NULL_ARGUMENT,
// BITCASK_INVALID_HANDLE, BITCASK_FORKED.
int32_t bitcask_bulk_new(struct bitcask_db *db,
                         uint32_t flags,
                         struct bitcask_bulk **bulk,
                         struct bitcask_error **error);

// Adds a pair. Key and value are copied. After BITCASK_IO or BITCASK_WRITES_STOPPED the load is abandoned, and each further call gives
// the same error.
//
// Errors: BITCASK_BATCH_FINISHED after bitcask_bulk_finish, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE,
// BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO, BITCASK_WRITES_STOPPED, BITCASK_INVALID_ARGUMENT if another thread is using the load.
int32_t bitcask_bulk_put(struct bitcask_bulk *bulk,
                         const uint8_t *key,
                         size_t key_len,
                         const uint8_t *value,
                         size_t value_len,
                         struct bitcask_error **error);

// Makes all pairs visible; an atomic load at once, to readers and to whoever opens the store after a crash. The load can't be used again,
// whatever comes of it; it must still be freed. After an error an atomic load did not happen.
//
// Errors: as bitcask_bulk_put.
int32_t bitcask_bulk_finish(struct bitcask_bulk *bulk,
                            struct bitcask_error **error);

// Frees a load; one that was not finished is abandoned, and what it wrote is removed. What one in pieces has committed stays. Does nothing for
// NULL, or if it was freed before.
void bitcask_bulk_free(struct bitcask_bulk *bulk);

// As bitcask_put, and tells the commit's sequence number in *seq, for bitcask_wait_durable.
//
// Errors: as bitcask_put.
int32_t bitcask_put_seq(struct bitcask_db *db,
                        const uint8_t *key,
                        size_t key_len,
                        const uint8_t *value,
                        size_t value_len,
                        uint32_t flags,
                        uint64_t *seq,
                        struct bitcask_error **error);

// As bitcask_delete, and tells the commit's sequence number in *seq, for bitcask_wait_durable. If the key was not there,
// nothing is written, and the number is that of the last commit before, on which that rests. existed may be NULL.
//
// Errors: as bitcask_put.
int32_t bitcask_delete_seq(struct bitcask_db *db,
                           const uint8_t *key,
                           size_t key_len,
                           uint32_t flags,
                           bool *existed,
                           uint64_t *seq,
                           struct bitcask_error **error);

// As bitcask_batch_commit, and tells the commit's sequence number in *seq, for bitcask_wait_durable; of an empty batch
// that of the last commit before.
//
// Errors: as bitcask_batch_commit.
int32_t bitcask_batch_commit_seq(struct bitcask_batch *batch,
                                 uint32_t flags,
                                 uint64_t *seq,
                                 struct bitcask_error **error);

// The sequence number of the last commit that readers see, in *seq; 0 if there was none yet.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_last_seq(struct bitcask_db *db, uint64_t *seq, struct bitcask_error **error);

// All commits up to *seq are on stable storage, whatever the store's durability. Never above bitcask_last_seq, and
// never falls. Causes no I/O.
//
// Errors: BITCASK_READ_ONLY (what a writer in another process has synced is not known), BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_durable_seq(struct bitcask_db *db,
                            uint64_t *seq,
                            struct bitcask_error **error);

// Waits until a commit, and all before it, is on stable storage, and syncs if nobody does: so a caller can write
// without sync, go on, and wait later. Any number of threads that wait share syncs, and writers go on meanwhile.
//
// timeout_ms: BITCASK_NO_TIMEOUT, or how many milliseconds to wait at most. *durable tells whether the commit is there; without a
// timeout it always is, and durable may be NULL. When the time is up the sync goes on, in another thread, which the
// store starts when it is first needed. In a callback of this store there is no limit.
//
// Errors: BITCASK_INVALID_ARGUMENT for a number that no commit has yet, or another negative timeout; BITCASK_WRITES_STOPPED if
// the sync failed, or one before it; BITCASK_READ_ONLY, BITCASK_CLOSED, BITCASK_FORKED; BITCASK_NULL_ARGUMENT if
// durable is NULL with a timeout.
int32_t bitcask_wait_durable(struct bitcask_db *db,
                             uint64_t seq,
                             int64_t timeout_ms,
                             bool *durable,
                             struct bitcask_error **error);

// As bitcask_put, without waiting: callback gets the outcome when the write is made, and is as durable as flags and the store's
// durability say. Key and value are copied before this returns.
//
// What one thread queues takes effect in that order, and writes share appends and syncs. A write that another call makes
// meanwhile may come before what is queued.
//
// Returns BITCASK_OK if the write was queued: then the callback is called exactly once, with BITCASK_CLOSED if the store is closed
// before the write was made. After an error it is never called, and user_data is still the caller's. bitcask_close returns
// after the last callback did, so don't hold a lock over it that a callback takes. In a forked child no callback of the parent's is
// called.
//
// Errors: those of bitcask_put that are known at once; BITCASK_NULL_ARGUMENT without callback; BITCASK_UNSUPPORTED if the
// thread can't be started. The callback gets the others.
int32_t bitcask_put_async(struct bitcask_db *db,
                          const uint8_t *key,
                          size_t key_len,
                          const uint8_t *value,
                          size_t value_len,
                          uint32_t flags,
                          bitcask_write_callback callback,
                          void *user_data,
                          struct bitcask_error **error);

// As bitcask_delete, without waiting: see bitcask_put_async.
//
// Errors: as bitcask_put_async.
int32_t bitcask_delete_async(struct bitcask_db *db,
                             const uint8_t *key,
                             size_t key_len,
                             uint32_t flags,
                             bitcask_write_callback callback,
                             void *user_data,
                             struct bitcask_error **error);

// As bitcask_batch_commit, without waiting: see bitcask_put_async. If the commit was queued, the batch is finished, whatever the
// callback gets; it must still be freed, which may be done at once.
//
// Errors: BITCASK_BATCH_FINISHED the second time; else as bitcask_put_async.
int32_t bitcask_batch_commit_async(struct bitcask_batch *batch,
                                   uint32_t flags,
                                   bitcask_write_callback callback,
                                   void *user_data,
                                   struct bitcask_error **error);

// Options at their defaults: all keys with their values, ascending. NULL only if there are no handles left.
struct bitcask_iter_options *bitcask_iter_options_new(void);

// Frees options. Does nothing for NULL, or if they were freed before.
void bitcask_iter_options_free(struct bitcask_iter_options *options);

// Only keys that begin with these bytes, which are copied. None: all.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_prefix(struct bitcask_iter_options *options,
                                        const uint8_t *prefix,
                                        size_t prefix_len,
                                        struct bitcask_error **error);

// Only keys above a bound, or at it if inclusive. The bound is copied and need not be a valid key. The direction
// does not change which bound is which.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_start(struct bitcask_iter_options *options,
                                       const uint8_t *key,
                                       size_t key_len,
                                       bool inclusive,
                                       struct bitcask_error **error);

// Only keys below a bound, or at it if inclusive, as with bitcask_iter_options_set_start. A range whose end lies
// before its start is empty.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_end(struct bitcask_iter_options *options,
                                     const uint8_t *key,
                                     size_t key_len,
                                     bool inclusive,
                                     struct bitcask_error **error);

// Descending order.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_reverse(struct bitcask_iter_options *options,
                                         bool yes,
                                         struct bitcask_error **error);

// At most so many records, from each bitcask_iter_rewind or bitcask_iter_seek on.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_limit(struct bitcask_iter_options *options,
                                       uint64_t records,
                                       struct bitcask_error **error);

// Keys without values: values are never read, and are given as empty.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_iter_options_set_keys_only(struct bitcask_iter_options *options,
                                           bool yes,
                                           struct bitcask_error **error);

// Makes an iterator over the store as it is now, before the first record of its range. options may be NULL for all
// records; they may be freed at once afterwards.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED; with an index without order (BITCASK_INDEX_HASH), which reads the keys from the
// log and sorts them, also BITCASK_IO, BITCASK_CORRUPTED, and BITCASK_UNSUPPORTED beyond bitcask_options_set_sort_budget.
int32_t bitcask_iter_new(struct bitcask_db *db,
                         const struct bitcask_iter_options *options,
                         struct bitcask_iter **iter,
                         struct bitcask_error **error);

// Reads the next records: at most max_records of them (at least 1), and after the first no more than about max_bytes of keys
// and values. *entries is an array of *count records; a *count of 0 means the end. Array and bytes live until the
// next call on the iterator, or its free.
//
// Errors: BITCASK_CORRUPTED at a damaged record, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO; BITCASK_INVALID_ARGUMENT
// if max_records is 0 or another thread is using the iterator. After an error the iterator stays where it is;
// bitcask_iter_skip_damaged passes a damaged record.
int32_t bitcask_iter_next_page(struct bitcask_iter *iter,
                               size_t max_records,
                               size_t max_bytes,
                               const struct bitcask_entry **entries,
                               size_t *count,
                               struct bitcask_error **error);

// Reads the next record: BITCASK_OK, or BITCASK_NOT_FOUND at the end, which leaves *entry alone. The bytes live until
// the next call on the iterator, or its free.
//
// Errors: as bitcask_iter_next_page.
int32_t bitcask_iter_next(struct bitcask_iter *iter,
                          struct bitcask_entry *entry,
                          struct bitcask_error **error);

// Goes to the first key of the range that is at or above key; in reverse at or below. key may be any bytes.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the iterator.
int32_t bitcask_iter_seek(struct bitcask_iter *iter,
                          const uint8_t *key,
                          size_t key_len,
                          struct bitcask_error **error);

// Goes back to the beginning of the range; in reverse to its end.
//
// Errors: as bitcask_iter_seek.
int32_t bitcask_iter_rewind(struct bitcask_iter *iter, struct bitcask_error **error);

// Passes the record at which the last call failed with BITCASK_CORRUPTED, so that iteration can go on behind it. Does nothing
// otherwise.
//
// Errors: as bitcask_iter_seek.
int32_t bitcask_iter_skip_damaged(struct bitcask_iter *iter,
                                  struct bitcask_error **error);

// Frees an iterator with the records it gave. Does nothing for NULL, or if it was freed before.
void bitcask_iter_free(struct bitcask_iter *iter);

// The record with the least key. *value is owned by the caller, who frees it with bitcask_value_free; *entry has the
// record's key and value, whose bytes live as long as *value. They stay what they are, as with bitcask_get.
//
// Returns BITCASK_NOT_FOUND, and leaves both alone, if the store is empty. An index without order (BITCASK_INDEX_HASH)
// reads all keys for this.
//
// Errors: BITCASK_CORRUPTED if the record is damaged, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
int32_t bitcask_first(struct bitcask_db *db,
                      struct bitcask_value **value,
                      struct bitcask_entry *entry,
                      struct bitcask_error **error);

// The record with the greatest key; else as bitcask_first.
//
// Errors: as bitcask_first.
int32_t bitcask_last(struct bitcask_db *db,
                     struct bitcask_value **value,
                     struct bitcask_entry *entry,
                     struct bitcask_error **error);

// How many records an iterator with these options would give now, in *count. options may be NULL for all records, which
// is O(1). Reads no values, and no keys where the index keeps them.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED; BITCASK_IO and BITCASK_CORRUPTED where the index keeps no keys.
int32_t bitcask_count(struct bitcask_db *db,
                      const struct bitcask_iter_options *options,
                      uint64_t *count,
                      struct bitcask_error **error);

// A key at random, each with the same chance. *key is owned by the caller, who looks at it with bitcask_value_bytes and
// frees it with bitcask_value_free.
//
// Returns BITCASK_NOT_FOUND, and leaves *key alone, if the store is empty.
//
// Errors: BITCASK_CORRUPTED if the key that was picked is damaged, BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
int32_t bitcask_random_key(struct bitcask_db *db,
                           struct bitcask_value **key,
                           struct bitcask_error **error);

// Calls callback with each record that the options say (NULL: all, ascending), as of one moment and in their order. With
// bitcask_iter_options_set_keys_only values are empty and are not read. What an iterator gives step by step, by one call. The store may be read, written
// and closed in callback.
//
// Errors: BITCASK_CANCELLED if callback returned something else than 0, BITCASK_NULL_ARGUMENT without callback, else as bitcask_iter_new and
// bitcask_iter_next_page.
int32_t bitcask_fold(struct bitcask_db *db,
                     const struct bitcask_iter_options *options,
                     bitcask_fold_fn callback,
                     void *user_data,
                     struct bitcask_error **error);

// Whether the store has no keys, in *empty, in O(1).
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_is_empty(struct bitcask_db *db, bool *empty, struct bitcask_error **error);

// Takes a snapshot of the store as it is now, in O(1). Any number may live.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
int32_t bitcask_snapshot_new(struct bitcask_db *db,
                             struct bitcask_snapshot **snapshot,
                             struct bitcask_error **error);

// Reads a value without copying it, as bitcask_get does.
//
// Errors: as bitcask_get; BITCASK_CLOSED once the store is closed.
int32_t bitcask_snapshot_get(const struct bitcask_snapshot *snapshot,
                             const uint8_t *key,
                             size_t key_len,
                             struct bitcask_value **value,
                             struct bitcask_error **error);

// Copies a value into the caller's buffer, as bitcask_get_into does.
//
// Errors: as bitcask_snapshot_get.
int32_t bitcask_snapshot_get_into(const struct bitcask_snapshot *snapshot,
                                  const uint8_t *key,
                                  size_t key_len,
                                  uint8_t *buf,
                                  size_t capacity,
                                  size_t *len,
                                  struct bitcask_error **error);

// Whether a key was there: BITCASK_OK or BITCASK_NOT_FOUND. Reads no value.
//
// Errors: as bitcask_snapshot_get.
int32_t bitcask_snapshot_contains(const struct bitcask_snapshot *snapshot,
                                  const uint8_t *key,
                                  size_t key_len,
                                  struct bitcask_error **error);

// The length of a value in bytes, in *size, as bitcask_value_size.
//
// Errors: as bitcask_value_size.
int32_t bitcask_snapshot_value_size(const struct bitcask_snapshot *snapshot,
                                    const uint8_t *key,
                                    size_t key_len,
                                    uint64_t *size,
                                    struct bitcask_error **error);

// Reads the values of many keys, as bitcask_multi_get.
//
// Errors: as bitcask_multi_get.
int32_t bitcask_snapshot_multi_get(const struct bitcask_snapshot *snapshot,
                                   const uint8_t *const *keys,
                                   const size_t *key_lens,
                                   size_t count,
                                   struct bitcask_values *values,
                                   const struct bitcask_lookup **lookups,
                                   struct bitcask_error **error);

// As bitcask_snapshot_multi_get, with the keys one behind the other, as bitcask_multi_get_packed.
//
// Errors: as bitcask_multi_get_packed.
int32_t bitcask_snapshot_multi_get_packed(const struct bitcask_snapshot *snapshot,
                                          const uint8_t *keys,
                                          size_t keys_len,
                                          const size_t *key_lens,
                                          size_t count,
                                          struct bitcask_values *values,
                                          const struct bitcask_lookup **lookups,
                                          struct bitcask_error **error);

// Makes an iterator over the snapshot, which keeps its moment also when the snapshot is freed. options as for bitcask_iter_new.
//
// Errors: as bitcask_iter_new.
int32_t bitcask_snapshot_iter_new(const struct bitcask_snapshot *snapshot,
                                  const struct bitcask_iter_options *options,
                                  struct bitcask_iter **iter,
                                  struct bitcask_error **error);

// The number of keys, in O(1).
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
int32_t bitcask_snapshot_len(const struct bitcask_snapshot *snapshot,
                             uint64_t *keys,
                             struct bitcask_error **error);

// How many records an iterator with these options gives, as bitcask_count.
//
// Errors: as bitcask_count.
int32_t bitcask_snapshot_count(const struct bitcask_snapshot *snapshot,
                               const struct bitcask_iter_options *options,
                               uint64_t *count,
                               struct bitcask_error **error);

// The sequence number of the last commit that it shows, in *seq.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
int32_t bitcask_snapshot_seq(const struct bitcask_snapshot *snapshot,
                             uint64_t *seq,
                             struct bitcask_error **error);

// The record with the least key, as bitcask_first.
//
// Errors: as bitcask_first.
int32_t bitcask_snapshot_first(const struct bitcask_snapshot *snapshot,
                               struct bitcask_value **value,
                               struct bitcask_entry *entry,
                               struct bitcask_error **error);

// The record with the greatest key, as bitcask_last.
//
// Errors: as bitcask_last.
int32_t bitcask_snapshot_last(const struct bitcask_snapshot *snapshot,
                              struct bitcask_value **value,
                              struct bitcask_entry *entry,
                              struct bitcask_error **error);

// Frees a snapshot. Does nothing for NULL, or if it was freed before.
void bitcask_snapshot_free(struct bitcask_snapshot *snapshot);

// Begins a transaction: it reads the store as it is now.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_HANDLE.
int32_t bitcask_txn_new(struct bitcask_db *db, struct bitcask_txn **txn, struct bitcask_error **error);

// The value of a key, as bitcask_get: the transaction's own write, or else what the store had at its beginning, which the commit then
// rests on.
//
// Errors: BITCASK_TRANSACTION_FINISHED after a commit, conflict or rollback; BITCASK_INVALID_ARGUMENT if another thread is using the
// transaction; else as bitcask_get.
int32_t bitcask_txn_get(struct bitcask_txn *txn,
                        const uint8_t *key,
                        size_t key_len,
                        struct bitcask_value **value,
                        struct bitcask_error **error);

// Makes an iterator over what the transaction sees now; later writes change nothing of it. The commit rests on what the library has read
// for the iterator: pages that it has given, and what bitcask_iter_next has read ahead (up to 64 records; use
// bitcask_iter_next_page to say how many). options as for bitcask_iter_new.
//
// Errors: BITCASK_TRANSACTION_FINISHED; else as bitcask_iter_new.
int32_t bitcask_txn_iter_new(struct bitcask_txn *txn,
                             const struct bitcask_iter_options *options,
                             struct bitcask_iter **iter,
                             struct bitcask_error **error);

// As bitcask_txn_get, and the commit rests on the key in any case, also where the transaction wrote it before without having read it.
//
// Errors: as bitcask_txn_get.
int32_t bitcask_txn_get_for_update(struct bitcask_txn *txn,
                                   const uint8_t *key,
                                   size_t key_len,
                                   struct bitcask_value **value,
                                   struct bitcask_error **error);

// Whether a key is there: BITCASK_OK or BITCASK_NOT_FOUND. As bitcask_txn_get, but reads no value.
//
// Errors: as bitcask_txn_get.
int32_t bitcask_txn_contains(struct bitcask_txn *txn,
                             const uint8_t *key,
                             size_t key_len,
                             struct bitcask_error **error);

// Adds a put. Key and value are copied.
//
// Errors: BITCASK_TRANSACTION_FINISHED, BITCASK_KEY_EMPTY, BITCASK_KEY_TOO_LARGE, BITCASK_VALUE_TOO_LARGE, BITCASK_CLOSED, BITCASK_FORKED,
// BITCASK_INVALID_ARGUMENT if another thread is using the transaction.
int32_t bitcask_txn_put(struct bitcask_txn *txn,
                        const uint8_t *key,
                        size_t key_len,
                        const uint8_t *value,
                        size_t value_len,
                        struct bitcask_error **error);

// Adds a delete; the key need not exist, and is not read by this.
//
// Errors: as bitcask_txn_put.
int32_t bitcask_txn_delete(struct bitcask_txn *txn,
                           const uint8_t *key,
                           size_t key_len,
                           struct bitcask_error **error);

// Deletes all keys from start on and before end: those that the transaction has put so far, and those that are in the store when
// it is committed. Keys that it puts afterwards stay. An empty start is the first key; end may be NULL: up to the last (and is
// not, if it is only empty: no key is before that). The commit finds the keys and deletes them one by one, which takes memory for all of
// them for a moment; with BITCASK_INDEX_HASH it reads all keys of the store for it.
//
// Errors: as bitcask_txn_put.
int32_t bitcask_txn_delete_range(struct bitcask_txn *txn,
                                 const uint8_t *start,
                                 size_t start_len,
                                 const uint8_t *end,
                                 size_t end_len,
                                 struct bitcask_error **error);

// Deletes all keys that begin with prefix, as bitcask_txn_delete_range. An empty prefix: all keys of the store.
//
// Errors: as bitcask_txn_delete_range.
int32_t bitcask_txn_delete_prefix(struct bitcask_txn *txn,
                                  const uint8_t *prefix,
                                  size_t prefix_len,
                                  struct bitcask_error **error);

// Marks the present state of the transaction's writes; *savepoint is a number for bitcask_txn_rollback_to and bitcask_txn_release.
//
// Errors: as bitcask_txn_delete_range.
int32_t bitcask_txn_savepoint(struct bitcask_txn *txn,
                              uint64_t *savepoint,
                              struct bitcask_error **error);

// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone.
//
// Errors: BITCASK_INVALID_ARGUMENT if there is no such savepoint (any more); else as bitcask_txn_delete_range.
int32_t bitcask_txn_rollback_to(struct bitcask_txn *txn,
                                uint64_t savepoint,
                                struct bitcask_error **error);

// Forgets a savepoint and later ones, and keeps all writes.
//
// Errors: as bitcask_txn_rollback_to.
int32_t bitcask_txn_release(struct bitcask_txn *txn, uint64_t savepoint, struct bitcask_error **error);

// The number of different keys written so far, without those that ranges delete; 0 when it is over.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_INVALID_ARGUMENT if another thread is using the transaction.
int32_t bitcask_txn_len(struct bitcask_txn *txn,
                        size_t *len,
                        struct bitcask_error **error);

// The sequence number of the last commit that the transaction sees, in *seq.
//
// Errors: as bitcask_txn_len, and BITCASK_TRANSACTION_FINISHED.
int32_t bitcask_txn_seq(struct bitcask_txn *txn, uint64_t *seq, struct bitcask_error **error);

// Makes all writes, atomically, if nothing that was read has changed, and tells in *seq (which may be NULL) the commit's sequence number. The
// transaction is over then; it must still be freed. flags as for bitcask_put.
//
// Errors: BITCASK_CONFLICT if something that was read has changed: nothing was written, and the transaction is over; begin a new one.
// BITCASK_TRANSACTION_FINISHED the second time. Else as bitcask_batch_commit: nothing was written, and it may be tried again.
int32_t bitcask_txn_commit(struct bitcask_txn *txn,
                           uint32_t flags,
                           uint64_t *seq,
                           struct bitcask_error **error);

// Discards everything; the transaction is over then, and must still be freed. Of a closed store too.
//
// Errors: BITCASK_TRANSACTION_FINISHED if it was over; else as bitcask_txn_len, without BITCASK_CLOSED.
int32_t bitcask_txn_rollback(struct bitcask_txn *txn, struct bitcask_error **error);

// Frees a transaction; one that was not committed is discarded. Does nothing for NULL, or if it was freed before.
void bitcask_txn_free(struct bitcask_txn *txn);

// Records count as absent so many milliseconds after they were written, by the clock, unless they have an expiry of their own
// (bitcask_put_ttl, bitcask_expire). Nothing of it is stored: it holds for this opening, for all that the store has. 0, the
// default, is none.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_expiry(struct bitcask_options *options,
                                   uint64_t milliseconds,
                                   struct bitcask_error **error);

// As bitcask_put; the key counts as absent after ttl_ms milliseconds from now on, for every call and without anybody doing anything for it. With 0 the
// key is deleted instead; what goes beyond the range of times is for ever. A later put without ttl has no expiry; bitcask_fetch_add keeps it.
//
// Times are those of the system's clock: if it jumps, forwards or back, that changes what has expired, and nothing else. Snapshots, iterators and
// transactions go by the time at which they began.
//
// Errors: as bitcask_put.
int32_t bitcask_put_ttl(struct bitcask_db *db,
                        const uint8_t *key,
                        size_t key_len,
                        const uint8_t *value,
                        size_t value_len,
                        uint64_t ttl_ms,
                        uint32_t flags,
                        struct bitcask_error **error);

// As bitcask_put_if_absent, with a ttl as in bitcask_put_ttl: so a lock that nobody keeps for ever.
//
// Errors: as bitcask_put_if_absent.
int32_t bitcask_put_if_absent_ttl(struct bitcask_db *db,
                                  const uint8_t *key,
                                  size_t key_len,
                                  const uint8_t *value,
                                  size_t value_len,
                                  uint64_t ttl_ms,
                                  uint32_t flags,
                                  bool *stored,
                                  struct bitcask_error **error);

// As bitcask_put_seq, with a ttl as in bitcask_put_ttl.
//
// Errors: as bitcask_put_seq.
int32_t bitcask_put_seq_ttl(struct bitcask_db *db,
                            const uint8_t *key,
                            size_t key_len,
                            const uint8_t *value,
                            size_t value_len,
                            uint64_t ttl_ms,
                            uint32_t flags,
                            uint64_t *seq,
                            struct bitcask_error **error);

// As bitcask_compare_and_swap to a new value, which has a ttl as in bitcask_put_ttl: so a lock is prolonged by who holds it.
//
// Errors: as bitcask_compare_and_swap.
int32_t bitcask_compare_and_swap_ttl(struct bitcask_db *db,
                                     const uint8_t *key,
                                     size_t key_len,
                                     bool expected_there,
                                     const uint8_t *expected,
                                     size_t expected_len,
                                     const uint8_t *new_value,
                                     size_t new_len,
                                     uint64_t ttl_ms,
                                     uint32_t flags,
                                     bool *swapped,
                                     struct bitcask_error **error);

// As bitcask_fetch_add; the counter has a ttl as in bitcask_put_ttl from now on, in place of its expiry.
//
// Errors: as bitcask_fetch_add.
int32_t bitcask_fetch_add_ttl(struct bitcask_db *db,
                              const uint8_t *key,
                              size_t key_len,
                              int64_t delta,
                              uint64_t ttl_ms,
                              uint32_t flags,
                              int64_t *before,
                              struct bitcask_error **error);

// As bitcask_put_async, with a ttl as in bitcask_put_ttl, which counts from this call on.
//
// Errors: as bitcask_put_async.
int32_t bitcask_put_ttl_async(struct bitcask_db *db,
                              const uint8_t *key,
                              size_t key_len,
                              const uint8_t *value,
                              size_t value_len,
                              uint64_t ttl_ms,
                              uint32_t flags,
                              bitcask_write_callback callback,
                              void *user_data,
                              struct bitcask_error **error);

// Has a key expire ttl_ms milliseconds from now on, in place of when it would have; with 0 it is deleted. Tells in *found (which may be NULL) whether
// the key is there. The record is written anew, with its value. flags as for bitcask_put.
//
// Errors: as bitcask_compare_and_swap.
int32_t bitcask_expire(struct bitcask_db *db,
                       const uint8_t *key,
                       size_t key_len,
                       uint64_t ttl_ms,
                       uint32_t flags,
                       bool *found,
                       struct bitcask_error **error);

// Takes away a key's own expiry, and tells in *had (which may be NULL) whether it had one. The record is written anew, with its value, if it had. flags as for
// bitcask_put.
//
// Errors: as bitcask_compare_and_swap.
int32_t bitcask_persist(struct bitcask_db *db,
                        const uint8_t *key,
                        size_t key_len,
                        uint32_t flags,
                        bool *had,
                        struct bitcask_error **error);

// Tells in *ttl_ms how many milliseconds a key is left, by its own expiry or bitcask_options_set_expiry; BITCASK_NO_EXPIRY if it does not
// expire. Reads no value.
//
// Errors: BITCASK_NOT_FOUND (without an error object) if there is no such key, or it has expired; else as bitcask_get.
int32_t bitcask_ttl(struct bitcask_db *db,
                    const uint8_t *key,
                    size_t key_len,
                    uint64_t *ttl_ms,
                    struct bitcask_error **error);

// Deletes what has expired by now, and tells in *keys (which may be NULL) how many keys that were. Nothing needs it but bitcask_len, which counts what
// has expired until it is swept, and the disk: a merge can give back only what is deleted, and begins with a sweep of its own. Writes go on beside it,
// and a key that is written meanwhile stays. It looks at the header of every record, unless nothing can have expired since the last one.
//
// Errors: as bitcask_delete; what was swept until then stays so.
int32_t bitcask_sweep_expired(struct bitcask_db *db,
                              uint64_t *keys,
                              struct bitcask_error **error);

// As bitcask_batch_put, with a ttl as in bitcask_put_ttl, which counts from this call on.
//
// Errors: as bitcask_batch_put.
int32_t bitcask_batch_put_ttl(struct bitcask_batch *batch,
                              const uint8_t *key,
                              size_t key_len,
                              const uint8_t *value,
                              size_t value_len,
                              uint64_t ttl_ms,
                              struct bitcask_error **error);

// Puts the value that a key has now (of the batch, else of the store) once more, to expire ttl_ms milliseconds from this call on; with 0 it is deleted.
// Tells in *found (which may be NULL) whether the key is there. What others write until the commit is overwritten.
//
// Errors: as bitcask_batch_get.
int32_t bitcask_batch_expire(struct bitcask_batch *batch,
                             const uint8_t *key,
                             size_t key_len,
                             uint64_t ttl_ms,
                             bool *found,
                             struct bitcask_error **error);

// Puts the value that a key has now once more, without an expiry of its own, and tells in *had (which may be NULL) whether it had one. As
// bitcask_batch_expire.
//
// Errors: as bitcask_batch_get.
int32_t bitcask_batch_persist(struct bitcask_batch *batch,
                              const uint8_t *key,
                              size_t key_len,
                              bool *had,
                              struct bitcask_error **error);

// As bitcask_ttl, of what the store would be if the batch were committed now.
//
// Errors: as bitcask_batch_get.
int32_t bitcask_batch_ttl(struct bitcask_batch *batch,
                          const uint8_t *key,
                          size_t key_len,
                          uint64_t *ttl_ms,
                          struct bitcask_error **error);

// As bitcask_txn_put, with a ttl as in bitcask_put_ttl, which counts from this call on. The transaction's own reads go by the time at which it began.
//
// Errors: as bitcask_txn_put.
int32_t bitcask_txn_put_ttl(struct bitcask_txn *txn,
                            const uint8_t *key,
                            size_t key_len,
                            const uint8_t *value,
                            size_t value_len,
                            uint64_t ttl_ms,
                            struct bitcask_error **error);

// Reads a key as bitcask_txn_get_for_update does and puts it once more, to expire ttl_ms milliseconds from this call on; with 0 it is deleted. Tells in
// *found (which may be NULL) whether the key is there.
//
// Errors: as bitcask_txn_get.
int32_t bitcask_txn_expire(struct bitcask_txn *txn,
                           const uint8_t *key,
                           size_t key_len,
                           uint64_t ttl_ms,
                           bool *found,
                           struct bitcask_error **error);

// Reads a key as bitcask_txn_get_for_update does and takes away its own expiry. Tells in *had (which may be NULL) whether it had one.
//
// Errors: as bitcask_txn_get.
int32_t bitcask_txn_persist(struct bitcask_txn *txn,
                            const uint8_t *key,
                            size_t key_len,
                            bool *had,
                            struct bitcask_error **error);

// As bitcask_ttl, from the time on at which the transaction began. Reads the key as bitcask_txn_get does.
//
// Errors: as bitcask_txn_get.
int32_t bitcask_txn_ttl(struct bitcask_txn *txn,
                        const uint8_t *key,
                        size_t key_len,
                        uint64_t *ttl_ms,
                        struct bitcask_error **error);

// As bitcask_bulk_put, with a ttl as in bitcask_put_ttl, which counts from this call on and is at least 1.
//
// Errors: as bitcask_bulk_put; BITCASK_INVALID_ARGUMENT if ttl_ms is 0, after which the load goes on without the pair.
int32_t bitcask_bulk_put_ttl(struct bitcask_bulk *bulk,
                             const uint8_t *key,
                             size_t key_len,
                             const uint8_t *value,
                             size_t value_len,
                             uint64_t ttl_ms,
                             struct bitcask_error **error);

// Has callback told of the progress of each opening with these options: when it begins, once in 8 MiB of data files, and when all was
// read. NULL tells nobody, which is the default.
//
// It is called inside of bitcask_open, by its thread. An opening that it stops has changed nothing that an opening would not change, and
// leaves nothing locked. user_data is handed to it as it is, and must be good for as long as stores are opened with these options; if
// several threads open with them at once, so must callback be for several threads. It may use other stores, and not these options.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_progress(struct bitcask_options *options,
                                     bitcask_progress_fn callback,
                                     void *user_data,
                                     struct bitcask_error **error);

// Catches up with the writer in another process, if the store was opened for reading only
// (bitcask_options_set_read_only): what was acknowledged there before this call is shown from now on, each commit whole.
// *changed tells whether anything new may be shown; changed may be NULL. bitcask_refresh_figures tells more.
//
// What is new is read and nothing else; only where the writer took something back, or files came or went, all is loaded
// anew, beside what is shown until that is done. Iterators and values go on showing what they showed. With nothing new it
// costs a few system calls. In a store that is open for writing it does nothing. Threads that refresh at once wait for each
// other; reads go on meanwhile.
//
// Errors: BITCASK_CORRUPTED where the log is damaged (what was shown before still is), BITCASK_NO_STORE if the directory has
// no data files any more, BITCASK_IO, BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_refresh(struct bitcask_db *db,
                        bool *changed,
                        struct bitcask_error **error);

// Catches up as bitcask_refresh does, and tells in figures what that came to: writes at most capacity of them to figures, where
// BITCASK_REFRESH_RECORDS and so on are the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
// Something new may be shown if there are records or all was loaded anew.
//
// Errors: as bitcask_refresh, and BITCASK_NULL_ARGUMENT.
int32_t bitcask_refresh_figures(struct bitcask_db *db,
                                uint64_t *figures,
                                size_t capacity,
                                size_t *count,
                                struct bitcask_error **error);

// What opening the store found and did, which never changes: *report is owned by the caller, who frees it with bitcask_open_report_free.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_FORKED.
int32_t bitcask_report_of_opening(struct bitcask_db *db,
                                  struct bitcask_open_report **report,
                                  struct bitcask_error **error);

// An opening in figures: writes at most capacity of them to figures, where BITCASK_OPEN_FILES and so on are the indexes, and tells in *count
// how many this library knows. figures may be NULL if capacity is 0.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_open_report_figures(const struct bitcask_open_report *report,
                                    uint64_t *figures,
                                    size_t capacity,
                                    size_t *count);

// Something that opening found: which is BITCASK_OPEN_DAMAGE, _TORN_TAIL or _UNUSABLE_HINT, and index is below their number among the
// figures. The strings of *finding live as long as the report.
//
// Errors: BITCASK_INVALID_ARGUMENT for another kind or an index that is none, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_open_report_finding(const struct bitcask_open_report *report,
                                    int32_t which,
                                    size_t index,
                                    struct bitcask_finding *finding);

// Why a saved index that was there was not used, in English, NUL-terminated UTF-8; "" if there was none or it was used, and for NULL or a freed
// report. It lives as long as the report.
const char *bitcask_open_report_unusable_index(const struct bitcask_open_report *report);

// Frees a report, with the strings in it. Does nothing for NULL, or if it was freed before.
void bitcask_open_report_free(struct bitcask_open_report *report);

// Share of a data file's records, by bytes and in percent, from which on it starts a merge if they are dead: one file beyond a trigger starts a
// merge, all files beyond a threshold join it. 60 unless it is set; above 100 never.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_frag_merge_trigger(struct bitcask_options *options,
                                               uint32_t percent,
                                               struct bitcask_error **error);

// Dead bytes of a data file from which on it starts a merge. 512 MiB unless it is set.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_dead_bytes_merge_trigger(struct bitcask_options *options,
                                                     uint64_t bytes,
                                                     struct bitcask_error **error);

// Dead share in percent from which on a data file joins a merge. 40 unless it is set; above 100 never.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_frag_threshold(struct bitcask_options *options,
                                           uint32_t percent,
                                           struct bitcask_error **error);

// Dead bytes from which on a data file joins a merge. 128 MiB unless it is set.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_dead_bytes_threshold(struct bitcask_options *options,
                                                 uint64_t bytes,
                                                 struct bitcask_error **error);

// Data files shorter than this join a merge. 10 MiB unless it is set; 0 for none.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_small_file_threshold(struct bitcask_options *options,
                                                 uint64_t bytes,
                                                 struct bitcask_error **error);

// Whether a thread of the store merges by itself what is worth it, if the store is opened for writing; bitcask_last_background_merge tells what came of it.
// true unless it is set; with false space is given back by bitcask_merge alone. The thread is started when there is a second data file, and sleeps until
// files come or records die; no read and no write fails because of it. In a forked child there is none.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_background_merge(struct bitcask_options *options,
                                             bool yes,
                                             struct bitcask_error **error);

// Merges in the background read and write at most so many bytes a second together; 0, the default, is without limit. For merges by hand there is
// bitcask_merge_options_set_bytes_per_second.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_merge_bytes_per_second(struct bitcask_options *options,
                                                   uint64_t bytes_per_second,
                                                   struct bitcask_error **error);

// The first and the last hour of the day (UTC, 0 to 23) in which merges should run, and those in the background do; over midnight if the last is the
// smaller one: from 22 to 4 is from 22:00 to 4:59. BITCASK_MERGE_ANY_HOUR for both, the default, is always.
//
// Errors: BITCASK_INVALID_ARGUMENT for other hours, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_options_set_merge_window(struct bitcask_options *options,
                                         int32_t from_hour,
                                         int32_t to_hour,
                                         struct bitcask_error **error);

// Options at their defaults: a merge of the files that the store's policy finds worth it, as fast as it goes. NULL only if there are no
// handles left.
struct bitcask_merge_options *bitcask_merge_options_new(void);

// Frees options. Does nothing for NULL, or if they were freed before.
void bitcask_merge_options_free(struct bitcask_merge_options *options);

// Merges these data files, of which files has the numbers (see bitcask_file_stats), and no others, whatever the policy finds. If the
// log ends in one of them, it goes on in a new one. The numbers are copied; whether such files are there is checked by bitcask_merge.
// files may be NULL if count is 0, which merges nothing.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE, BITCASK_INVALID_ARGUMENT for a count that no array can have.
int32_t bitcask_merge_options_set_files(struct bitcask_merge_options *options,
                                        const uint32_t *files,
                                        size_t count,
                                        struct bitcask_error **error);

// Whether to merge all data files, if none were chosen. The log goes on in a new one. Needs as much free space as the live records
// take.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_options_set_everything(struct bitcask_merge_options *options,
                                             bool yes,
                                             struct bitcask_error **error);

// Reads and writes at most so many bytes a second together; 0, the default, is without limit.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_options_set_bytes_per_second(struct bitcask_merge_options *options,
                                                   uint64_t bytes,
                                                   struct bitcask_error **error);

// Has callback told of the progress of each merge with these options: when it begins, and then now and then, at the least every 20 ms while
// it is paused or slowed down, so that a merge can be stopped from there. NULL tells nobody, which is the default.
//
// It is called inside of bitcask_merge, by its thread, and may use all stores; but another merge of this one, or closing it, would wait for the
// merge, and is BITCASK_INVALID_ARGUMENT. user_data is handed to it as it is, and must be good for as long as stores are merged with
// these options; if several threads merge with them at once, so must callback be for several threads.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_options_set_progress(struct bitcask_merge_options *options,
                                           bitcask_merge_progress_fn callback,
                                           void *user_data,
                                           struct bitcask_error **error);

// Reclaims what is dead: copies what is alive out of some data files into new ones, and removes them. Reads and writes go on beside it.
// Returns when it is done, or at once if nothing is worth it. One merge of a store runs at a time; a second call waits for the first.
//
// options may be NULL for the defaults. *report is owned by the caller, who frees it with bitcask_merge_report_free; report may be NULL.
// A data file that has bytes which no record accounts for is left as it is, and told in the report.
//
// Errors: BITCASK_CANCELLED by the callback of bitcask_merge_options_set_progress, BITCASK_INVALID_ARGUMENT for a file that is not there or
// in such a callback of this store, BITCASK_READ_ONLY, BITCASK_CLOSED (also if the store is closed meanwhile), BITCASK_FORKED,
// BITCASK_WRITES_STOPPED, BITCASK_CORRUPTED, BITCASK_IO, BITCASK_DISK_FULL. The store is as it was then, but for files that
// are done already.
int32_t bitcask_merge(struct bitcask_db *db,
                      const struct bitcask_merge_options *options,
                      struct bitcask_merge_report **report,
                      struct bitcask_error **error);

// Whether a merge would be worth its while by the store's policy (bitcask_options_set_frag_merge_trigger and the others):
// BITCASK_OK or BITCASK_NOT_FOUND. *need tells why; it is owned by the caller, who frees it with bitcask_merge_need_free. need may be NULL.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
int32_t bitcask_merge_needed(struct bitcask_db *db,
                             struct bitcask_merge_need **need,
                             struct bitcask_error **error);

// What the last merge in the background came to (bitcask_options_set_background_merge): *ended_ms is when it ended, in milliseconds since 1970 (UTC). If it
// went well *report tells what it did; it is owned by the caller, who frees it with bitcask_merge_report_free. If it failed, *report is NULL, and *failure
// tells why; it is owned by the caller, who frees it with bitcask_error_free; else it is NULL. Each of the three may be NULL.
//
// Returns BITCASK_NOT_FOUND, and leaves them alone, before the first. How many there were is among the figures of bitcask_stats.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_last_background_merge(struct bitcask_db *db,
                                      uint64_t *ended_ms,
                                      struct bitcask_merge_report **report,
                                      struct bitcask_error **failure,
                                      struct bitcask_error **error);

// Makes merges of a store wait where they are, those that come later too, until bitcask_resume_merge.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_pause_merge(struct bitcask_db *db, struct bitcask_error **error);

// Lets merges go on.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED.
int32_t bitcask_resume_merge(struct bitcask_db *db, struct bitcask_error **error);

// What a merge did in figures: writes at most capacity of them to figures, where BITCASK_MERGE_REMOVED_BYTES and so on are the indexes, and
// tells in *count how many this library knows. figures may be NULL if capacity is 0.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_report_figures(const struct bitcask_merge_report *report,
                                     uint64_t *figures,
                                     size_t capacity,
                                     size_t *count);

// The numbers of data files of which the report tells, *count in *files: which is BITCASK_MERGE_REMOVED_FILES, _CREATED_FILES or
// _SKIPPED_FILES. They live as long as the report. *files is never NULL.
//
// Errors: BITCASK_INVALID_ARGUMENT for another list, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_report_files(const struct bitcask_merge_report *report,
                                   int32_t which,
                                   const uint32_t **files,
                                   size_t *count);

// Why a data file was left as it is: that at this index of BITCASK_MERGE_SKIPPED_FILES. In English, NUL-terminated UTF-8; it lives as long
// as the report. "" for an index that is none, NULL or a freed report.
const char *bitcask_merge_report_reason(const struct bitcask_merge_report *report,
                                        size_t index);

// Frees a report, with the numbers and texts in it. Does nothing for NULL, or if it was freed before.
void bitcask_merge_report_free(struct bitcask_merge_report *report);

// What a merge would give in figures: BITCASK_MERGE_NEED_RECLAIMABLE_BYTES and so on are the indexes; else as
// bitcask_merge_report_figures.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_need_figures(const struct bitcask_merge_need *need,
                                   uint64_t *figures,
                                   size_t capacity,
                                   size_t *count);

// The numbers of the data files that a merge would take, *count in *files. They live as long as the need. *files is never NULL.
//
// Errors: BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_merge_need_files(const struct bitcask_merge_need *need,
                                 const uint32_t **files,
                                 size_t *count);

// What makes a merge worth it, in English, NUL-terminated UTF-8; it lives as long as the need. "" for NULL or a freed need.
const char *bitcask_merge_need_reason(const struct bitcask_merge_need *need);

// Frees a need, with the numbers and the text in it. Does nothing for NULL, or if it was freed before.
void bitcask_merge_need_free(struct bitcask_merge_need *need);

// Figures of each data file as it is now, by ascending number: *files is owned by the caller, who asks it with bitcask_files_figures and frees
// it with bitcask_files_free; *count is the number of files. They are kept while the store is written; what is not, lengths of overwritten
// records and what has expired, is read from hints and data files by this call, beside writers. Only where the index had to be made anew
// does the next call count all files, while writers wait.
//
// Errors: BITCASK_CLOSED, BITCASK_FORKED, BITCASK_IO.
int32_t bitcask_file_stats(struct bitcask_db *db,
                           struct bitcask_files **files,
                           size_t *count,
                           struct bitcask_error **error);

// bitcask_file_stats counted anew: reads every record of every file, while writers wait. For checking.
//
// Errors: as bitcask_file_stats.
int32_t bitcask_recount(struct bitcask_db *db,
                        struct bitcask_files **files,
                        size_t *count,
                        struct bitcask_error **error);

// The figures of the data file at an index, which is below the count that came with files: writes at most capacity of them to figures, where
// BITCASK_FILE_ID and so on are the indexes, and tells in *count how many this library knows. figures may be NULL if capacity is 0.
//
// Errors: BITCASK_INVALID_ARGUMENT for an index that is none, BITCASK_NULL_ARGUMENT, BITCASK_INVALID_HANDLE.
int32_t bitcask_files_figures(const struct bitcask_files *files,
                              size_t index,
                              uint64_t *figures,
                              size_t capacity,
                              size_t *count);

// Frees figures of data files. Does nothing for NULL, or if they were freed before.
void bitcask_files_free(struct bitcask_files *files);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BITCASK_H */
