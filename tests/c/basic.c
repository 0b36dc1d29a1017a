/* Every function used as it is meant to be. */
#include "check.h"

static void versions_and_names(void) {
    CHECK(strcmp(bitcask_version(), EXPECTED_VERSION) == 0);
    CHECK(strcmp(bitcask_status_name(BITCASK_OK), "OK") == 0);
    CHECK(strcmp(bitcask_status_name(BITCASK_NOT_FOUND), "NOT_FOUND") == 0);
    CHECK(strcmp(bitcask_status_name(BITCASK_KEY_EMPTY), "KEY_EMPTY") == 0);
    CHECK(strcmp(bitcask_status_name(BITCASK_INTERNAL), "INTERNAL") == 0);
    CHECK(strcmp(bitcask_status_name(2), "UNKNOWN") == 0);
    CHECK(strcmp(bitcask_status_name(-1), "UNKNOWN") == 0);
    CHECK(strcmp(bitcask_status_name(INT32_MIN), "UNKNOWN") == 0);
}

static void reads_and_writes(void) {
    bitcask_db *db = open_store("basic");
    bool existed = true;
    uint64_t keys = 99;
    OK(bitcask_put(db, S("ada"), S("1815"), BITCASK_WRITE_DEFAULT, &error));
    OK(bitcask_put(db, S("grace"), S("1906"), BITCASK_WRITE_SYNC, &error));
    OK(bitcask_put(db, S("empty"), NULL, 0, 0, &error));
    OK(bitcask_put(db, S("a\0b"), S("\0\xff\0"), 0, &error));
    OK(bitcask_contains(db, S("ada"), &error));
    OUTCOME(bitcask_contains(db, S("a"), &error), BITCASK_NOT_FOUND);
    OK(bitcask_len(db, &keys, &error));
    CHECK(keys == 4);

    bitcask_value *value = NULL;
    const uint8_t *data = NULL;
    size_t len = 99;
    OK(bitcask_get(db, S("ada"), &value, &error));
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == 4 && memcmp(data, "1815", 4) == 0);
    OK(bitcask_put(db, S("ada"), S("changed"), 0, &error));
    CHECK(memcmp(data, "1815", 4) == 0);
    CHECK(has(db, "ada", "changed"));
    bitcask_value_free(value);

    OK(bitcask_get(db, S("empty"), &value, &error));
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == 0 && data != NULL);
    bitcask_value_free(value);
    OK(bitcask_get(db, S("a\0b"), &value, &error));
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == 3 && memcmp(data, "\0\xff\0", 3) == 0);
    bitcask_value_free(value);

    bitcask_value *const mark = (bitcask_value *)&keys;
    value = mark;
    OUTCOME(bitcask_get(db, S("nobody"), &value, &error), BITCASK_NOT_FOUND);
    CHECK(value == mark);

    uint8_t buf[16];
    OK(bitcask_get_into(db, S("ada"), buf, sizeof buf, &len, &error));
    CHECK(len == 7 && memcmp(buf, "changed", 7) == 0);
    OK(bitcask_get_into(db, S("ada"), buf, 7, &len, &error));
    OUTCOME(bitcask_get_into(db, S("ada"), buf, 6, &len, &error), BITCASK_BUFFER_TOO_SMALL);
    CHECK(len == 7);
    OUTCOME(bitcask_get_into(db, S("ada"), NULL, 0, &len, &error), BITCASK_BUFFER_TOO_SMALL);
    CHECK(len == 7);
    OK(bitcask_get_into(db, S("empty"), NULL, 0, &len, &error));
    CHECK(len == 0);

    OK(bitcask_delete(db, S("ada"), 0, &existed, &error));
    CHECK(existed);
    OK(bitcask_delete(db, S("ada"), BITCASK_WRITE_SYNC, &existed, &error));
    CHECK(!existed);
    OK(bitcask_delete(db, S("grace"), 0, NULL, &error));
    CHECK(has(db, "ada", NULL) && has(db, "grace", NULL) && has(db, "empty", ""));
    OK(bitcask_sync(db, &error));

    uint64_t figures[BITCASK_STAT_COUNT + 1];
    memset(figures, 0xee, sizeof figures);
    size_t count = 0;
    OK(bitcask_stats(db, figures, BITCASK_STAT_COUNT + 1, &count, &error));
    CHECK(count == BITCASK_STAT_COUNT);
    CHECK(figures[BITCASK_STAT_KEYS] == 2);
    CHECK(figures[BITCASK_STAT_FILES] >= 1);
    CHECK(figures[BITCASK_STAT_DATA_BYTES] > 0);
    CHECK(figures[BITCASK_STAT_LAST_SEQ] == 7);
    CHECK(figures[BITCASK_STAT_MAPPED_FILES] <= figures[BITCASK_STAT_FILES]);
    CHECK(figures[BITCASK_STAT_DAMAGED_PLACES] == 0 && figures[BITCASK_STAT_DAMAGED_BYTES] == 0);
    CHECK(figures[BITCASK_STAT_COUNT] == UINT64_C(0xeeeeeeeeeeeeeeee));
    memset(figures, 0xee, sizeof figures);
    OK(bitcask_stats(db, figures, 1, &count, &error));
    CHECK(count == BITCASK_STAT_COUNT && figures[0] == 2 && figures[1] == UINT64_C(0xeeeeeeeeeeeeeeee));
    OK(bitcask_stats(db, NULL, 0, &count, &error));

    OK(bitcask_close(db, &error));
    db = open_store("basic");
    CHECK(has(db, "empty", "") && has(db, "ada", NULL));
    OK(bitcask_close(db, NULL));
}

static void large_values(void) {
    bitcask_db *db = open_store("large");
    size_t size = (size_t)8 << 20, len = 0;
    uint8_t *big = malloc(size), *back = malloc(size);
    for (size_t i = 0; i < size; i++) {
        big[i] = (uint8_t)(i * 31 >> 3);
    }
    OK(bitcask_put(db, S("big"), big, size, 0, &error));
    OK(bitcask_put(db, big, BITCASK_MAX_KEY_LEN, S("long key"), 0, &error));
    OUTCOME(bitcask_put(db, big, BITCASK_MAX_KEY_LEN + 1, S("too long"), 0, &error), BITCASK_KEY_TOO_LARGE);
    OK(bitcask_get_into(db, S("big"), back, size, &len, &error));
    CHECK(len == size && memcmp(big, back, size) == 0);
    bitcask_value *value = NULL;
    const uint8_t *data = NULL;
    OK(bitcask_get(db, S("big"), &value, &error));
    OK(bitcask_close(db, &error));
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == size && memcmp(big, data, size) == 0);
    bitcask_value_free(value);
    free(big);
    free(back);
}

/* Whether a lookup found this; NULL: found nothing, and says so in each of its parts. */
static int found(const bitcask_lookup *lookup, const char *value) {
    if (value == NULL) {
        return lookup->status == BITCASK_NOT_FOUND && lookup->data == NULL && lookup->len == 0;
    }
    return lookup->status == BITCASK_OK && lookup->data != NULL && lookup->len == strlen(value) &&
           memcmp(lookup->data, value, lookup->len) == 0;
}

static void many_keys(void) {
    bitcask_db *db = open_store("many");
    bitcask_values *values = bitcask_values_new();
    const bitcask_lookup *lookups = NULL;
    CHECK(values != NULL);
    put(db, "one", "1");
    put(db, "three", "333");
    put(db, "empty", "");
    const uint8_t *keys[] = {(const uint8_t *)"three", (const uint8_t *)"two", (const uint8_t *)"empty",
                             (const uint8_t *)"one", (const uint8_t *)"three"};
    const size_t lens[] = {5, 3, 5, 3, 5};
    const char *const want[] = {"333", NULL, "", "1", "333"};
    /* Both forms, by turns with one object; fewer keys after more. */
    for (size_t count = 5; count > 0; count--) {
        OK(bitcask_multi_get(db, keys, lens, count, values, &lookups, &error));
        for (size_t i = 0; i < count; i++) {
            CHECK(found(&lookups[i], want[i]));
        }
        lookups = NULL;
        size_t packed = 0;
        for (size_t i = 0; i < count; i++) {
            packed += lens[i];
        }
        OK(bitcask_multi_get_packed(db, (const uint8_t *)"threetwoemptyonethree", packed, lens, count, values, &lookups, &error));
        for (size_t i = 0; i < count; i++) {
            CHECK(found(&lookups[i], want[i]));
        }
    }
    OK(bitcask_multi_get(db, NULL, NULL, 0, values, &lookups, &error));
    OK(bitcask_multi_get_packed(db, NULL, 0, NULL, 0, values, &lookups, &error));

    /* An error takes all; the object goes on. */
    const bitcask_lookup *const mark = lookups;
    const size_t empty[] = {5, 0, 5};
    OUTCOME(bitcask_multi_get(db, keys, empty, 3, values, &lookups, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_multi_get_packed(db, S("threeempty"), empty, 3, values, &lookups, &error), BITCASK_KEY_EMPTY);
    CHECK(lookups == mark);

    /* What was found stays, whatever is written, also after the store is closed; another store may be next. */
    OK(bitcask_multi_get(db, keys, lens, 5, values, &lookups, &error));
    put(db, "three", "changed");
    OK(bitcask_delete(db, S("one"), 0, NULL, &error));
    OK(bitcask_close(db, &error));
    for (size_t i = 0; i < 5; i++) {
        CHECK(found(&lookups[i], want[i]));
    }
    db = open_store("other");
    put(db, "two", "2");
    OK(bitcask_multi_get(db, keys, lens, 5, values, &lookups, &error));
    CHECK(found(&lookups[1], "2") && found(&lookups[0], NULL) && found(&lookups[4], NULL));
    OK(bitcask_close(db, &error));
    bitcask_values_free(values);
}

/* Values larger than what the object has room for, then small ones again. */
static void many_sizes(void) {
    enum { COUNT = 500 };
    bitcask_db *db = open_store("sizes");
    bitcask_values *values = bitcask_values_new();
    uint8_t packed[COUNT * 4], *big = malloc(COUNT * 400);
    const uint8_t *keys[COUNT];
    size_t lens[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        memcpy(packed + (size_t)i * 4, &i, 4);
        keys[i] = packed + (size_t)i * 4;
        lens[i] = 4;
        memset(big + (size_t)i * 400, (int)(i % 251), 400);
        if (i % 7 != 0) {
            OK(bitcask_put(db, keys[i], 4, big + (size_t)i * 400, i * 397 % 400, 0, &error));
        }
    }
    for (int round = 0; round < 4; round++) {
        size_t count = round % 2 == 0 ? COUNT : 10;
        const bitcask_lookup *lookups = NULL;
        if (round < 2) {
            OK(bitcask_multi_get(db, keys, lens, count, values, &lookups, &error));
        } else {
            OK(bitcask_multi_get_packed(db, packed, count * 4, lens, count, values, &lookups, &error));
        }
        int right = 1;
        for (size_t i = 0; i < count; i++) {
            right = right && lookups[i].status == (i % 7 != 0 ? BITCASK_OK : BITCASK_NOT_FOUND);
            right = right && lookups[i].len == (i % 7 != 0 ? i * 397 % 400 : 0);
            right = right && (lookups[i].len == 0 || memcmp(lookups[i].data, big + i * 400, lookups[i].len) == 0);
        }
        CHECK(right);
    }
    OK(bitcask_close(db, &error));
    bitcask_values_free(values);
    free(big);
}

static int is_entry(const bitcask_entry *entry, const char *key, const char *value) {
    return entry->key_len == strlen(key) && memcmp(entry->key, key, entry->key_len) == 0 && entry->value != NULL &&
           entry->value_len == strlen(value) && memcmp(entry->value, value, entry->value_len) == 0;
}

static void keys_of_a_store(int32_t index, int32_t io) {
    char name[32];
    bitcask_db *db = NULL;
    bitcask_options *options = bitcask_options_new();
    snprintf(name, sizeof name, "keys %d %d", (int)index, (int)io);
    OK(bitcask_options_set_index(options, index, &error));
    OK(bitcask_options_set_io(options, io, &error));
    OK(bitcask_open(in_dir(name), options, &db, &error));
    bitcask_options_free(options);

    bitcask_value *const mark = (bitcask_value *)name;
    bitcask_value *first = mark, *last = mark, *key = mark;
    bitcask_entry entry = {NULL, 77, NULL, 77}, greatest;
    uint64_t number = 77;
    OUTCOME(bitcask_first(db, &first, &entry, &error), BITCASK_NOT_FOUND);
    OUTCOME(bitcask_last(db, &last, &entry, &error), BITCASK_NOT_FOUND);
    OUTCOME(bitcask_random_key(db, &key, &error), BITCASK_NOT_FOUND);
    OUTCOME(bitcask_value_size(db, S("k"), &number, &error), BITCASK_NOT_FOUND);
    CHECK(first == mark && last == mark && key == mark && entry.key_len == 77 && number == 77);
    OK(bitcask_count(db, NULL, &number, &error));
    CHECK(number == 0);

    put(db, "m", "middle");
    put(db, "z", "the last");
    put(db, "a", "");
    OK(bitcask_value_size(db, S("z"), &number, &error));
    CHECK(number == 8);
    OK(bitcask_value_size(db, S("a"), &number, &error));
    CHECK(number == 0);
    OK(bitcask_first(db, &first, &entry, &error));
    OK(bitcask_last(db, &last, &greatest, &error));
    CHECK(is_entry(&entry, "a", "") && is_entry(&greatest, "z", "the last"));

    bitcask_iter_options *range = bitcask_iter_options_new();
    OK(bitcask_count(db, range, &number, &error));
    CHECK(number == 3);
    OK(bitcask_iter_options_set_start(range, S("a"), false, &error));
    OK(bitcask_count(db, range, &number, &error));
    CHECK(number == 2);
    OK(bitcask_iter_options_set_limit(range, 1, &error));
    OK(bitcask_count(db, range, &number, &error));
    CHECK(number == 1);
    bitcask_iter_options_free(range);

    const uint8_t *data;
    size_t len;
    unsigned seen = 0;
    for (int i = 0; i < 200; i++) {
        OK(bitcask_random_key(db, &key, &error));
        STATUS(bitcask_value_bytes(key, &data, &len), BITCASK_OK);
        CHECK(len == 1 && (data[0] == 'a' || data[0] == 'm' || data[0] == 'z'));
        seen |= 1U << (data[0] - 'a');
        bitcask_value_free(key);
    }
    CHECK(seen == (1U << 0 | 1U << 12 | 1U << 25));

    uint64_t figures[BITCASK_STAT_COUNT];
    OK(bitcask_stats(db, figures, BITCASK_STAT_COUNT, &len, &error));
    CHECK((figures[BITCASK_STAT_MAPPED_FILES] == 0) == (io == BITCASK_IO_FILE));

    /* They are the caller's: whatever is written, and after close. */
    OK(bitcask_random_key(db, &key, &error));
    put(db, "a", "changed");
    OK(bitcask_delete(db, S("z"), 0, NULL, &error));
    OK(bitcask_close(db, &error));
    CHECK(is_entry(&entry, "a", "") && is_entry(&greatest, "z", "the last"));
    STATUS(bitcask_value_bytes(last, &data, &len), BITCASK_OK);
    CHECK(data == greatest.value && len == 8);
    STATUS(bitcask_value_bytes(key, &data, &len), BITCASK_OK);
    CHECK(len == 1 && data != NULL);
    bitcask_value_free(first);
    bitcask_value_free(last);
    bitcask_value_free(key);
}

/* Every index kind that the library has, by both I/O kinds. */
static void every_kind(void) {
    bitcask_options *options = bitcask_options_new();
    int kinds = 0;
    for (int32_t index = BITCASK_INDEX_BTREE; index <= BITCASK_INDEX_BPTREE; index++) {
        if (bitcask_options_set_index(options, index, NULL) == BITCASK_OK) {
            keys_of_a_store(index, BITCASK_IO_MMAP);
            keys_of_a_store(index, BITCASK_IO_FILE);
            kinds++;
        }
    }
    CHECK(kinds >= 3);
    bitcask_options_free(options);
}

/* An index without order refuses to sort beyond its budget, where the iterator is made. */
static void sort_budget(void) {
    bitcask_options *options = bitcask_options_new();
    bitcask_db *db = NULL;
    bitcask_iter *iter = NULL;
    uint64_t number = 0;
    OK(bitcask_options_set_index(options, BITCASK_INDEX_HASH, &error));
    OK(bitcask_options_set_sort_budget(options, 10, &error));
    OK(bitcask_options_set_index_budget(options, 1 << 20, &error));
    OK(bitcask_open(in_dir("sort"), options, &db, &error));
    put(db, "a", "1");
    put(db, "b", "2");
    OUTCOME(bitcask_iter_new(db, NULL, &iter, &error), BITCASK_UNSUPPORTED);
    OK(bitcask_count(db, NULL, &number, &error));
    CHECK(number == 2 && iter == NULL);
    OK(bitcask_close(db, &error));
    bitcask_options_free(options);
}

/* Writes until the index was saved beside the writes, `writes` times at most; whether it was. After 4000 with pauses, for what saves it is a
   thread that valgrind may keep from running. */
static bool saved_beside_writes(const char *name, uint64_t checkpoint_bytes, int writes) {
    bitcask_options *options = bitcask_options_new();
    bitcask_db *db = NULL;
    char file[512], key[16];
    bool saved = false;
    OK(bitcask_options_set_index(options, BITCASK_INDEX_BTREE, &error));
    OK(bitcask_options_set_max_file_size(options, 4096, &error));
    OK(bitcask_options_set_checkpoint_bytes(options, checkpoint_bytes, &error));
    OK(bitcask_open(in_dir(name), options, &db, &error));
    snprintf(file, sizeof file, "%s/index.checkpoint", in_dir(name));
    for (int i = 0; i < writes && !saved; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(db, key, "a value of some length");
        if (i >= 4000) nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        saved = access(file, F_OK) == 0;
    }
    OK(bitcask_close(db, &error));
    CHECK(access(file, F_OK) == 0);
    bitcask_options_free(options);
    return saved;
}

static void checkpoints(void) {
    CHECK(saved_beside_writes("often", 1, 10000));
    CHECK(!saved_beside_writes("at-close", 0, 4000));
}

static void batches(void) {
    bitcask_db *db = open_store("batch");
    bitcask_batch *batch = NULL;
    size_t len = 99;
    put(db, "old", "1");
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put(batch, S("dropped"), S("x"), &error));
    OK(bitcask_batch_clear(batch, &error));
    OK(bitcask_batch_len(batch, &len, &error));
    CHECK(len == 0);
    OK(bitcask_batch_put(batch, S("a"), S("1"), &error));
    OK(bitcask_batch_put(batch, S("a"), S("2"), &error));
    OK(bitcask_batch_put(batch, S("e"), NULL, 0, &error));
    OK(bitcask_batch_delete(batch, S("old"), &error));
    OK(bitcask_batch_delete(batch, S("nobody"), &error));
    OK(bitcask_batch_len(batch, &len, &error));
    CHECK(len == 4);
    CHECK(has(db, "a", NULL) && has(db, "old", "1"));
    OK(bitcask_batch_commit(batch, BITCASK_WRITE_SYNC, &error));
    CHECK(has(db, "a", "2") && has(db, "old", NULL) && has(db, "e", "") && has(db, "dropped", NULL));
    OUTCOME(bitcask_batch_commit(batch, 0, &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_put(batch, S("late"), S("x"), &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_delete(batch, S("late"), &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_batch_clear(batch, &error), BITCASK_BATCH_FINISHED);
    bitcask_batch_free(batch);
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_commit(batch, 0, &error));
    bitcask_batch_free(batch);
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put(batch, S("never"), S("x"), &error));
    bitcask_batch_free(batch);
    CHECK(has(db, "never", NULL));
    OK(bitcask_close(db, &error));
}

static void bulk_loads(void) {
    bitcask_db *db = open_store("bulk");
    bitcask_bulk *bulk = NULL, *left = NULL;
    bitcask_iter *before = NULL;
    bitcask_entry entry;
    uint64_t number;
    static uint8_t value[100000];
    char key[32];
    put(db, "old", "1");
    put(db, "key 7", "1");
    OK(bitcask_iter_new(db, NULL, &before, &error));
    OK(bitcask_bulk_new(db, BITCASK_BULK_SYNC, &bulk, &error));
    OK(bitcask_bulk_new(db, BITCASK_BULK_DEFAULT, &left, &error));
    /* More than stays in memory: 25 MB. */
    for (int i = 0; i < 250; i++) {
        int len = snprintf(key, sizeof key, "key %d", i * 7 % 250);
        memset(value, i, sizeof value);
        OK(bitcask_bulk_put(bulk, (const uint8_t *)key, (size_t)len, value, sizeof value, &error));
        OK(bitcask_bulk_put(left, (const uint8_t *)key, (size_t)len, S("left"), &error));
    }
    OK(bitcask_bulk_put(bulk, S("key 8"), S("last"), &error));
    OUTCOME(bitcask_bulk_put(bulk, S(""), S("x"), &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_bulk_put(bulk, NULL, 1, S("x"), &error), BITCASK_NULL_ARGUMENT);
    put(db, "meanwhile", "2");
    CHECK(has(db, "key 8", NULL) && has(db, "key 7", "1"));
    OK(bitcask_bulk_finish(bulk, &error));
    CHECK(has(db, "key 8", "last") && has(db, "old", "1") && has(db, "meanwhile", "2"));
    memset(value, 1, sizeof value);
    bitcask_value *found = NULL;
    const uint8_t *data = NULL;
    size_t len = 0;
    OK(bitcask_get(db, S("key 7"), &found, &error));
    STATUS(bitcask_value_bytes(found, &data, &len), BITCASK_OK);
    CHECK(len == sizeof value && memcmp(data, value, len) == 0);
    bitcask_value_free(found);
    OK(bitcask_len(db, &number, &error));
    CHECK(number == 252);
    OUTCOME(bitcask_bulk_finish(bulk, &error), BITCASK_BATCH_FINISHED);
    OUTCOME(bitcask_bulk_put(bulk, S("late"), S("x"), &error), BITCASK_BATCH_FINISHED);
    bitcask_bulk_free(bulk);
    bitcask_bulk_free(left);
    OUTCOME(bitcask_bulk_put(left, S("late"), S("x"), &error), BITCASK_INVALID_HANDLE);
    CHECK(has(db, "key 8", "last"));
    /* The iterator is of the moment before. */
    OK(bitcask_iter_next(before, &entry, &error));
    CHECK(entry.key_len == 5 && entry.value_len == 1);
    OK(bitcask_iter_next(before, &entry, &error));
    OUTCOME(bitcask_iter_next(before, &entry, &error), BITCASK_NOT_FOUND);
    bitcask_iter_free(before);
    OUTCOME(bitcask_bulk_new(db, 4, &bulk, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_bulk_new(db, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_bulk_new(db, BITCASK_BULK_IN_PIECES, &bulk, &error));
    for (int i = 0; i < 20; i++) {
        int n = snprintf(key, sizeof key, "piece %d", i);
        OK(bitcask_bulk_put(bulk, (const uint8_t *)key, (size_t)n, value, sizeof value, &error));
    }
    OK(bitcask_contains(db, S("piece 3"), &error));
    OUTCOME(bitcask_contains(db, S("piece 19"), &error), BITCASK_NOT_FOUND);
    bitcask_bulk_free(bulk);
    OK(bitcask_contains(db, S("piece 3"), &error));
    OUTCOME(bitcask_contains(db, S("piece 19"), &error), BITCASK_NOT_FOUND);
    /* The store is closed under a load. */
    OK(bitcask_bulk_new(db, 0, &bulk, &error));
    for (int i = 0; i < 250; i++) {
        OK(bitcask_bulk_put(bulk, S("k"), value, sizeof value, &error));
    }
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_bulk_put(bulk, S("k"), S("v"), &error), BITCASK_CLOSED);
    OUTCOME(bitcask_bulk_finish(bulk, &error), BITCASK_CLOSED);
    bitcask_bulk_free(bulk);
    db = open_store("bulk");
    CHECK(has(db, "k", NULL) && has(db, "key 8", "last"));
    OK(bitcask_close(db, &error));
}

static void opening(void) {
    bitcask_options *options = bitcask_options_new();
    bitcask_db *db = NULL, *reader = NULL;
    CHECK(options != NULL);
    OK(bitcask_options_set_create_if_missing(options, false, &error));
    OUTCOME(bitcask_open(in_dir("opening"), options, &db, &error), BITCASK_NO_STORE);
    OK(bitcask_options_set_create_if_missing(options, true, &error));
    OK(bitcask_options_set_verify_checksums(options, false, &error));
    OK(bitcask_options_set_max_file_size(options, 4096, &error));
    OK(bitcask_options_set_sync_interval(options, 5, 1000, &error));
    const int32_t indexes[] = {BITCASK_INDEX_HASH, BITCASK_INDEX_BTREE};
    const int32_t durabilities[] = {BITCASK_DURABILITY_NONE, BITCASK_DURABILITY_INTERVAL, BITCASK_DURABILITY_ALWAYS};
    for (unsigned i = 0; i < 6; i++) {
        OK(bitcask_options_set_index(options, indexes[i % 2], &error));
        OK(bitcask_options_set_durability(options, durabilities[i / 2], &error));
        OK(bitcask_options_set_on_damage(options, i % 2 ? BITCASK_ON_DAMAGE_SERVE : BITCASK_ON_DAMAGE_REFUSE, &error));
        OK(bitcask_open(in_dir("opening"), options, &db, &error));
        char key[20];
        for (unsigned n = 0; n < 200; n++) {
            snprintf(key, sizeof key, "key %u %u", i, n);
            put(db, key, "some value of some length, so that files fill");
        }
        OK(bitcask_close(db, &error));
    }
    OK(bitcask_options_set_read_only(options, true, &error));
    OK(bitcask_open(in_dir("opening"), NULL, &db, &error));
    OK(bitcask_open(in_dir("opening"), options, &reader, &error));
    bitcask_options_free(options);
    uint64_t figures[BITCASK_STAT_COUNT];
    size_t count;
    OK(bitcask_stats(reader, figures, BITCASK_STAT_COUNT, &count, &error));
    CHECK(figures[BITCASK_STAT_KEYS] == 1200 && figures[BITCASK_STAT_FILES] > 6);
    CHECK(has(reader, "key 3 77", "some value of some length, so that files fill"));
    OUTCOME(bitcask_put(reader, S("k"), S("v"), 0, &error), BITCASK_READ_ONLY);
    OUTCOME(bitcask_delete(reader, S("key 3 77"), 0, NULL, &error), BITCASK_READ_ONLY);
    OK(bitcask_close(reader, &error));
    OK(bitcask_close(db, &error));
}

int main(void) {
    begin();
    versions_and_names();
    reads_and_writes();
    large_values();
    many_keys();
    many_sizes();
    every_kind();
    sort_budget();
    checkpoints();
    batches();
    bulk_loads();
    opening();
    return end("basic");
}
