/* Arguments that no call can do anything with: each is an error with a message, writes nothing and harms nothing. */
#include "check.h"

/* Every pointer of every function, NULL by turns. */
static void nulls(bitcask_db *db) {
    bitcask_db *other = db;
    bitcask_value *value = NULL;
    bitcask_batch *batch = NULL;
    bitcask_iter *iter = NULL;
    bitcask_options *options = bitcask_options_new();
    bitcask_iter_options *range = bitcask_iter_options_new();
    const bitcask_entry *entries = NULL;
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
    CHECK(len == 77 && number == 77 && other == db && entries == NULL);

    bitcask_value_free(NULL);
    bitcask_batch_free(NULL);
    bitcask_iter_free(NULL);
    bitcask_options_free(NULL);
    bitcask_iter_options_free(NULL);
    bitcask_error_free(NULL);
    CHECK(bitcask_error_status(NULL) == BITCASK_NULL_ARGUMENT && bitcask_error_os_error(NULL) == 0);
    CHECK(strcmp(bitcask_error_message(NULL), "") == 0 && strcmp(bitcask_error_path(NULL), "") == 0);
    CHECK(bitcask_error_offset(NULL) == -1);
    bitcask_value_free(value);
    bitcask_batch_free(batch);
    bitcask_iter_free(iter);
    bitcask_options_free(options);
    bitcask_iter_options_free(range);
}

/* Lengths: none, more than there can be, and NULL with each. */
static void lengths(bitcask_db *db) {
    uint8_t byte = 'k', buf[8];
    size_t len = 0;
    bitcask_batch *batch = NULL;
    bitcask_iter_options *range = bitcask_iter_options_new();
    OK(bitcask_batch_new(db, &batch, &error));
    OUTCOME(bitcask_put(db, NULL, 0, S("v"), 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_put(db, &byte, 0, S("v"), 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_delete(db, NULL, 0, 0, NULL, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_contains(db, NULL, 0, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_get_into(db, NULL, 0, buf, 8, &len, &error), BITCASK_KEY_EMPTY);
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
    choices(db);
    error_objects(db);
    CHECK(has(db, "k", ""));
    OK(bitcask_close(db, &error));
    return end("misuse");
}
