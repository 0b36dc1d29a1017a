/* Arguments that no call can do anything with: each is an error with a message, writes nothing and harms nothing. */
#include "check.h"

/* Every pointer of every function, NULL by turns. */
static void nulls(bitcask_db *db) {
    bitcask_db *other = db;
    bitcask_value *value = NULL;
    bitcask_batch *batch = NULL;
    bitcask_iter *iter = NULL;
    bitcask_values *values = bitcask_values_new();
    bitcask_options *options = bitcask_options_new();
    bitcask_iter_options *range = bitcask_iter_options_new();
    const bitcask_entry *entries = NULL;
    const bitcask_lookup *lookups = NULL;
    const uint8_t *keys[2] = {(const uint8_t *)"k", NULL};
    const size_t lens[2] = {1, 1};
    bitcask_entry entry;
    const uint8_t *data;
    uint8_t buf[8];
    size_t len = 77;
    uint64_t number = 77;
    put(db, "k", "v");
    OK(bitcask_get(db, S("k"), &value, &error));
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_iter_new(db, NULL, &iter, &error));

#define N(call) OUTCOME(call, BITCASK_NULL_ARGUMENT)
    N(bitcask_open(NULL, NULL, &other, &error));
    N(bitcask_open(in_dir("x"), NULL, NULL, &error));
    N(bitcask_close(NULL, &error));
    N(bitcask_put(NULL, S("k"), S("v"), 0, &error));
    N(bitcask_put(db, NULL, 1, S("v"), 0, &error));
    N(bitcask_put(db, S("k"), NULL, 1, 0, &error));
    N(bitcask_delete(NULL, S("k"), 0, NULL, &error));
    N(bitcask_delete(db, NULL, 1, 0, NULL, &error));
    N(bitcask_contains(NULL, S("k"), &error));
    N(bitcask_contains(db, NULL, 1, &error));
    N(bitcask_get(NULL, S("k"), &value, &error));
    N(bitcask_get(db, NULL, 1, &value, &error));
    N(bitcask_get(db, S("k"), NULL, &error));
    N(bitcask_get_into(NULL, S("k"), buf, 8, &len, &error));
    N(bitcask_get_into(db, NULL, 1, buf, 8, &len, &error));
    N(bitcask_get_into(db, S("k"), NULL, 8, &len, &error));
    N(bitcask_get_into(db, S("k"), buf, 8, NULL, &error));
    N(bitcask_value_size(NULL, S("k"), &number, &error));
    N(bitcask_value_size(db, NULL, 1, &number, &error));
    N(bitcask_value_size(db, S("k"), NULL, &error));
    N(bitcask_multi_get(NULL, keys, lens, 1, values, &lookups, &error));
    N(bitcask_multi_get(db, NULL, lens, 1, values, &lookups, &error));
    N(bitcask_multi_get(db, keys, NULL, 1, values, &lookups, &error));
    N(bitcask_multi_get(db, keys, lens, 1, NULL, &lookups, &error));
    N(bitcask_multi_get(db, keys, lens, 1, values, NULL, &error));
    N(bitcask_multi_get(db, keys, lens, 2, values, &lookups, &error));
    N(bitcask_multi_get_packed(NULL, S("k"), lens, 1, values, &lookups, &error));
    N(bitcask_multi_get_packed(db, NULL, 1, lens, 1, values, &lookups, &error));
    N(bitcask_multi_get_packed(db, S("k"), NULL, 1, values, &lookups, &error));
    N(bitcask_multi_get_packed(db, S("k"), lens, 1, NULL, &lookups, &error));
    N(bitcask_multi_get_packed(db, S("k"), lens, 1, values, NULL, &error));
    N(bitcask_first(NULL, &value, &entry, &error));
    N(bitcask_first(db, NULL, &entry, &error));
    N(bitcask_first(db, &value, NULL, &error));
    N(bitcask_last(NULL, &value, &entry, &error));
    N(bitcask_last(db, NULL, &entry, &error));
    N(bitcask_last(db, &value, NULL, &error));
    N(bitcask_count(NULL, NULL, &number, &error));
    N(bitcask_count(db, NULL, NULL, &error));
    N(bitcask_random_key(NULL, &value, &error));
    N(bitcask_random_key(db, NULL, &error));
    N(bitcask_len(NULL, &number, &error));
    N(bitcask_len(db, NULL, &error));
    N(bitcask_sync(NULL, &error));
    N(bitcask_stats(NULL, &number, 1, &len, &error));
    N(bitcask_stats(db, NULL, 1, &len, &error));
    N(bitcask_stats(db, &number, 1, NULL, &error));
    N(bitcask_batch_new(NULL, &batch, &error));
    N(bitcask_batch_new(db, NULL, &error));
    N(bitcask_batch_put(NULL, S("k"), S("v"), &error));
    N(bitcask_batch_put(batch, NULL, 1, S("v"), &error));
    N(bitcask_batch_put(batch, S("k"), NULL, 1, &error));
    N(bitcask_batch_delete(NULL, S("k"), &error));
    N(bitcask_batch_delete(batch, NULL, 1, &error));
    N(bitcask_batch_clear(NULL, &error));
    N(bitcask_batch_len(NULL, &len, &error));
    N(bitcask_batch_len(batch, NULL, &error));
    N(bitcask_batch_commit(NULL, 0, &error));
    N(bitcask_iter_new(NULL, NULL, &iter, &error));
    N(bitcask_iter_new(db, NULL, NULL, &error));
    N(bitcask_iter_next_page(NULL, 1, 1, &entries, &len, &error));
    N(bitcask_iter_next_page(iter, 1, 1, NULL, &len, &error));
    N(bitcask_iter_next_page(iter, 1, 1, &entries, NULL, &error));
    N(bitcask_iter_next(NULL, &entry, &error));
    N(bitcask_iter_next(iter, NULL, &error));
    N(bitcask_iter_seek(NULL, S("k"), &error));
    N(bitcask_iter_seek(iter, NULL, 1, &error));
    N(bitcask_iter_rewind(NULL, &error));
    N(bitcask_options_set_index(NULL, 0, &error));
    N(bitcask_options_set_io(NULL, 0, &error));
    N(bitcask_options_set_sort_budget(NULL, 1, &error));
    N(bitcask_options_set_index_budget(NULL, 1 << 20, &error));
    N(bitcask_options_set_checkpoint_bytes(NULL, 1, &error));
    N(bitcask_options_set_durability(NULL, 0, &error));
    N(bitcask_options_set_sync_interval(NULL, 1, 1, &error));
    N(bitcask_options_set_max_file_size(NULL, 4096, &error));
    N(bitcask_options_set_create_if_missing(NULL, true, &error));
    N(bitcask_options_set_read_only(NULL, true, &error));
    N(bitcask_options_set_verify_checksums(NULL, true, &error));
    N(bitcask_options_set_on_damage(NULL, 0, &error));
    N(bitcask_iter_options_set_prefix(NULL, S("k"), &error));
    N(bitcask_iter_options_set_prefix(range, NULL, 1, &error));
    N(bitcask_iter_options_set_start(NULL, S("k"), true, &error));
    N(bitcask_iter_options_set_start(range, NULL, 1, true, &error));
    N(bitcask_iter_options_set_end(NULL, S("k"), true, &error));
    N(bitcask_iter_options_set_end(range, NULL, 1, true, &error));
    N(bitcask_iter_options_set_reverse(NULL, true, &error));
    N(bitcask_iter_options_set_limit(NULL, 1, &error));
    N(bitcask_iter_options_set_keys_only(NULL, true, &error));
#undef N
    STATUS(bitcask_value_bytes(NULL, &data, &len), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_value_bytes(value, NULL, &len), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_value_bytes(value, &data, NULL), BITCASK_NULL_ARGUMENT);
    /* No place for an error object is no error. */
    STATUS(bitcask_put(db, NULL, 1, S("v"), 0, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_put(db, S("k"), S("v"), 0, NULL), BITCASK_OK);
    /* Nothing was written on failure. */
    CHECK(len == 77 && number == 77 && other == db && entries == NULL && lookups == NULL);
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == 1 && data[0] == 'v');

    bitcask_value_free(NULL);
    bitcask_values_free(NULL);
    bitcask_batch_free(NULL);
    bitcask_iter_free(NULL);
    bitcask_options_free(NULL);
    bitcask_iter_options_free(NULL);
    bitcask_error_free(NULL);
    CHECK(bitcask_error_status(NULL) == BITCASK_NULL_ARGUMENT && bitcask_error_os_error(NULL) == 0);
    CHECK(strcmp(bitcask_error_message(NULL), "") == 0 && strcmp(bitcask_error_path(NULL), "") == 0);
    CHECK(bitcask_error_offset(NULL) == -1);
    bitcask_value_free(value);
    bitcask_values_free(values);
    bitcask_batch_free(batch);
    bitcask_iter_free(iter);
    bitcask_options_free(options);
    bitcask_iter_options_free(range);
}

/* Lengths: none, more than there can be, and NULL with each. */
static void lengths(bitcask_db *db) {
    uint8_t byte = 'k', buf[8] = {0};
    size_t len = 0;
    bitcask_batch *batch = NULL;
    bitcask_iter_options *range = bitcask_iter_options_new();
    OK(bitcask_batch_new(db, &batch, &error));
    OUTCOME(bitcask_put(db, NULL, 0, S("v"), 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_put(db, &byte, 0, S("v"), 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_delete(db, NULL, 0, 0, NULL, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_contains(db, NULL, 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_get_into(db, NULL, 0, buf, 8, &len, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_value_size(db, NULL, 0, &(uint64_t){0}, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_batch_put(batch, NULL, 0, S("v"), &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_batch_delete(batch, NULL, 0, &error), BITCASK_KEY_EMPTY);
    OK(bitcask_put(db, &byte, 1, &byte, 0, 0, &error));
    CHECK(has(db, "k", ""));

    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1};
    for (int i = 0; i < 3; i++) {
        OUTCOME(bitcask_put(db, NULL, sizes[i], S("v"), 0, &error), BITCASK_NULL_ARGUMENT);
        OUTCOME(bitcask_put(db, S("k"), NULL, sizes[i], 0, &error), BITCASK_NULL_ARGUMENT);
        OUTCOME(bitcask_put(db, &byte, sizes[i], S("v"), 0, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_put(db, S("k"), &byte, sizes[i], 0, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_delete(db, &byte, sizes[i], 0, NULL, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_contains(db, &byte, sizes[i], &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_get_into(db, S("k"), NULL, sizes[i], &len, &error), BITCASK_NULL_ARGUMENT);
        OUTCOME(bitcask_get_into(db, S("k"), buf, sizes[i], &len, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_value_size(db, &byte, sizes[i], &(uint64_t){0}, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_batch_put(batch, &byte, sizes[i], S("v"), &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_iter_options_set_prefix(range, NULL, sizes[i], &error), BITCASK_NULL_ARGUMENT);
        OUTCOME(bitcask_iter_options_set_prefix(range, &byte, sizes[i], &error), BITCASK_INVALID_ARGUMENT);
    }
    OUTCOME(bitcask_get_into(db, buf, 4, buf, 8, &len, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_get_into(db, buf + 7, 1, buf, 8, &len, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_get_into(db, buf, 4, buf + 4, 4, &len, &error), BITCASK_NOT_FOUND);
    bitcask_batch_free(batch);
    bitcask_iter_options_free(range);
}

/* Counts and lengths of many keys that can't be: told before anything is read or allocated. */
static void counts(bitcask_db *db) {
    bitcask_values *values = bitcask_values_new();
    const bitcask_lookup *lookups = NULL;
    const uint8_t *const keys[] = {(const uint8_t *)"k", (const uint8_t *)"k"};
    const size_t lens[] = {1, 1};
    const size_t wrong[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8, SIZE_MAX / 16 + 1, SIZE_MAX / 64, (size_t)BITCASK_MAX_MULTI_GET + 1};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        OUTCOME(bitcask_multi_get(db, keys, lens, wrong[i], values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_multi_get(db, NULL, lens, wrong[i], values, &lookups, &error), BITCASK_NULL_ARGUMENT);
        OUTCOME(bitcask_multi_get_packed(db, S("kk"), lens, wrong[i], values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_multi_get_packed(db, (const uint8_t *)"kk", wrong[i], lens, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
        const size_t long_key[] = {1, wrong[i]};
        if (wrong[i] > SIZE_MAX / 2) {
            OUTCOME(bitcask_multi_get(db, keys, long_key, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
        }
        OUTCOME(bitcask_multi_get_packed(db, S("kk"), long_key, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    }
    /* Lengths that add up modulo 2^64 only. */
    OUTCOME(bitcask_multi_get_packed(db, S("kk"), (const size_t[]){SIZE_MAX, 3}, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get_packed(db, NULL, 0, (const size_t[]){SIZE_MAX, 1}, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get_packed(db, S("kkk"), lens, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get_packed(db, S("k"), lens, 2, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get_packed(db, S("k"), NULL, 0, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get_packed(db, NULL, 0, (const size_t[]){0}, 1, values, &lookups, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_multi_get(db, (const uint8_t *const[]){NULL}, (const size_t[]){0}, 1, values, &lookups, &error), BITCASK_KEY_EMPTY);
    const size_t too_large[] = {BITCASK_MAX_KEY_LEN + 1};
    uint8_t *key = calloc(1, BITCASK_MAX_KEY_LEN + 1);
    OUTCOME(bitcask_multi_get(db, (const uint8_t *const[]){key}, too_large, 1, values, &lookups, &error), BITCASK_KEY_TOO_LARGE);
    OUTCOME(bitcask_multi_get_packed(db, key, too_large[0], too_large, 1, values, &lookups, &error), BITCASK_KEY_TOO_LARGE);
    free(key);
    CHECK(lookups == NULL);

    /* Arrays that can't be read as such. */
    _Alignas(size_t) uint8_t odd[sizeof(size_t) + 1] = {0};
    OUTCOME(bitcask_multi_get(db, keys, (const size_t *)(const void *)(odd + 1), 1, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_multi_get(db, (const uint8_t *const *)(const void *)(odd + 1), lens, 1, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);

    /* A value that was found as the next key, with the same object and with another. */
    put(db, "chain", "kk");
    put(db, "kk", "end");
    OK(bitcask_multi_get_packed(db, S("chain"), (const size_t[]){5}, 1, values, &lookups, &error));
    const bitcask_lookup at = lookups[0];
    CHECK(at.status == BITCASK_OK && at.len == 2);
    OUTCOME(bitcask_multi_get(db, &at.data, &at.len, 1, values, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    bitcask_values *second = bitcask_values_new();
    OK(bitcask_multi_get_packed(db, S("chain"), (const size_t[]){5}, 1, values, &lookups, &error));
    OK(bitcask_multi_get(db, &lookups[0].data, &lookups[0].len, 1, second, &lookups, &error));
    CHECK(lookups[0].len == 3 && memcmp(lookups[0].data, "end", 3) == 0);
    OUTCOME(bitcask_multi_get_packed(db, lookups[0].data, 3, (const size_t[]){1, 2}, 2, second, &lookups, &error), BITCASK_INVALID_ARGUMENT);
    bitcask_values_free(values);
    bitcask_values_free(second);
}

static void choices(bitcask_db *db) {
    bitcask_options *options = bitcask_options_new();
    bitcask_batch *batch = NULL;
    bitcask_iter *iter = NULL;
    const bitcask_entry *entries = NULL;
    size_t count;
    bitcask_db *other = NULL;
    const int32_t wrong[] = {-1, 5, 99, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 5; i++) {
        OUTCOME(bitcask_options_set_index(options, wrong[i], &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_options_set_io(options, wrong[i], &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_options_set_durability(options, wrong[i], &error), BITCASK_INVALID_ARGUMENT);
        OUTCOME(bitcask_options_set_on_damage(options, wrong[i], &error), BITCASK_INVALID_ARGUMENT);
    }
    OK(bitcask_batch_new(db, &batch, &error));
    OUTCOME(bitcask_put(db, S("k"), S("v"), 2, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_put(db, S("k"), S("v"), UINT32_MAX, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_delete(db, S("k"), 2, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_batch_commit(batch, 2, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_batch_commit(batch, 0, &error));
    bitcask_batch_free(batch);
    OK(bitcask_iter_new(db, NULL, &iter, &error));
    OUTCOME(bitcask_iter_next_page(iter, 0, 100, &entries, &count, &error), BITCASK_INVALID_ARGUMENT);
    bitcask_iter_free(iter);

    /* Checked at open, so that the order of the setters doesn't matter. */
    OK(bitcask_options_set_max_file_size(options, 4095, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_max_file_size(options, UINT64_MAX, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_max_file_size(options, 4096, &error));
    OK(bitcask_options_set_index_budget(options, (1 << 20) - 1, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_index_budget(options, 0, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_index_budget(options, 1 << 20, &error));
    OK(bitcask_options_set_sync_interval(options, 0, 1, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_sync_interval(options, UINT64_MAX, 0, &error));
    OUTCOME(bitcask_open(in_dir("choices"), options, &other, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_options_set_sync_interval(options, UINT64_MAX, UINT64_MAX, &error));
    OK(bitcask_open(in_dir("choices"), options, &other, &error));
    OK(bitcask_close(other, &error));
    OUTCOME(bitcask_open("", NULL, &other, &error), BITCASK_INVALID_ARGUMENT);
    bitcask_options_free(options);
}

static void error_objects(bitcask_db *db) {
    bitcask_db *other = NULL;
    bitcask_error *error = (bitcask_error *)&other;
    STATUS(bitcask_contains(db, S("nobody"), &error), BITCASK_NOT_FOUND);
    CHECK(error == NULL);
    error = (bitcask_error *)&other;
    STATUS(bitcask_sync(db, &error), BITCASK_OK);
    CHECK(error == NULL);

    STATUS(bitcask_put(db, NULL, 0, NULL, 0, 0, &error), BITCASK_KEY_EMPTY);
    CHECK(strstr(bitcask_error_message(error), "1 to 65535") != NULL);
    CHECK(bitcask_error_os_error(error) == 0 && bitcask_error_offset(error) == -1);
    CHECK(strcmp(bitcask_error_path(error), "") == 0);
    bitcask_error_free(error);

    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    STATUS(bitcask_open(in_dir("misuse"), NULL, &other, &error), BITCASK_LOCKED);
    CHECK(strstr(bitcask_error_message(error), pid) != NULL);
    CHECK(strstr(bitcask_error_path(error), "misuse") != NULL);
    bitcask_error *second = NULL;
    STATUS(bitcask_open(in_dir("no/such/parent"), NULL, &other, &second), BITCASK_IO);
    CHECK(bitcask_error_os_error(second) == 2);
    CHECK(strstr(bitcask_error_path(second), "no/such") != NULL);
    /* Each call has its own object. */
    CHECK(bitcask_error_status(error) == BITCASK_LOCKED && bitcask_error_status(second) == BITCASK_IO);
    bitcask_error_free(error);
    bitcask_error_free(second);
    CHECK(other == NULL);
    /* A file where the directory should be, a name that is not UTF-8. */
    FILE *file = fopen(in_dir("file"), "w");
    CHECK(file != NULL && fclose(file) == 0);
    error = NULL;
    CHECK(bitcask_open(in_dir("file"), NULL, &other, &error) >= BITCASK_INVALID_ARGUMENT && error != NULL);
    bitcask_error_free(error);
    OK(bitcask_open(in_dir("caf\xe9"), NULL, &other, &error));
    OK(bitcask_close(other, &error));
}

int main(void) {
    begin();
    bitcask_db *db = open_store("misuse");
    nulls(db);
    lengths(db);
    counts(db);
    choices(db);
    error_objects(db);
    CHECK(has(db, "k", ""));
    OK(bitcask_close(db, &error));
    return end("misuse");
}
