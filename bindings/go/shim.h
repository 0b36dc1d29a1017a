/*
 * Small C functions between Go and the library's C ABI, included by cgo.go and by nothing else.
 *
 * They exist so that each Go call crosses into C once and passes no out-pointers: what the ABI writes through pointers comes
 * back by value in a struct, so nothing of the caller escapes to Go's heap and the runtime has no pointers to check. Sequences
 * of ABI calls (options: new, set, open, free; a whole batch) are made here in one crossing.
 *
 * They hold no state, and keep no pointer that Go passed beyond the call. An error object goes to Go, which frees it.
 */
#ifndef BITCASK_GO_SHIM_H
#define BITCASK_GO_SHIM_H

#include <bitcask.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The outcome of a call: a status, and an error object if the status is an error (NULL else). */
typedef struct go_outcome {
    bitcask_error *error;
    int32_t status;
} go_outcome;

/* An outcome with one number: a length, a count, or a truth. */
typedef struct go_number {
    bitcask_error *error;
    uint64_t number;
    int32_t status;
} go_number;

/* An outcome with a new handle. */
typedef struct go_made {
    uintptr_t handle;
    bitcask_error *error;
    int32_t status;
} go_made;

/* Go holds handles as numbers, which is what they are: it has nothing to check then when they are passed. */
static inline bitcask_db *as_db(uintptr_t number) { return (bitcask_db *)number; }
static inline bitcask_batch *as_batch(uintptr_t number) { return (bitcask_batch *)number; }
static inline bitcask_bulk *as_bulk(uintptr_t number) { return (bitcask_bulk *)number; }
static inline bitcask_iter *as_iter(uintptr_t number) { return (bitcask_iter *)number; }
static inline bitcask_snapshot *as_snapshot(uintptr_t number) { return (bitcask_snapshot *)number; }
static inline bitcask_txn *as_txn(uintptr_t number) { return (bitcask_txn *)number; }
static inline bitcask_value *as_value(uintptr_t number) { return (bitcask_value *)number; }
static inline bitcask_values *as_values(uintptr_t number) { return (bitcask_values *)number; }

/* What a handle that is read stands for: the store as it is, a snapshot, or a batch or transaction laid over the store. */
enum { GO_STORE = 0, GO_SNAPSHOT = 1, GO_BATCH = 2, GO_TXN = 3 };

/* ---- errors ---- */

typedef struct go_error_info {
    const char *message;
    const char *path;
    int64_t offset;
    int32_t os_error;
} go_error_info;

static inline go_error_info go_error_describe(const bitcask_error *error) {
    go_error_info info;
    info.message = bitcask_error_message(error);
    info.path = bitcask_error_path(error);
    info.offset = bitcask_error_offset(error);
    info.os_error = bitcask_error_os_error(error);
    return info;
}

/* ---- open and close ---- */

/* Which options were chosen; the others keep the library's defaults. */
enum {
    GO_SET_INDEX = 1 << 0,
    GO_SET_DURABILITY = 1 << 1,
    GO_SET_SYNC_INTERVAL = 1 << 2,
    GO_SET_MAX_FILE_SIZE = 1 << 3,
    GO_SET_CREATE_IF_MISSING = 1 << 4,
    GO_SET_READ_ONLY = 1 << 5,
    GO_SET_VERIFY_CHECKSUMS = 1 << 6,
    GO_SET_ON_DAMAGE = 1 << 7,
    GO_SET_IO = 1 << 8,
    GO_SET_SORT_BUDGET = 1 << 9,
    GO_SET_INDEX_BUDGET = 1 << 10,
    GO_SET_CHECKPOINT_BYTES = 1 << 11,
    GO_SET_FRAG_MERGE_TRIGGER = 1 << 12,
    GO_SET_DEAD_BYTES_MERGE_TRIGGER = 1 << 13,
    GO_SET_FRAG_THRESHOLD = 1 << 14,
    GO_SET_DEAD_BYTES_THRESHOLD = 1 << 15,
    GO_SET_SMALL_FILE_THRESHOLD = 1 << 16,
    GO_SET_MERGE_WINDOW = 1 << 17,
    GO_SET_EXPIRY = 1 << 18,
    GO_SET_BACKGROUND_MERGE = 1 << 19,
    GO_SET_MERGE_BYTES_PER_SECOND = 1 << 20
};

typedef struct go_open_options {
    uintptr_t progress; /* a Go handle of who is told of the progress; 0: nobody */
    uint64_t sync_milliseconds;
    uint64_t sync_bytes;
    uint64_t max_file_size;
    uint64_t sort_budget;
    uint64_t index_budget;
    uint64_t checkpoint_bytes;
    uint64_t dead_bytes_merge_trigger;
    uint64_t dead_bytes_threshold;
    uint64_t small_file_threshold;
    uint64_t expiry_milliseconds;
    uint64_t merge_bytes_per_second;
    uint32_t frag_merge_trigger;
    uint32_t frag_threshold;
    int32_t merge_from;
    int32_t merge_to;
    uint32_t set;
    int32_t index;
    int32_t io;
    int32_t durability;
    int32_t on_damage;
    bool create_if_missing;
    bool read_only;
    bool verify_checksums;
    bool background_merge;
} go_open_options;

typedef struct go_opened {
    uintptr_t db;
    bitcask_error *error;
    int32_t status;
} go_opened;

/* Exported by cgo.go. */
extern int32_t bitcaskGoProgress(uintptr_t handle, int32_t phase, uint64_t bytes_done, uint64_t bytes_total, uint64_t records);

/* Go must not see its handle as a pointer, which it is not. */
static int32_t go_progress(void *handle, int32_t phase, uint64_t bytes_done, uint64_t bytes_total, uint64_t records) {
    return bitcaskGoProgress((uintptr_t)handle, phase, bytes_done, bytes_total, records);
}

static inline int32_t go_set_options(bitcask_options *options, go_open_options from, bitcask_error **error) {
    int32_t status = BITCASK_OK;
    if (status == BITCASK_OK && (from.set & GO_SET_INDEX))
        status = bitcask_options_set_index(options, from.index, error);
    if (status == BITCASK_OK && (from.set & GO_SET_DURABILITY))
        status = bitcask_options_set_durability(options, from.durability, error);
    if (status == BITCASK_OK && (from.set & GO_SET_SYNC_INTERVAL))
        status = bitcask_options_set_sync_interval(options, from.sync_milliseconds, from.sync_bytes, error);
    if (status == BITCASK_OK && (from.set & GO_SET_MAX_FILE_SIZE))
        status = bitcask_options_set_max_file_size(options, from.max_file_size, error);
    if (status == BITCASK_OK && (from.set & GO_SET_CREATE_IF_MISSING))
        status = bitcask_options_set_create_if_missing(options, from.create_if_missing, error);
    if (status == BITCASK_OK && (from.set & GO_SET_READ_ONLY))
        status = bitcask_options_set_read_only(options, from.read_only, error);
    if (status == BITCASK_OK && (from.set & GO_SET_VERIFY_CHECKSUMS))
        status = bitcask_options_set_verify_checksums(options, from.verify_checksums, error);
    if (status == BITCASK_OK && (from.set & GO_SET_ON_DAMAGE))
        status = bitcask_options_set_on_damage(options, from.on_damage, error);
    if (status == BITCASK_OK && (from.set & GO_SET_IO))
        status = bitcask_options_set_io(options, from.io, error);
    if (status == BITCASK_OK && (from.set & GO_SET_SORT_BUDGET))
        status = bitcask_options_set_sort_budget(options, from.sort_budget, error);
    if (status == BITCASK_OK && (from.set & GO_SET_INDEX_BUDGET))
        status = bitcask_options_set_index_budget(options, from.index_budget, error);
    if (status == BITCASK_OK && (from.set & GO_SET_CHECKPOINT_BYTES))
        status = bitcask_options_set_checkpoint_bytes(options, from.checkpoint_bytes, error);
    if (status == BITCASK_OK && (from.set & GO_SET_FRAG_MERGE_TRIGGER))
        status = bitcask_options_set_frag_merge_trigger(options, from.frag_merge_trigger, error);
    if (status == BITCASK_OK && (from.set & GO_SET_DEAD_BYTES_MERGE_TRIGGER))
        status = bitcask_options_set_dead_bytes_merge_trigger(options, from.dead_bytes_merge_trigger, error);
    if (status == BITCASK_OK && (from.set & GO_SET_FRAG_THRESHOLD))
        status = bitcask_options_set_frag_threshold(options, from.frag_threshold, error);
    if (status == BITCASK_OK && (from.set & GO_SET_DEAD_BYTES_THRESHOLD))
        status = bitcask_options_set_dead_bytes_threshold(options, from.dead_bytes_threshold, error);
    if (status == BITCASK_OK && (from.set & GO_SET_SMALL_FILE_THRESHOLD))
        status = bitcask_options_set_small_file_threshold(options, from.small_file_threshold, error);
    if (status == BITCASK_OK && (from.set & GO_SET_MERGE_WINDOW))
        status = bitcask_options_set_merge_window(options, from.merge_from, from.merge_to, error);
    if (status == BITCASK_OK && (from.set & GO_SET_BACKGROUND_MERGE))
        status = bitcask_options_set_background_merge(options, from.background_merge, error);
    if (status == BITCASK_OK && (from.set & GO_SET_MERGE_BYTES_PER_SECOND))
        status = bitcask_options_set_merge_bytes_per_second(options, from.merge_bytes_per_second, error);
    if (status == BITCASK_OK && (from.set & GO_SET_EXPIRY))
        status = bitcask_options_set_expiry(options, from.expiry_milliseconds, error);
    if (status == BITCASK_OK && from.progress != 0)
        status = bitcask_options_set_progress(options, go_progress, (void *)from.progress, error);
    return status;
}

static inline go_opened go_open(const char *path, go_open_options from) {
    go_opened r = {0, NULL, BITCASK_OK};
    bitcask_db *db = NULL;
    bitcask_options *options = bitcask_options_new();
    r.status = go_set_options(options, from, &r.error);
    if (r.status == BITCASK_OK)
        r.status = bitcask_open(path, options, &db, &r.error);
    bitcask_options_free(options);
    r.db = (uintptr_t)db;
    return r;
}

static inline go_outcome go_close(uintptr_t db) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_close(as_db(db), &r.error);
    return r;
}

/* The figures are zeros if it failed. */
typedef struct {
    bitcask_error *error;
    uint64_t figures[BITCASK_REFRESH_COUNT];
    int32_t status;
} go_refreshed;

static inline go_refreshed go_refresh(uintptr_t db) {
    go_refreshed r = {NULL, {0}, BITCASK_OK};
    size_t count = 0;
    r.status = bitcask_refresh_figures(as_db(db), r.figures, BITCASK_REFRESH_COUNT, &count, &r.error);
    return r;
}

/* ---- single keys ---- */

static inline go_outcome go_put(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value,
                                size_t value_len, uint32_t flags) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_put(as_db(db), key, key_len, value, value_len, flags, &r.error);
    return r;
}

static inline go_number go_delete(uintptr_t db, const uint8_t *key, size_t key_len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool existed = false;
    r.status = bitcask_delete(as_db(db), key, key_len, flags, &existed, &r.error);
    r.number = existed;
    return r;
}

/* Of a store, a snapshot or a transaction. */
static inline go_outcome go_contains(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_STORE)
        r.status = bitcask_contains(as_db(of), key, key_len, &r.error);
    else if (kind == GO_SNAPSHOT)
        r.status = bitcask_snapshot_contains(as_snapshot(of), key, key_len, &r.error);
    else
        r.status = bitcask_txn_contains(as_txn(of), key, key_len, &r.error);
    return r;
}

/* Of a store or a snapshot. The number is the value's length, also with BITCASK_BUFFER_TOO_SMALL. */
static inline go_number go_get_into(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len, uint8_t *buf,
                                    size_t capacity) {
    go_number r = {NULL, 0, BITCASK_OK};
    size_t len = 0;
    if (kind == GO_STORE)
        r.status = bitcask_get_into(as_db(of), key, key_len, buf, capacity, &len, &r.error);
    else
        r.status = bitcask_snapshot_get_into(as_snapshot(of), key, key_len, buf, capacity, &len, &r.error);
    r.number = len;
    return r;
}

/* Of a store or a snapshot. */
static inline go_number go_value_size(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len) {
    go_number r = {NULL, 0, BITCASK_OK};
    if (kind == GO_STORE)
        r.status = bitcask_value_size(as_db(of), key, key_len, &r.number, &r.error);
    else
        r.status = bitcask_snapshot_value_size(as_snapshot(of), key, key_len, &r.number, &r.error);
    return r;
}

/* ---- changes of a key that depend on what it was; the number tells whether it was changed ---- */

static inline go_number go_compare_and_swap(uintptr_t db, const uint8_t *key, size_t key_len, bool expected_there,
                                            const uint8_t *expected, size_t expected_len, bool new_there,
                                            const uint8_t *new_value, size_t new_len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool swapped = false;
    r.status = bitcask_compare_and_swap(as_db(db), key, key_len, expected_there, expected, expected_len, new_there, new_value,
                                        new_len, flags, &swapped, &r.error);
    r.number = swapped;
    return r;
}

static inline go_number go_put_if_absent(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value,
                                         size_t value_len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool stored = false;
    r.status = bitcask_put_if_absent(as_db(db), key, key_len, value, value_len, flags, &stored, &r.error);
    r.number = stored;
    return r;
}

/* The number is what the counter was before, as the bits of an int64_t. */
static inline go_number go_fetch_add(uintptr_t db, const uint8_t *key, size_t key_len, int64_t delta, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    int64_t before = 0;
    r.status = bitcask_fetch_add(as_db(db), key, key_len, delta, flags, &before, &r.error);
    r.number = (uint64_t)before;
    return r;
}

/* ---- keys that expire; ttl is in milliseconds ---- */

static inline go_outcome go_put_ttl(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
                                    uint64_t ttl, uint32_t flags) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_put_ttl(as_db(db), key, key_len, value, value_len, ttl, flags, &r.error);
    return r;
}

static inline go_number go_put_if_absent_ttl(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value,
                                             size_t value_len, uint64_t ttl, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool stored = false;
    r.status = bitcask_put_if_absent_ttl(as_db(db), key, key_len, value, value_len, ttl, flags, &stored, &r.error);
    r.number = stored;
    return r;
}

static inline go_number go_put_seq_ttl(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value,
                                       size_t value_len, uint64_t ttl, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_put_seq_ttl(as_db(db), key, key_len, value, value_len, ttl, flags, &r.number, &r.error);
    return r;
}

static inline go_number go_compare_and_swap_ttl(uintptr_t db, const uint8_t *key, size_t key_len, bool expected_there,
                                                const uint8_t *expected, size_t expected_len, const uint8_t *new_value,
                                                size_t new_len, uint64_t ttl, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool swapped = false;
    r.status = bitcask_compare_and_swap_ttl(as_db(db), key, key_len, expected_there, expected, expected_len, new_value, new_len, ttl,
                                            flags, &swapped, &r.error);
    r.number = swapped;
    return r;
}

static inline go_number go_fetch_add_ttl(uintptr_t db, const uint8_t *key, size_t key_len, int64_t delta, uint64_t ttl,
                                         uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    int64_t before = 0;
    r.status = bitcask_fetch_add_ttl(as_db(db), key, key_len, delta, ttl, flags, &before, &r.error);
    r.number = (uint64_t)before;
    return r;
}

static inline go_number go_expire(uintptr_t db, const uint8_t *key, size_t key_len, uint64_t ttl, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool found = false;
    r.status = bitcask_expire(as_db(db), key, key_len, ttl, flags, &found, &r.error);
    r.number = found;
    return r;
}

static inline go_number go_persist(uintptr_t db, const uint8_t *key, size_t key_len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool had = false;
    r.status = bitcask_persist(as_db(db), key, key_len, flags, &had, &r.error);
    r.number = had;
    return r;
}

/* Of a store, a batch or a transaction. */
static inline go_number go_ttl(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len) {
    go_number r = {NULL, 0, BITCASK_OK};
    if (kind == GO_STORE)
        r.status = bitcask_ttl(as_db(of), key, key_len, &r.number, &r.error);
    else if (kind == GO_BATCH)
        r.status = bitcask_batch_ttl(as_batch(of), key, key_len, &r.number, &r.error);
    else
        r.status = bitcask_txn_ttl(as_txn(of), key, key_len, &r.number, &r.error);
    return r;
}

static inline go_number go_sweep_expired(uintptr_t db) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_sweep_expired(as_db(db), &r.number, &r.error);
    return r;
}

/* Of a batch or a transaction. */
static inline go_outcome go_pending_put_ttl(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len, const uint8_t *value,
                                            size_t value_len, uint64_t ttl) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_put_ttl(as_batch(of), key, key_len, value, value_len, ttl, &r.error);
    else
        r.status = bitcask_txn_put_ttl(as_txn(of), key, key_len, value, value_len, ttl, &r.error);
    return r;
}

static inline go_number go_pending_expire(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len, uint64_t ttl) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool found = false;
    if (kind == GO_BATCH)
        r.status = bitcask_batch_expire(as_batch(of), key, key_len, ttl, &found, &r.error);
    else
        r.status = bitcask_txn_expire(as_txn(of), key, key_len, ttl, &found, &r.error);
    r.number = found;
    return r;
}

static inline go_number go_pending_persist(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len) {
    go_number r = {NULL, 0, BITCASK_OK};
    bool had = false;
    if (kind == GO_BATCH)
        r.status = bitcask_batch_persist(as_batch(of), key, key_len, &had, &r.error);
    else
        r.status = bitcask_txn_persist(as_txn(of), key, key_len, &had, &r.error);
    r.number = had;
    return r;
}

static inline go_outcome go_bulk_put_ttl(uintptr_t bulk, const uint8_t *key, size_t key_len, const uint8_t *value,
                                         size_t value_len, uint64_t ttl) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_bulk_put_ttl(as_bulk(bulk), key, key_len, value, value_len, ttl, &r.error);
    return r;
}

/* ---- many keys ---- */

typedef struct go_lookups {
    const bitcask_lookup *lookups;
    uintptr_t values;
    bitcask_error *error;
    int32_t status;
} go_lookups;

/*
 * The keys come one behind the other in one buffer, because Go may not pass pointers to pointers. `values` is 0 or what an earlier
 * call gave; the one that comes back is for the next call, also after an error, and Go frees it.
 */
static inline go_lookups go_multi_get(uintptr_t of, int32_t kind, const uint8_t *keys, size_t keys_len,
                                      const size_t *key_lens, size_t count, uintptr_t values) {
    go_lookups r = {NULL, values, NULL, BITCASK_OK};
    if (r.values == 0)
        r.values = (uintptr_t)bitcask_values_new();
    if (kind == GO_STORE)
        r.status = bitcask_multi_get_packed(as_db(of), keys, keys_len, key_lens, count, as_values(r.values), &r.lookups, &r.error);
    else
        r.status = bitcask_snapshot_multi_get_packed(as_snapshot(of), keys, keys_len, key_lens, count, as_values(r.values),
                                                     &r.lookups, &r.error);
    return r;
}

static inline void go_values_free(uintptr_t values) { bitcask_values_free(as_values(values)); }

/* ---- single records that the store picks; `value` owns the bytes, and Go frees it ---- */

typedef struct go_record {
    bitcask_entry entry;
    uintptr_t value;
    bitcask_error *error;
    int32_t status;
} go_record;

/* The first record, or the last, of a store or a snapshot. */
static inline go_record go_edge(uintptr_t of, int32_t kind, bool last) {
    go_record r;
    bitcask_value *value = NULL;
    memset(&r, 0, sizeof r);
    if (kind == GO_STORE)
        r.status = (last ? bitcask_last : bitcask_first)(as_db(of), &value, &r.entry, &r.error);
    else
        r.status = (last ? bitcask_snapshot_last : bitcask_snapshot_first)(as_snapshot(of), &value, &r.entry, &r.error);
    r.value = (uintptr_t)value;
    /* No address of an empty value that is none: Go's collector would take offence at it. */
    if (r.entry.value_len == 0)
        r.entry.value = r.entry.key;
    return r;
}

/* A random key, as a record without a value. */
static inline go_record go_random_key(uintptr_t db) {
    go_record r;
    bitcask_value *key = NULL;
    memset(&r, 0, sizeof r);
    r.status = bitcask_random_key(as_db(db), &key, &r.error);
    if (r.status == BITCASK_OK)
        bitcask_value_bytes(key, &r.entry.key, &r.entry.key_len);
    r.value = (uintptr_t)key;
    return r;
}

/* The value of a key in a batch or transaction, as a record without a key. */
static inline go_record go_pending_get(uintptr_t of, int32_t kind, const uint8_t *key, size_t key_len, bool for_update) {
    go_record r;
    bitcask_value *value = NULL;
    memset(&r, 0, sizeof r);
    if (kind == GO_BATCH)
        r.status = bitcask_batch_get(as_batch(of), key, key_len, &value, &r.error);
    else
        r.status = (for_update ? bitcask_txn_get_for_update : bitcask_txn_get)(as_txn(of), key, key_len, &value, &r.error);
    if (r.status == BITCASK_OK)
        bitcask_value_bytes(value, &r.entry.value, &r.entry.value_len);
    if (r.entry.value_len == 0)
        r.entry.value = NULL;
    r.value = (uintptr_t)value;
    return r;
}

static inline void go_value_free(uintptr_t value) { bitcask_value_free(as_value(value)); }

/* ---- the store as a whole ---- */

/* Of a store or a snapshot. */
static inline go_number go_len(uintptr_t of, int32_t kind) {
    go_number r = {NULL, 0, BITCASK_OK};
    if (kind == GO_STORE)
        r.status = bitcask_len(as_db(of), &r.number, &r.error);
    else
        r.status = bitcask_snapshot_len(as_snapshot(of), &r.number, &r.error);
    return r;
}

static inline go_outcome go_sync(uintptr_t db) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_sync(as_db(db), &r.error);
    return r;
}

typedef struct go_figures {
    bitcask_error *error;
    uint64_t figures[BITCASK_STAT_COUNT];
    int32_t status;
} go_figures;

static inline go_figures go_stats(uintptr_t db) {
    go_figures r;
    size_t count = 0;
    memset(&r, 0, sizeof r);
    r.status = bitcask_stats(as_db(db), r.figures, BITCASK_STAT_COUNT, &count, &r.error);
    return r;
}

/* ---- merges; Go frees the reports ---- */

/* Exported by cgo.go. */
extern int32_t bitcaskGoMergeProgress(uintptr_t handle, uint64_t bytes_total, uint64_t bytes_read, uint64_t bytes_written);

static int32_t go_merge_progress(void *handle, uint64_t bytes_total, uint64_t bytes_read, uint64_t bytes_written) {
    return bitcaskGoMergeProgress((uintptr_t)handle, bytes_total, bytes_read, bytes_written);
}

/* Of these files if they were chosen; progress is a Go handle of who is told, or 0. The handle is the report. */
static inline go_made go_merge(uintptr_t db, bool chosen, const uint32_t *files, size_t count, bool everything,
                               uint64_t bytes_per_second, uintptr_t progress) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_merge_report *report = NULL;
    bitcask_merge_options *options = bitcask_merge_options_new();
    if (chosen)
        r.status = bitcask_merge_options_set_files(options, files, count, &r.error);
    if (r.status == BITCASK_OK)
        r.status = bitcask_merge_options_set_everything(options, everything, &r.error);
    if (r.status == BITCASK_OK)
        r.status = bitcask_merge_options_set_bytes_per_second(options, bytes_per_second, &r.error);
    if (r.status == BITCASK_OK && progress != 0)
        r.status = bitcask_merge_options_set_progress(options, go_merge_progress, (void *)progress, &r.error);
    if (r.status == BITCASK_OK)
        r.status = bitcask_merge(as_db(db), options, &report, &r.error);
    bitcask_merge_options_free(options);
    r.handle = (uintptr_t)report;
    return r;
}

/* Numbers of data files, lent. */
typedef struct go_file_ids {
    const uint32_t *ids;
    size_t count;
} go_file_ids;

/* No address of an empty list, which is none: Go's runtime ends the program if it meets it while it moves a stack. */
static inline void go_file_ids_checked(go_file_ids *list) {
    if (list->count == 0)
        list->ids = NULL;
}

typedef struct go_report {
    go_file_ids removed;
    go_file_ids created;
    go_file_ids skipped;
    uint64_t figures[BITCASK_MERGE_COUNT];
} go_report;

static inline go_report go_merge_report(uintptr_t report) {
    const bitcask_merge_report *of = (const bitcask_merge_report *)report;
    go_report r;
    size_t known = 0;
    memset(&r, 0, sizeof r);
    bitcask_merge_report_figures(of, r.figures, BITCASK_MERGE_COUNT, &known);
    bitcask_merge_report_files(of, BITCASK_MERGE_REMOVED_FILES, &r.removed.ids, &r.removed.count);
    bitcask_merge_report_files(of, BITCASK_MERGE_CREATED_FILES, &r.created.ids, &r.created.count);
    bitcask_merge_report_files(of, BITCASK_MERGE_SKIPPED_FILES, &r.skipped.ids, &r.skipped.count);
    go_file_ids_checked(&r.removed);
    go_file_ids_checked(&r.created);
    go_file_ids_checked(&r.skipped);
    return r;
}

static inline const char *go_merge_report_reason(uintptr_t report, size_t index) {
    return bitcask_merge_report_reason((const bitcask_merge_report *)report, index);
}

static inline void go_merge_report_free(uintptr_t report) { bitcask_merge_report_free((bitcask_merge_report *)report); }

/* A merge in the background that was over: when, and its report or why it failed. Go frees both. The status is BITCASK_NOT_FOUND before the first. */
typedef struct go_background {
    uint64_t ended;
    uintptr_t report;
    bitcask_error *failure;
    bitcask_error *error;
    int32_t status;
    int32_t why;
} go_background;

static inline go_background go_last_background_merge(uintptr_t db) {
    go_background r;
    bitcask_merge_report *report = NULL;
    memset(&r, 0, sizeof r);
    r.status = bitcask_last_background_merge(as_db(db), &r.ended, &report, &r.failure, &r.error);
    r.report = (uintptr_t)report;
    if (r.failure != NULL)
        r.why = bitcask_error_status(r.failure);
    return r;
}

/* The handle is the need, if there is one; else the status is BITCASK_NOT_FOUND. */
static inline go_made go_merge_needed(uintptr_t db) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_merge_need *need = NULL;
    r.status = bitcask_merge_needed(as_db(db), &need, &r.error);
    r.handle = (uintptr_t)need;
    return r;
}

typedef struct go_need {
    const char *reason;
    go_file_ids files;
    uint64_t figures[BITCASK_MERGE_NEED_COUNT];
} go_need;

static inline go_need go_merge_need(uintptr_t need) {
    const bitcask_merge_need *of = (const bitcask_merge_need *)need;
    go_need r;
    size_t known = 0;
    memset(&r, 0, sizeof r);
    r.reason = bitcask_merge_need_reason(of);
    bitcask_merge_need_files(of, &r.files.ids, &r.files.count);
    go_file_ids_checked(&r.files);
    bitcask_merge_need_figures(of, r.figures, BITCASK_MERGE_NEED_COUNT, &known);
    return r;
}

static inline void go_merge_need_free(uintptr_t need) { bitcask_merge_need_free((bitcask_merge_need *)need); }

static inline go_outcome go_pause_merge(uintptr_t db) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_pause_merge(as_db(db), &r.error);
    return r;
}

static inline go_outcome go_resume_merge(uintptr_t db) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_resume_merge(as_db(db), &r.error);
    return r;
}

/* Figures of count data files; Go frees them. */
typedef struct go_files {
    uintptr_t files;
    size_t count;
    bitcask_error *error;
    int32_t status;
} go_files;

static inline go_files go_file_stats(uintptr_t db, bool recount) {
    go_files r = {0, 0, NULL, BITCASK_OK};
    bitcask_files *files = NULL;
    r.status = recount ? bitcask_recount(as_db(db), &files, &r.count, &r.error)
                       : bitcask_file_stats(as_db(db), &files, &r.count, &r.error);
    r.files = (uintptr_t)files;
    return r;
}

typedef struct go_file_figures {
    uint64_t figures[BITCASK_FILE_COUNT];
} go_file_figures;

static inline go_file_figures go_files_figures(uintptr_t files, size_t index) {
    go_file_figures r;
    size_t known = 0;
    memset(&r, 0, sizeof r);
    bitcask_files_figures((const bitcask_files *)files, index, r.figures, BITCASK_FILE_COUNT, &known);
    return r;
}

static inline void go_files_free(uintptr_t files) { bitcask_files_free((bitcask_files *)files); }

/* ---- what opening found and did; Go frees the report ---- */

static inline const bitcask_open_report *as_open_report(uintptr_t report) { return (const bitcask_open_report *)report; }

static inline go_made go_open_report(uintptr_t db) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_open_report *report = NULL;
    r.status = bitcask_report_of_opening(as_db(db), &report, &r.error);
    r.handle = (uintptr_t)report;
    return r;
}

typedef struct go_open_figures {
    uint64_t figures[BITCASK_OPEN_COUNT];
} go_open_figures;

static inline go_open_figures go_open_report_figures(uintptr_t report) {
    go_open_figures r;
    size_t known = 0;
    memset(&r, 0, sizeof r);
    bitcask_open_report_figures(as_open_report(report), r.figures, BITCASK_OPEN_COUNT, &known);
    return r;
}

static inline bitcask_finding go_open_report_finding(uintptr_t report, int32_t which, size_t index) {
    bitcask_finding r = {"", 0, 0, ""};
    bitcask_open_report_finding(as_open_report(report), which, index, &r);
    return r;
}

static inline const char *go_open_report_unusable_index(uintptr_t report) {
    return bitcask_open_report_unusable_index(as_open_report(report));
}

static inline void go_open_report_free(uintptr_t report) { bitcask_open_report_free((bitcask_open_report *)report); }

/* ---- what is durable; the number is a sequence number ---- */

static inline go_number go_put_seq(uintptr_t db, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
                                   uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_put_seq(as_db(db), key, key_len, value, value_len, flags, &r.number, &r.error);
    return r;
}

typedef struct go_deleted {
    bitcask_error *error;
    uint64_t seq;
    int32_t status;
    bool existed;
} go_deleted;

static inline go_deleted go_delete_seq(uintptr_t db, const uint8_t *key, size_t key_len, uint32_t flags) {
    go_deleted r = {NULL, 0, BITCASK_OK, false};
    r.status = bitcask_delete_seq(as_db(db), key, key_len, flags, &r.existed, &r.seq, &r.error);
    return r;
}

static inline go_number go_last_seq(uintptr_t db) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_last_seq(as_db(db), &r.number, &r.error);
    return r;
}

static inline go_number go_durable_seq(uintptr_t db) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_durable_seq(as_db(db), &r.number, &r.error);
    return r;
}

static inline go_outcome go_wait_durable(uintptr_t db, uint64_t seq) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_wait_durable(as_db(db), seq, BITCASK_NO_TIMEOUT, NULL, &r.error);
    return r;
}

/* ---- bulk loads ---- */

static inline go_made go_bulk_new(uintptr_t db, uint32_t flags) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_bulk *bulk = NULL;
    r.status = bitcask_bulk_new(as_db(db), flags, &bulk, &r.error);
    r.handle = (uintptr_t)bulk;
    return r;
}

static inline go_outcome go_bulk_put(uintptr_t bulk, const uint8_t *key, size_t key_len, const uint8_t *value,
                                     size_t value_len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_bulk_put(as_bulk(bulk), key, key_len, value, value_len, &r.error);
    return r;
}

static inline go_outcome go_bulk_finish(uintptr_t bulk) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_bulk_finish(as_bulk(bulk), &r.error);
    return r;
}

static inline void go_bulk_free(uintptr_t bulk) { bitcask_bulk_free(as_bulk(bulk)); }

/* ---- batches ---- */

static inline go_made go_batch_new(uintptr_t db) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_batch *batch = NULL;
    r.status = bitcask_batch_new(as_db(db), &batch, &r.error);
    r.handle = (uintptr_t)batch;
    return r;
}

static inline go_outcome go_batch_put(uintptr_t batch, const uint8_t *key, size_t key_len, const uint8_t *value,
                                      size_t value_len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_batch_put(as_batch(batch), key, key_len, value, value_len, &r.error);
    return r;
}

/*
 * Adds operations that Go has queued one behind the other: a byte (0 put, 1 delete), the key's length (4 bytes), the value's
 * (4 bytes, 0 in a delete), both in this machine's byte order and unaligned, then key and value. Stops at the first error;
 * adding all of them again is then right too, because the last write of a key counts.
 */
static inline int32_t go_add_queued(uintptr_t batch, const uint8_t *ops, size_t len, bitcask_error **error) {
    int32_t status = BITCASK_OK;
    while (len > 0 && status == BITCASK_OK) {
        uint32_t key_len, value_len;
        const uint8_t *key = ops + 9;
        memcpy(&key_len, ops + 1, 4);
        memcpy(&value_len, ops + 5, 4);
        if (ops[0] == 0)
            status = bitcask_batch_put(as_batch(batch), key, key_len, key + key_len, value_len, error);
        else
            status = bitcask_batch_delete(as_batch(batch), key, key_len, error);
        len -= 9 + (size_t)key_len + value_len;
        ops += 9 + (size_t)key_len + value_len;
    }
    return status;
}

static inline go_outcome go_batch_add(uintptr_t batch, const uint8_t *ops, size_t len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = go_add_queued(batch, ops, len, &r.error);
    return r;
}

/* The number is the commit's sequence number. */
static inline go_number go_batch_commit(uintptr_t batch, const uint8_t *ops, size_t len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = go_add_queued(batch, ops, len, &r.error);
    if (r.status == BITCASK_OK)
        r.status = bitcask_batch_commit_seq(as_batch(batch), flags, &r.number, &r.error);
    return r;
}

/* A whole batch, from beginning to end. */
static inline go_number go_batch_write(uintptr_t db, const uint8_t *ops, size_t len, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    bitcask_batch *batch = NULL;
    r.status = bitcask_batch_new(as_db(db), &batch, &r.error);
    if (r.status != BITCASK_OK)
        return r;
    r = go_batch_commit((uintptr_t)batch, ops, len, flags);
    bitcask_batch_free(batch);
    return r;
}

static inline go_outcome go_batch_clear(uintptr_t batch) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_batch_clear(as_batch(batch), &r.error);
    return r;
}

static inline go_number go_batch_len(uintptr_t batch) {
    go_number r = {NULL, 0, BITCASK_OK};
    size_t len = 0;
    r.status = bitcask_batch_len(as_batch(batch), &len, &r.error);
    r.number = len;
    return r;
}

static inline go_number go_batch_byte_len(uintptr_t batch) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_batch_byte_len(as_batch(batch), &r.number, &r.error);
    return r;
}

/* ---- what batches and transactions have in common ---- */

/* An `end` of NULL is none. */
static inline go_outcome go_delete_range(uintptr_t of, int32_t kind, const uint8_t *start, size_t start_len,
                                         const uint8_t *end, size_t end_len) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_delete_range(as_batch(of), start, start_len, end, end_len, &r.error);
    else
        r.status = bitcask_txn_delete_range(as_txn(of), start, start_len, end, end_len, &r.error);
    return r;
}

static inline go_outcome go_delete_prefix(uintptr_t of, int32_t kind, const uint8_t *prefix, size_t prefix_len) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_delete_prefix(as_batch(of), prefix, prefix_len, &r.error);
    else
        r.status = bitcask_txn_delete_prefix(as_txn(of), prefix, prefix_len, &r.error);
    return r;
}

/* The number is the savepoint. */
static inline go_number go_savepoint(uintptr_t of, int32_t kind) {
    go_number r = {NULL, 0, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_savepoint(as_batch(of), &r.number, &r.error);
    else
        r.status = bitcask_txn_savepoint(as_txn(of), &r.number, &r.error);
    return r;
}

static inline go_outcome go_rollback_to(uintptr_t of, int32_t kind, uint64_t savepoint) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_rollback_to(as_batch(of), savepoint, &r.error);
    else
        r.status = bitcask_txn_rollback_to(as_txn(of), savepoint, &r.error);
    return r;
}

static inline go_outcome go_release(uintptr_t of, int32_t kind, uint64_t savepoint) {
    go_outcome r = {NULL, BITCASK_OK};
    if (kind == GO_BATCH)
        r.status = bitcask_batch_release(as_batch(of), savepoint, &r.error);
    else
        r.status = bitcask_txn_release(as_txn(of), savepoint, &r.error);
    return r;
}

/* ---- snapshots ---- */

static inline go_made go_snapshot_new(uintptr_t db) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_snapshot *snapshot = NULL;
    r.status = bitcask_snapshot_new(as_db(db), &snapshot, &r.error);
    r.handle = (uintptr_t)snapshot;
    return r;
}

static inline go_number go_snapshot_seq(uintptr_t snapshot) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_snapshot_seq(as_snapshot(snapshot), &r.number, &r.error);
    return r;
}

static inline void go_snapshot_free(uintptr_t snapshot) { bitcask_snapshot_free(as_snapshot(snapshot)); }

/* ---- transactions ---- */

static inline go_made go_txn_new(uintptr_t db) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_txn *txn = NULL;
    r.status = bitcask_txn_new(as_db(db), &txn, &r.error);
    r.handle = (uintptr_t)txn;
    return r;
}

static inline go_outcome go_txn_put(uintptr_t txn, const uint8_t *key, size_t key_len, const uint8_t *value,
                                    size_t value_len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_txn_put(as_txn(txn), key, key_len, value, value_len, &r.error);
    return r;
}

static inline go_outcome go_txn_delete(uintptr_t txn, const uint8_t *key, size_t key_len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_txn_delete(as_txn(txn), key, key_len, &r.error);
    return r;
}

static inline go_number go_txn_len(uintptr_t txn) {
    go_number r = {NULL, 0, BITCASK_OK};
    size_t len = 0;
    r.status = bitcask_txn_len(as_txn(txn), &len, &r.error);
    r.number = len;
    return r;
}

static inline go_number go_txn_seq(uintptr_t txn) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_txn_seq(as_txn(txn), &r.number, &r.error);
    return r;
}

static inline go_number go_txn_commit(uintptr_t txn, uint32_t flags) {
    go_number r = {NULL, 0, BITCASK_OK};
    r.status = bitcask_txn_commit(as_txn(txn), flags, &r.number, &r.error);
    return r;
}

static inline void go_txn_free(uintptr_t txn) { bitcask_txn_free(as_txn(txn)); }

/* ---- iterators ---- */

enum {
    GO_ITER_PREFIX = 1 << 0,
    GO_ITER_START = 1 << 1,
    GO_ITER_START_INCLUSIVE = 1 << 2,
    GO_ITER_END = 1 << 3,
    GO_ITER_END_INCLUSIVE = 1 << 4,
    GO_ITER_REVERSE = 1 << 5,
    GO_ITER_KEYS_ONLY = 1 << 6,
    GO_ITER_LIMIT = 1 << 7
};

/* Makes options where any are set; the caller frees them. */
static inline int32_t go_iter_options(uint32_t set, const uint8_t *prefix, size_t prefix_len, const uint8_t *start,
                                      size_t start_len, const uint8_t *end, size_t end_len, uint64_t limit,
                                      bitcask_iter_options **made, bitcask_error **error) {
    int32_t status = BITCASK_OK;
    bitcask_iter_options *options;
    if (set == 0)
        return status;
    *made = options = bitcask_iter_options_new();
    if (set & GO_ITER_PREFIX)
        status = bitcask_iter_options_set_prefix(options, prefix, prefix_len, error);
    if (status == BITCASK_OK && (set & GO_ITER_START))
        status = bitcask_iter_options_set_start(options, start, start_len, (set & GO_ITER_START_INCLUSIVE) != 0, error);
    if (status == BITCASK_OK && (set & GO_ITER_END))
        status = bitcask_iter_options_set_end(options, end, end_len, (set & GO_ITER_END_INCLUSIVE) != 0, error);
    if (status == BITCASK_OK && (set & GO_ITER_REVERSE))
        status = bitcask_iter_options_set_reverse(options, true, error);
    if (status == BITCASK_OK && (set & GO_ITER_KEYS_ONLY))
        status = bitcask_iter_options_set_keys_only(options, true, error);
    if (status == BITCASK_OK && (set & GO_ITER_LIMIT))
        status = bitcask_iter_options_set_limit(options, limit, error);
    return status;
}

static inline go_made go_iter_new(uintptr_t of, int32_t kind, uint32_t set, const uint8_t *prefix, size_t prefix_len,
                                  const uint8_t *start, size_t start_len, const uint8_t *end, size_t end_len,
                                  uint64_t limit) {
    go_made r = {0, NULL, BITCASK_OK};
    bitcask_iter *iter = NULL;
    bitcask_iter_options *options = NULL;
    r.status = go_iter_options(set, prefix, prefix_len, start, start_len, end, end_len, limit, &options, &r.error);
    if (r.status != BITCASK_OK)
        ;
    else if (kind == GO_STORE)
        r.status = bitcask_iter_new(as_db(of), options, &iter, &r.error);
    else if (kind == GO_SNAPSHOT)
        r.status = bitcask_snapshot_iter_new(as_snapshot(of), options, &iter, &r.error);
    else if (kind == GO_BATCH)
        r.status = bitcask_batch_iter_new(as_batch(of), options, &iter, &r.error);
    else
        r.status = bitcask_txn_iter_new(as_txn(of), options, &iter, &r.error);
    bitcask_iter_options_free(options);
    r.handle = (uintptr_t)iter;
    return r;
}

/* Of a store or a snapshot. */
static inline go_number go_count(uintptr_t of, int32_t kind, uint32_t set, const uint8_t *prefix, size_t prefix_len,
                                 const uint8_t *start, size_t start_len, const uint8_t *end, size_t end_len,
                                 uint64_t limit) {
    go_number r = {NULL, 0, BITCASK_OK};
    bitcask_iter_options *options = NULL;
    r.status = go_iter_options(set, prefix, prefix_len, start, start_len, end, end_len, limit, &options, &r.error);
    if (r.status != BITCASK_OK)
        ;
    else if (kind == GO_STORE)
        r.status = bitcask_count(as_db(of), options, &r.number, &r.error);
    else
        r.status = bitcask_snapshot_count(as_snapshot(of), options, &r.number, &r.error);
    bitcask_iter_options_free(options);
    return r;
}

typedef struct go_page {
    const bitcask_entry *entries;
    size_t count;
    bitcask_error *error;
    int32_t status;
} go_page;

static inline go_page go_iter_next_page(uintptr_t iter, size_t max_records, size_t max_bytes) {
    go_page r = {NULL, 0, NULL, BITCASK_OK};
    r.status = bitcask_iter_next_page(as_iter(iter), max_records, max_bytes, &r.entries, &r.count, &r.error);
    /* As of lists of files. */
    if (r.count == 0)
        r.entries = NULL;
    return r;
}

static inline go_outcome go_iter_seek(uintptr_t iter, const uint8_t *key, size_t key_len) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_iter_seek(as_iter(iter), key, key_len, &r.error);
    return r;
}

static inline go_outcome go_iter_rewind(uintptr_t iter) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_iter_rewind(as_iter(iter), &r.error);
    return r;
}

static inline go_outcome go_iter_skip_damaged(uintptr_t iter) {
    go_outcome r = {NULL, BITCASK_OK};
    r.status = bitcask_iter_skip_damaged(as_iter(iter), &r.error);
    return r;
}

static inline void go_batch_free(uintptr_t batch) { bitcask_batch_free(as_batch(batch)); }

static inline void go_iter_free(uintptr_t iter) { bitcask_iter_free(as_iter(iter)); }

#endif
