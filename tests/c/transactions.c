/* Snapshots, transactions, batches with ranges and savepoints, and changes of single keys. */
#include "check.h"

/* The value that a call found, as a string; NULL if it found none. */
static const char *text(bitcask_value *value) {
    static char buf[64];
    const uint8_t *data = NULL;
    size_t len = 0;
    if (value == NULL) {
        return NULL;
    }
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len < sizeof buf);
    memcpy(buf, data, len);
    buf[len] = 0;
    bitcask_value_free(value);
    return buf;
}

static int same(const char *got, const char *want) {
    return got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
}

/* The keys that an iterator gives, each followed by a blank. */
static const char *keys_of(bitcask_iter *iter) {
    static char buf[256];
    bitcask_entry entry;
    size_t used = 0;
    while (bitcask_iter_next(iter, &entry, NULL) == BITCASK_OK && used + entry.key_len + 2 < sizeof buf) {
        memcpy(buf + used, entry.key, entry.key_len);
        used += entry.key_len;
        buf[used++] = ' ';
    }
    buf[used] = 0;
    bitcask_iter_free(iter);
    return buf;
}

static void snapshots(void) {
    bitcask_db *db = open_store("snapshots");
    put(db, "a", "1");
    put(db, "b", "1");
    bitcask_snapshot *snapshot = NULL;
    OK(bitcask_snapshot_new(db, &snapshot, &error));
    put(db, "a", "2");
    put(db, "c", "2");
    OK(bitcask_delete(db, S("b"), 0, NULL, &error));

    bitcask_value *value = NULL;
    bitcask_entry entry;
    uint64_t number = 0, seq = 0;
    size_t len = 0;
    uint8_t buf[8];
    OK(bitcask_snapshot_get(snapshot, S("a"), &value, &error));
    CHECK(same(text(value), "1"));
    value = NULL;
    OUTCOME(bitcask_snapshot_get(snapshot, S("c"), &value, &error), BITCASK_NOT_FOUND);
    CHECK(value == NULL);
    OK(bitcask_snapshot_contains(snapshot, S("b"), &error));
    OUTCOME(bitcask_snapshot_contains(snapshot, S("c"), &error), BITCASK_NOT_FOUND);
    OK(bitcask_snapshot_get_into(snapshot, S("b"), buf, sizeof buf, &len, &error));
    CHECK(len == 1 && buf[0] == '1');
    STATUS(bitcask_snapshot_get_into(snapshot, S("b"), NULL, 0, &len, NULL), BITCASK_BUFFER_TOO_SMALL);
    OK(bitcask_snapshot_value_size(snapshot, S("b"), &number, &error));
    CHECK(number == 1);
    OK(bitcask_snapshot_len(snapshot, &number, &error));
    CHECK(number == 2);
    OK(bitcask_snapshot_count(snapshot, NULL, &number, &error));
    CHECK(number == 2);
    OK(bitcask_snapshot_seq(snapshot, &seq, &error));
    CHECK(seq == 2);
    OK(bitcask_snapshot_first(snapshot, &value, &entry, &error));
    CHECK(entry.key_len == 1 && entry.key[0] == 'a' && entry.value[0] == '1');
    bitcask_value_free(value);
    OK(bitcask_snapshot_last(snapshot, &value, &entry, &error));
    CHECK(entry.key_len == 1 && entry.key[0] == 'b');
    bitcask_value_free(value);

    bitcask_values *values = bitcask_values_new();
    const bitcask_lookup *lookups = NULL;
    const uint8_t *keys[] = {(const uint8_t *)"a", (const uint8_t *)"c"};
    size_t lens[] = {1, 1};
    OK(bitcask_snapshot_multi_get(snapshot, keys, lens, 2, values, &lookups, &error));
    CHECK(lookups[0].status == BITCASK_OK && lookups[0].data[0] == '1' && lookups[1].status == BITCASK_NOT_FOUND);
    OK(bitcask_snapshot_multi_get_packed(snapshot, S("ba"), lens, 2, values, &lookups, &error));
    CHECK(lookups[0].data[0] == '1' && lookups[1].data[0] == '1');
    OUTCOME(bitcask_snapshot_multi_get_packed(snapshot, S("bac"), lens, 2, values, &lookups, &error),
            BITCASK_INVALID_ARGUMENT);
    bitcask_values_free(values);

    bitcask_iter *iter = NULL;
    OK(bitcask_snapshot_iter_new(snapshot, NULL, &iter, &error));
    CHECK(same(keys_of(iter), "a b "));
    /* An iterator outlives its snapshot. */
    OK(bitcask_snapshot_iter_new(snapshot, NULL, &iter, &error));
    bitcask_snapshot_free(snapshot);
    OUTCOME(bitcask_snapshot_len(snapshot, &number, &error), BITCASK_INVALID_HANDLE);
    CHECK(same(keys_of(iter), "a b "));
    OK(bitcask_snapshot_new(db, &snapshot, &error));
    OUTCOME(bitcask_snapshot_get(snapshot, S(""), &value, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_snapshot_get(snapshot, S("a"), NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_snapshot_new(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_snapshot_len(NULL, &number, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_snapshot_get(snapshot, S("a"), &value, &error), BITCASK_CLOSED);
    OUTCOME(bitcask_snapshot_contains(snapshot, S("a"), &error), BITCASK_CLOSED);
    OUTCOME(bitcask_snapshot_seq(snapshot, &seq, &error), BITCASK_CLOSED);
    OUTCOME(bitcask_snapshot_iter_new(snapshot, NULL, &iter, &error), BITCASK_CLOSED);
    bitcask_snapshot_free(snapshot);
    bitcask_snapshot_free(snapshot);
    bitcask_snapshot_free(NULL);
}

static void batches(void) {
    bitcask_db *db = open_store("batches");
    put(db, "a", "1");
    put(db, "b", "1");
    put(db, "c", "1");
    bitcask_batch *batch = NULL;
    bitcask_value *value = NULL;
    bitcask_iter *iter = NULL;
    uint64_t first = 0, second = 0, size = 0;
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put(batch, S("d"), S("22"), &error));
    OK(bitcask_batch_byte_len(batch, &size, &error));
    CHECK(size == 3);
    OK(bitcask_batch_savepoint(batch, &first, &error));
    /* b and c, and not the d of the batch. */
    OK(bitcask_batch_delete_range(batch, S("b"), S("d"), &error));
    OUTCOME(bitcask_batch_get(batch, S("b"), &value, &error), BITCASK_NOT_FOUND);
    OK(bitcask_batch_get(batch, S("d"), &value, &error));
    CHECK(same(text(value), "22"));
    OK(bitcask_batch_savepoint(batch, &second, &error));
    OK(bitcask_batch_delete_prefix(batch, NULL, 0, &error));
    OK(bitcask_batch_iter_new(batch, NULL, &iter, &error));
    CHECK(same(keys_of(iter), ""));
    OK(bitcask_batch_rollback_to(batch, second, &error));
    OK(bitcask_batch_iter_new(batch, NULL, &iter, &error));
    CHECK(same(keys_of(iter), "a d "));
    OK(bitcask_batch_rollback_to(batch, first, &error));
    OUTCOME(bitcask_batch_rollback_to(batch, second, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_batch_rollback_to(batch, 12345, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_batch_release(batch, first, &error));
    OUTCOME(bitcask_batch_release(batch, first, &error), BITCASK_INVALID_ARGUMENT);
    /* An end that is empty is not the same as none. */
    OK(bitcask_batch_delete_range(batch, S(""), (const uint8_t *)"", 0, &error));
    OK(bitcask_batch_iter_new(batch, NULL, &iter, &error));
    CHECK(same(keys_of(iter), "a b c d "));
    OK(bitcask_batch_delete_range(batch, S("b"), NULL, 0, &error));
    put(db, "z", "put before the commit");
    OK(bitcask_batch_commit(batch, 0, &error));
    CHECK(has(db, "a", "1") && has(db, "b", NULL) && has(db, "d", NULL) && has(db, "z", NULL));
    OUTCOME(bitcask_batch_delete_prefix(batch, S("a"), &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_get(batch, S("a"), &value, &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_savepoint(batch, &first, &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_iter_new(batch, NULL, &iter, &error), BITCASK_BATCH_FINISHED);
    bitcask_batch_free(batch);
    OK(bitcask_close(db, &error));
}

static void transactions(void) {
    bitcask_db *db = open_store("transactions");
    put(db, "a", "1");
    put(db, "b", "1");
    bitcask_txn *one = NULL, *two = NULL;
    bitcask_value *value = NULL;
    bitcask_iter *iter = NULL;
    uint64_t seq = 0, mark = 0;
    size_t len = 0;
    OK(bitcask_txn_new(db, &one, &error));
    OK(bitcask_txn_new(db, &two, &error));
    OK(bitcask_txn_get(one, S("a"), &value, &error));
    CHECK(same(text(value), "1"));
    OK(bitcask_txn_contains(two, S("a"), &error));
    OK(bitcask_txn_put(one, S("a"), S("2"), &error));
    OK(bitcask_txn_put(two, S("b"), S("2"), &error));
    OK(bitcask_txn_seq(one, &seq, &error));
    CHECK(seq == 2);
    OK(bitcask_txn_commit(one, 0, &seq, &error));
    CHECK(seq == 3);
    OUTCOME(bitcask_txn_commit(two, 0, &seq, &error), BITCASK_CONFLICT);
    CHECK(seq == 3 && has(db, "a", "2") && has(db, "b", "1"));
    OUTCOME(bitcask_txn_commit(two, 0, NULL, &error), BITCASK_TRANSACTION_FINISHED);
    OUTCOME(bitcask_txn_commit(one, 0, NULL, &error), BITCASK_TRANSACTION_FINISHED);
    OUTCOME(bitcask_txn_get(one, S("a"), &value, &error), BITCASK_TRANSACTION_FINISHED);
    OUTCOME(bitcask_txn_put(one, S("a"), S("3"), &error), BITCASK_TRANSACTION_FINISHED);
    OUTCOME(bitcask_txn_rollback(one, &error), BITCASK_TRANSACTION_FINISHED);
    bitcask_txn_free(one);
    bitcask_txn_free(two);

    OK(bitcask_txn_new(db, &one, &error));
    OK(bitcask_txn_put(one, S("c"), S("1"), &error));
    OK(bitcask_txn_savepoint(one, &mark, &error));
    OK(bitcask_txn_delete(one, S("c"), &error));
    OK(bitcask_txn_delete_range(one, S("a"), S("b"), &error));
    OK(bitcask_txn_delete_prefix(one, S("b"), &error));
    OK(bitcask_txn_iter_new(one, NULL, &iter, &error));
    CHECK(same(keys_of(iter), ""));
    OK(bitcask_txn_rollback_to(one, mark, &error));
    OK(bitcask_txn_iter_new(one, NULL, &iter, &error));
    CHECK(same(keys_of(iter), "a b c "));
    OK(bitcask_txn_len(one, &len, &error));
    CHECK(len == 1);
    OK(bitcask_txn_release(one, mark, &error));
    OUTCOME(bitcask_txn_rollback_to(one, mark, &error), BITCASK_INVALID_ARGUMENT);
    /* Something comes into the range that was gone through. */
    put(db, "bb", "1");
    OUTCOME(bitcask_txn_commit(one, BITCASK_WRITE_SYNC, NULL, &error), BITCASK_CONFLICT);
    bitcask_txn_free(one);
    CHECK(has(db, "c", NULL));

    /* What is only written is not read, unless that is asked for. */
    OK(bitcask_txn_new(db, &one, &error));
    OK(bitcask_txn_new(db, &two, &error));
    OK(bitcask_txn_put(one, S("a"), S("one"), &error));
    OK(bitcask_txn_put(two, S("a"), S("two"), &error));
    OK(bitcask_txn_get_for_update(two, S("a"), &value, &error));
    CHECK(same(text(value), "two"));
    put(db, "a", "other");
    OK(bitcask_txn_commit(one, 0, NULL, &error));
    OUTCOME(bitcask_txn_commit(two, 0, NULL, &error), BITCASK_CONFLICT);
    CHECK(has(db, "a", "one"));
    bitcask_txn_free(one);
    bitcask_txn_free(two);

    OK(bitcask_txn_new(db, &one, &error));
    OK(bitcask_txn_put(one, S("a"), S("never"), &error));
    OUTCOME(bitcask_txn_commit(one, 6, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_txn_rollback(one, &error));
    OK(bitcask_txn_new(db, &two, &error));
    OUTCOME(bitcask_txn_new(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_txn_get(NULL, S("a"), &value, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_txn_get((bitcask_txn *)db, S("a"), &value, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_txn_put(two, S(""), S("v"), &error), BITCASK_KEY_EMPTY);
    OK(bitcask_txn_iter_new(two, NULL, &iter, &error));
    OK(bitcask_close(db, &error));
    bitcask_entry entry;
    OUTCOME(bitcask_iter_next(iter, &entry, &error), BITCASK_CLOSED);
    OUTCOME(bitcask_txn_put(two, S("a"), S("v"), &error), BITCASK_CLOSED);
    OUTCOME(bitcask_txn_commit(two, 0, NULL, &error), BITCASK_CLOSED);
    bitcask_txn_free(one);
    bitcask_txn_free(two);
    bitcask_txn_free(two);
    OUTCOME(bitcask_txn_len(two, &len, &error), BITCASK_INVALID_HANDLE);
    bitcask_txn_free(NULL);
    bitcask_iter_free(iter);
    db = open_store("transactions");
    CHECK(has(db, "a", "one"));
    OK(bitcask_close(db, &error));
}

static void single_keys(void) {
    bitcask_db *db = open_store("single");
    bool done = false;
    int64_t before = 7;
    OK(bitcask_put_if_absent(db, S("k"), S("1"), 0, &done, &error));
    CHECK(done);
    OK(bitcask_put_if_absent(db, S("k"), S("2"), 0, &done, &error));
    CHECK(!done && has(db, "k", "1"));
    OK(bitcask_compare_and_swap(db, S("k"), true, S("2"), true, S("3"), 0, &done, &error));
    CHECK(!done);
    /* Not there and empty are two things. */
    OK(bitcask_compare_and_swap(db, S("k"), false, NULL, 0, true, S("3"), 0, &done, &error));
    CHECK(!done && has(db, "k", "1"));
    OK(bitcask_compare_and_swap(db, S("k"), true, S("1"), true, NULL, 0, BITCASK_WRITE_SYNC, &done, &error));
    CHECK(done && has(db, "k", ""));
    OK(bitcask_compare_and_swap(db, S("k"), true, NULL, 0, false, NULL, 0, 0, &done, &error));
    CHECK(done && has(db, "k", NULL));
    OK(bitcask_fetch_add(db, S("n"), INT64_MAX, 0, &before, &error));
    CHECK(before == 0);
    OUTCOME(bitcask_fetch_add(db, S("n"), 1, 0, &before, &error), BITCASK_INVALID_ARGUMENT);
    CHECK(before == 0);
    OK(bitcask_fetch_add(db, S("n"), -1, 0, NULL, &error));
    OK(bitcask_fetch_add(db, S("n"), 0, 0, &before, &error));
    CHECK(before == INT64_MAX - 1);
    put(db, "text", "abc");
    OUTCOME(bitcask_fetch_add(db, S("text"), 1, 0, &before, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_put_if_absent(db, S(""), S("1"), 0, &done, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_put_if_absent(db, S("k"), S("1"), 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_compare_and_swap(db, S("k"), true, NULL, 5, true, S("1"), 0, &done, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_fetch_add(db, S("n"), 1, 99, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_fetch_add(db, S("n"), 1, 0, NULL, &error), BITCASK_INVALID_HANDLE);
}

int main(void) {
    begin();
    snapshots();
    batches();
    transactions();
    single_keys();
    return end("transactions");
}
