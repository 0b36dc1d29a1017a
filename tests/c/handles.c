/* Handles that were freed, are of another type or never were: INVALID_HANDLE, whatever the order. */
#include "check.h"

#define INVALID(call) OUTCOME(call, BITCASK_INVALID_HANDLE)

/* A store that is open all the time. */
static bitcask_db *good;

/* Every function of all types but the handle's own, with one and the same handle. */
static void all_calls(void *handle, const char *kind) {
    uint8_t buf[8];
    size_t len;
    uint64_t number;
    bool flag;
    const uint8_t *data;
    const bitcask_entry *entries;
    bitcask_entry entry;
    const bitcask_lookup *lookups;
    const uint8_t *const keys[] = {(const uint8_t *)"k"};
    const size_t lens[] = {1};
    bitcask_values *own = bitcask_values_new();
    void *out;
#define AS(type) ((type *)handle)
#define A(type, call) do { if (strcmp(kind, #type) != 0) { INVALID(call); } } while (0)
    A(store, bitcask_put(AS(bitcask_db), S("k"), S("v"), 0, &error));
    A(store, bitcask_delete(AS(bitcask_db), S("k"), 0, NULL, &error));
    A(store, bitcask_contains(AS(bitcask_db), S("k"), &error));
    A(store, bitcask_get(AS(bitcask_db), S("k"), (bitcask_value **)&out, &error));
    A(store, bitcask_get_into(AS(bitcask_db), S("k"), buf, 8, &len, &error));
    A(store, bitcask_value_size(AS(bitcask_db), S("k"), &number, &error));
    A(store, bitcask_multi_get(AS(bitcask_db), keys, lens, 1, own, &lookups, &error));
    A(store, bitcask_multi_get_packed(AS(bitcask_db), S("k"), lens, 1, own, &lookups, &error));
    A(store, bitcask_first(AS(bitcask_db), (bitcask_value **)&out, &entry, &error));
    A(store, bitcask_last(AS(bitcask_db), (bitcask_value **)&out, &entry, &error));
    A(store, bitcask_count(AS(bitcask_db), NULL, &number, &error));
    A(store, bitcask_random_key(AS(bitcask_db), (bitcask_value **)&out, &error));
    A(store, bitcask_len(AS(bitcask_db), &number, &error));
    A(store, bitcask_sync(AS(bitcask_db), &error));
    A(store, bitcask_stats(AS(bitcask_db), &number, 1, &len, &error));
    A(store, bitcask_batch_new(AS(bitcask_db), (bitcask_batch **)&out, &error));
    A(store, bitcask_iter_new(AS(bitcask_db), NULL, (bitcask_iter **)&out, &error));
    A(store, bitcask_snapshot_new(AS(bitcask_db), (bitcask_snapshot **)&out, &error));
    A(store, bitcask_txn_new(AS(bitcask_db), (bitcask_txn **)&out, &error));
    A(store, bitcask_compare_and_swap(AS(bitcask_db), S("k"), false, NULL, 0, true, S("v"), 0, &flag, &error));
    A(store, bitcask_put_if_absent(AS(bitcask_db), S("k"), S("v"), 0, &flag, &error));
    A(store, bitcask_fetch_add(AS(bitcask_db), S("k"), 1, 0, NULL, &error));
    A(store, bitcask_merge(AS(bitcask_db), NULL, NULL, &error));
    A(store, bitcask_merge_needed(AS(bitcask_db), NULL, &error));
    A(store, bitcask_pause_merge(AS(bitcask_db), &error));
    A(store, bitcask_resume_merge(AS(bitcask_db), &error));
    A(store, bitcask_file_stats(AS(bitcask_db), (bitcask_files **)&out, &len, &error));
    A(store, bitcask_recount(AS(bitcask_db), (bitcask_files **)&out, &len, &error));
    A(store, bitcask_report_of_opening(AS(bitcask_db), (bitcask_open_report **)&out, &error));
    A(store, bitcask_put_seq_ttl(AS(bitcask_db), S("k"), S("v"), 1, 0, &number, &error));
    A(store, bitcask_compare_and_swap_ttl(AS(bitcask_db), S("k"), false, NULL, 0, S("v"), 1, 0, &flag, &error));
    A(store, bitcask_fetch_add_ttl(AS(bitcask_db), S("k"), 1, 1, 0, NULL, &error));
    A(store, bitcask_close(AS(bitcask_db), &error));
    A(batch, bitcask_batch_put(AS(bitcask_batch), S("k"), S("v"), &error));
    A(batch, bitcask_batch_delete(AS(bitcask_batch), S("k"), &error));
    A(batch, bitcask_batch_clear(AS(bitcask_batch), &error));
    A(batch, bitcask_batch_len(AS(bitcask_batch), &len, &error));
    A(batch, bitcask_batch_commit(AS(bitcask_batch), 0, &error));
    A(batch, bitcask_batch_delete_range(AS(bitcask_batch), S("a"), S("b"), &error));
    A(batch, bitcask_batch_delete_prefix(AS(bitcask_batch), S("a"), &error));
    A(batch, bitcask_batch_savepoint(AS(bitcask_batch), &number, &error));
    A(batch, bitcask_batch_rollback_to(AS(bitcask_batch), 0, &error));
    A(batch, bitcask_batch_release(AS(bitcask_batch), 0, &error));
    A(batch, bitcask_batch_byte_len(AS(bitcask_batch), &number, &error));
    A(batch, bitcask_batch_get(AS(bitcask_batch), S("k"), (bitcask_value **)&out, &error));
    A(batch, bitcask_batch_iter_new(AS(bitcask_batch), NULL, (bitcask_iter **)&out, &error));
    A(snapshot, bitcask_snapshot_get(AS(bitcask_snapshot), S("k"), (bitcask_value **)&out, &error));
    A(snapshot, bitcask_snapshot_get_into(AS(bitcask_snapshot), S("k"), buf, 8, &len, &error));
    A(snapshot, bitcask_snapshot_contains(AS(bitcask_snapshot), S("k"), &error));
    A(snapshot, bitcask_snapshot_value_size(AS(bitcask_snapshot), S("k"), &number, &error));
    A(snapshot, bitcask_snapshot_multi_get(AS(bitcask_snapshot), keys, lens, 1, own, &lookups, &error));
    A(snapshot, bitcask_snapshot_multi_get_packed(AS(bitcask_snapshot), S("k"), lens, 1, own, &lookups, &error));
    A(snapshot, bitcask_snapshot_iter_new(AS(bitcask_snapshot), NULL, (bitcask_iter **)&out, &error));
    A(snapshot, bitcask_snapshot_len(AS(bitcask_snapshot), &number, &error));
    A(snapshot, bitcask_snapshot_count(AS(bitcask_snapshot), NULL, &number, &error));
    A(snapshot, bitcask_snapshot_seq(AS(bitcask_snapshot), &number, &error));
    A(snapshot, bitcask_snapshot_first(AS(bitcask_snapshot), (bitcask_value **)&out, &entry, &error));
    A(snapshot, bitcask_snapshot_last(AS(bitcask_snapshot), (bitcask_value **)&out, &entry, &error));
    A(txn, bitcask_txn_get(AS(bitcask_txn), S("k"), (bitcask_value **)&out, &error));
    A(txn, bitcask_txn_get_for_update(AS(bitcask_txn), S("k"), (bitcask_value **)&out, &error));
    A(txn, bitcask_txn_contains(AS(bitcask_txn), S("k"), &error));
    A(txn, bitcask_txn_iter_new(AS(bitcask_txn), NULL, (bitcask_iter **)&out, &error));
    A(txn, bitcask_txn_put(AS(bitcask_txn), S("k"), S("v"), &error));
    A(txn, bitcask_txn_delete(AS(bitcask_txn), S("k"), &error));
    A(txn, bitcask_txn_delete_range(AS(bitcask_txn), S("a"), S("b"), &error));
    A(txn, bitcask_txn_delete_prefix(AS(bitcask_txn), S("a"), &error));
    A(txn, bitcask_txn_savepoint(AS(bitcask_txn), &number, &error));
    A(txn, bitcask_txn_rollback_to(AS(bitcask_txn), 0, &error));
    A(txn, bitcask_txn_release(AS(bitcask_txn), 0, &error));
    A(txn, bitcask_txn_len(AS(bitcask_txn), &len, &error));
    A(txn, bitcask_txn_seq(AS(bitcask_txn), &number, &error));
    A(txn, bitcask_txn_commit(AS(bitcask_txn), 0, &number, &error));
    A(txn, bitcask_txn_rollback(AS(bitcask_txn), &error));
    A(iter, bitcask_iter_next_page(AS(bitcask_iter), 1, 1, &entries, &len, &error));
    A(iter, bitcask_iter_next(AS(bitcask_iter), &entry, &error));
    A(iter, bitcask_iter_seek(AS(bitcask_iter), S("k"), &error));
    A(iter, bitcask_iter_rewind(AS(bitcask_iter), &error));
    A(iter, bitcask_iter_skip_damaged(AS(bitcask_iter), &error));
    A(options, bitcask_options_set_index(AS(bitcask_options), 0, &error));
    A(options, bitcask_options_set_io(AS(bitcask_options), 0, &error));
    A(options, bitcask_options_set_sort_budget(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_index_budget(AS(bitcask_options), 1 << 20, &error));
    A(options, bitcask_options_set_checkpoint_bytes(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_durability(AS(bitcask_options), 0, &error));
    A(options, bitcask_options_set_sync_interval(AS(bitcask_options), 1, 1, &error));
    A(options, bitcask_options_set_max_file_size(AS(bitcask_options), 4096, &error));
    A(options, bitcask_options_set_create_if_missing(AS(bitcask_options), true, &error));
    A(options, bitcask_options_set_read_only(AS(bitcask_options), true, &error));
    A(options, bitcask_options_set_verify_checksums(AS(bitcask_options), true, &error));
    A(options, bitcask_options_set_on_damage(AS(bitcask_options), 0, &error));
    A(options, bitcask_options_set_frag_merge_trigger(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_dead_bytes_merge_trigger(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_frag_threshold(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_dead_bytes_threshold(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_small_file_threshold(AS(bitcask_options), 1, &error));
    A(options, bitcask_options_set_merge_window(AS(bitcask_options), 1, 2, &error));
    A(options, bitcask_open(in_dir("other"), AS(bitcask_options), (bitcask_db **)&out, &error));
    A(range, bitcask_iter_options_set_prefix(AS(bitcask_iter_options), S("k"), &error));
    A(range, bitcask_iter_options_set_start(AS(bitcask_iter_options), S("k"), true, &error));
    A(range, bitcask_iter_options_set_end(AS(bitcask_iter_options), S("k"), true, &error));
    A(range, bitcask_iter_options_set_reverse(AS(bitcask_iter_options), true, &error));
    A(range, bitcask_iter_options_set_limit(AS(bitcask_iter_options), 1, &error));
    A(range, bitcask_iter_options_set_keys_only(AS(bitcask_iter_options), true, &error));
    A(merge, bitcask_merge_options_set_files(AS(bitcask_merge_options), (const uint32_t[]){1}, 1, &error));
    A(merge, bitcask_merge_options_set_everything(AS(bitcask_merge_options), true, &error));
    A(merge, bitcask_merge_options_set_bytes_per_second(AS(bitcask_merge_options), 1, &error));
    A(merge, bitcask_merge_options_set_progress(AS(bitcask_merge_options), NULL, NULL, &error));
    if (strcmp(kind, "files") != 0) {
        STATUS(bitcask_files_figures(AS(bitcask_files), 0, &number, 1, &len), BITCASK_INVALID_HANDLE);
        bitcask_files_free(AS(bitcask_files));
    }
    STATUS(bitcask_merge_report_figures(AS(bitcask_merge_report), &number, 1, &len), BITCASK_INVALID_HANDLE);
    bitcask_merge_report_free(AS(bitcask_merge_report));
    STATUS(bitcask_merge_need_figures(AS(bitcask_merge_need), &number, 1, &len), BITCASK_INVALID_HANDLE);
    bitcask_merge_need_free(AS(bitcask_merge_need));
    /* Of an open store and options of its own: it is the handle under test that is refused. */
    A(merge, bitcask_merge(good, AS(bitcask_merge_options), NULL, &error));
    A(values, bitcask_multi_get(good, keys, lens, 1, AS(bitcask_values), &lookups, &error));
    A(values, bitcask_multi_get_packed(good, S("k"), lens, 1, AS(bitcask_values), &lookups, &error));
    A(range, bitcask_count(good, AS(bitcask_iter_options), &number, &error));
    A(range, bitcask_iter_new(good, AS(bitcask_iter_options), (bitcask_iter **)&out, &error));
    if (strcmp(kind, "values") != 0) bitcask_values_free(AS(bitcask_values));
    bitcask_values_free(own);
    if (strcmp(kind, "value") != 0) {
        STATUS(bitcask_value_bytes(AS(bitcask_value), &data, &len), BITCASK_INVALID_HANDLE);
        bitcask_value_free(AS(bitcask_value));
    }
    if (strcmp(kind, "error") != 0) {
        STATUS(bitcask_error_status(AS(bitcask_error)), BITCASK_INVALID_HANDLE);
        CHECK(strcmp(bitcask_error_message(AS(bitcask_error)), "") == 0 && bitcask_error_os_error(AS(bitcask_error)) == 0);
        CHECK(strcmp(bitcask_error_path(AS(bitcask_error)), "") == 0 && bitcask_error_offset(AS(bitcask_error)) == -1);
        bitcask_error_free(AS(bitcask_error));
    }
    if (strcmp(kind, "batch") != 0) bitcask_batch_free(AS(bitcask_batch));
    if (strcmp(kind, "iter") != 0) bitcask_iter_free(AS(bitcask_iter));
    if (strcmp(kind, "snapshot") != 0) bitcask_snapshot_free(AS(bitcask_snapshot));
    if (strcmp(kind, "txn") != 0) bitcask_txn_free(AS(bitcask_txn));
    if (strcmp(kind, "options") != 0) bitcask_options_free(AS(bitcask_options));
    if (strcmp(kind, "range") != 0) bitcask_iter_options_free(AS(bitcask_iter_options));
    if (strcmp(kind, "merge") != 0) bitcask_merge_options_free(AS(bitcask_merge_options));
#undef A
#undef AS
}

/* One object of each type. */
struct all {
    bitcask_db *store;
    bitcask_batch *batch;
    bitcask_iter *iter;
    bitcask_snapshot *snapshot;
    bitcask_txn *txn;
    bitcask_value *value;
    bitcask_values *values;
    bitcask_options *options;
    bitcask_iter_options *range;
    bitcask_merge_options *merge;
    bitcask_files *files;
    bitcask_error *error;
};

static struct all make(const char *name) {
    struct all all = {0};
    all.store = open_store(name);
    put(all.store, "k", "v");
    OK(bitcask_batch_new(all.store, &all.batch, &error));
    OK(bitcask_iter_new(all.store, NULL, &all.iter, &error));
    OK(bitcask_snapshot_new(all.store, &all.snapshot, &error));
    OK(bitcask_txn_new(all.store, &all.txn, &error));
    OK(bitcask_get(all.store, S("k"), &all.value, &error));
    all.values = bitcask_values_new();
    all.options = bitcask_options_new();
    all.range = bitcask_iter_options_new();
    all.merge = bitcask_merge_options_new();
    size_t count = 0;
    OK(bitcask_file_stats(all.store, &all.files, &count, &error));
    STATUS(bitcask_put(all.store, NULL, 0, NULL, 0, 0, &all.error), BITCASK_KEY_EMPTY);
    return all;
}

static void free_all(struct all all) {
    bitcask_value_free(all.value);
    bitcask_values_free(all.values);
    bitcask_batch_free(all.batch);
    bitcask_iter_free(all.iter);
    bitcask_snapshot_free(all.snapshot);
    bitcask_txn_free(all.txn);
    bitcask_options_free(all.options);
    bitcask_iter_options_free(all.range);
    bitcask_merge_options_free(all.merge);
    bitcask_files_free(all.files);
    bitcask_error_free(all.error);
}

static void wrong_types_and_freed(void) {
    struct all all = make("types");
    all_calls(all.store, "store");
    all_calls(all.batch, "batch");
    all_calls(all.iter, "iter");
    all_calls(all.snapshot, "snapshot");
    all_calls(all.txn, "txn");
    all_calls(all.value, "value");
    all_calls(all.values, "values");
    all_calls(all.options, "options");
    all_calls(all.range, "range");
    all_calls(all.merge, "merge");
    all_calls(all.files, "files");
    all_calls(all.error, "error");
    /* None of that did anything to them. */
    CHECK(has(all.store, "k", "v") && bitcask_error_status(all.error) == BITCASK_KEY_EMPTY);
    OK(bitcask_batch_put(all.batch, S("b"), S("1"), &error));
    OK(bitcask_batch_commit(all.batch, 0, &error));
    OK(bitcask_iter_rewind(all.iter, &error));
    const bitcask_lookup *lookups = NULL;
    OK(bitcask_multi_get_packed(all.store, S("k"), (const size_t[]){1}, 1, all.values, &lookups, &error));
    CHECK(lookups[0].len == 1 && lookups[0].data[0] == 'v');
    OK(bitcask_close(all.store, &error));
    CHECK(lookups[0].len == 1 && lookups[0].data[0] == 'v');
    free_all(all);
    /* Twice freed does no harm, in slots that are used again meanwhile too. */
    struct all again = make("again");
    free_all(all);
    CHECK(has(again.store, "k", "v"));
    OK(bitcask_options_set_index(again.options, BITCASK_INDEX_HASH, &error));
    all_calls(all.store, "none");
    all_calls(all.batch, "none");
    all_calls(all.iter, "none");
    all_calls(all.snapshot, "none");
    all_calls(all.txn, "none");
    all_calls(all.value, "none");
    all_calls(all.values, "none");
    all_calls(all.options, "none");
    all_calls(all.range, "none");
    all_calls(all.error, "none");
    INVALID(bitcask_close(all.store, &error));
    CHECK(has(again.store, "k", "v"));
    OK(bitcask_close(again.store, &error));
    INVALID(bitcask_close(again.store, &error));
    free_all(again);
}

static void made_up(void) {
    struct all all = make("made-up");
    int local = 0;
    void *heap = malloc(64);
    void *pointers[] = {&local, heap, (void *)1, (void *)UINTPTR_MAX, (void *)(UINTPTR_MAX / 2), (void *)make, &checks};
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++) {
        all_calls(pointers[i], "none");
    }
    free(heap);
    /* Any bit wrong but those that tell the type; there is one object of each type, so no other handle is hit. */
    for (unsigned bit = 0; bit < sizeof(void *) * 8 - 4; bit++) {
        uintptr_t flip = (uintptr_t)1 << bit;
        all_calls((void *)((uintptr_t)all.store ^ flip), "none");
        all_calls((void *)((uintptr_t)all.value ^ flip), "none");
        all_calls((void *)((uintptr_t)all.values ^ flip), "none");
        all_calls((void *)((uintptr_t)all.iter ^ flip), "none");
    }
    CHECK(has(all.store, "k", "v"));
    OK(bitcask_close(all.store, &error));
    free_all(all);
}

/* What a child gives once its store is closed. */
static void children_closed(struct all all) {
    size_t len = 0;
    const uint8_t *data = NULL;
    const bitcask_entry *entries;
    bitcask_entry entry;
#define C(call) OUTCOME(call, BITCASK_CLOSED)
    C(bitcask_batch_put(all.batch, S("k"), S("v"), &error));
    C(bitcask_batch_delete(all.batch, S("k"), &error));
    C(bitcask_batch_clear(all.batch, &error));
    C(bitcask_batch_len(all.batch, &len, &error));
    C(bitcask_batch_commit(all.batch, 0, &error));
    C(bitcask_iter_next(all.iter, &entry, &error));
    C(bitcask_iter_next_page(all.iter, 1, 1, &entries, &len, &error));
    C(bitcask_iter_seek(all.iter, S("k"), &error));
    C(bitcask_iter_rewind(all.iter, &error));
#undef C
    STATUS(bitcask_value_bytes(all.value, &data, &len), BITCASK_OK);
    CHECK(len == 1 && data[0] == 'v');
}

/* A store and its three children freed in each of the 24 orders. */
static void every_order(void) {
    for (int order = 0; order < 24; order++) {
        struct all all = make("order");
        int left[] = {0, 1, 2, 3}, rest = order, closed = 0;
        bitcask_entry entry;
        OK(bitcask_iter_next(all.iter, &entry, &error));
        for (int n = 4; n > 0; n--) {
            int at = rest % n, what = left[at];
            rest /= n;
            left[at] = left[n - 1];
            if (n == 4 && what == 0) {
                OK(bitcask_close(all.store, &error));
                children_closed(all);
                CHECK(entry.key[0] == 'k' && entry.value[0] == 'v');
                closed = 1;
            } else if (what == 0) {
                OK(bitcask_close(all.store, &error));
                closed = 1;
            } else if (what == 1) {
                bitcask_batch_free(all.batch);
            } else if (what == 2) {
                bitcask_iter_free(all.iter);
            } else {
                bitcask_value_free(all.value);
            }
            if (!closed) {
                CHECK(has(all.store, "k", "v"));
            }
        }
        free_all(all);
        /* The lock went with the store, whatever children it had. */
    }
    struct all all = make("reopened");
    OK(bitcask_close(all.store, &error));
    bitcask_db *store = open_store("reopened");
    children_closed(all);
    CHECK(has(store, "k", "v"));
    OK(bitcask_close(store, &error));
    free_all(all);
}

int main(void) {
    begin();
    good = open_store("good");
    wrong_types_and_freed();
    made_up();
    every_order();
    OK(bitcask_close(good, &error));
    return end("handles");
}
