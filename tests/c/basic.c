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
    batches();
    opening();
    return end("basic");
}
