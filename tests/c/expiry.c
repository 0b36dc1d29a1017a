/* Keys that expire. Sleeps decide nothing here but that a short time is over: what must still be there has an hour. */
#include "check.h"

#define HOUR UINT64_C(3600000)

static void past(uint64_t milliseconds) {
    struct timespec time = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* Whether a number of milliseconds is what is left of an hour. */
static int about_an_hour(uint64_t left) {
    return left > HOUR / 2 && left <= HOUR;
}

/* The figures of the store's one file. */
static void figures_of(bitcask_db *db, uint64_t figures[BITCASK_FILE_COUNT]) {
    bitcask_files *files = NULL;
    size_t count = 0, known = 0;
    OK(bitcask_file_stats(db, &files, &count, &error));
    CHECK(count == 1);
    STATUS(bitcask_files_figures(files, 0, figures, BITCASK_FILE_COUNT, &known), BITCASK_OK);
    CHECK(known == BITCASK_FILE_COUNT);
    bitcask_files_free(files);
}

static void single_keys(void) {
    bitcask_db *db = open_store("single");
    uint64_t left = 7, number = 0, figures[BITCASK_FILE_COUNT];
    bool flag = false;
    OUTCOME(bitcask_ttl(db, S("a"), &left, &error), BITCASK_NOT_FOUND);
    CHECK(left == 7);
    put(db, "a", "1");
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(left == BITCASK_NO_EXPIRY);
    OK(bitcask_put_ttl(db, S("b"), S("2"), HOUR, BITCASK_WRITE_DEFAULT, &error));
    OK(bitcask_ttl(db, S("b"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_persist(db, S("b"), BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(flag);
    OK(bitcask_persist(db, S("b"), BITCASK_WRITE_SYNC, &flag, &error));
    CHECK(!flag);
    OK(bitcask_expire(db, S("b"), HOUR, BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(flag);
    OK(bitcask_expire(db, S("none"), HOUR, BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(!flag);
    OK(bitcask_persist(db, S("b"), BITCASK_WRITE_DEFAULT, NULL, &error));
    OK(bitcask_expire(db, S("b"), HOUR, BITCASK_WRITE_DEFAULT, NULL, &error));
    put(db, "b", "3");
    OK(bitcask_ttl(db, S("b"), &left, &error));
    CHECK(left == BITCASK_NO_EXPIRY);

    /* No time at all is a delete; the longest is for ever, and not BITCASK_NO_EXPIRY. */
    OK(bitcask_put_ttl(db, S("b"), S("4"), 0, BITCASK_WRITE_DEFAULT, &error));
    OUTCOME(bitcask_contains(db, S("b"), &error), BITCASK_NOT_FOUND);
    OK(bitcask_put_ttl(db, S("b"), S("4"), UINT64_MAX, BITCASK_WRITE_DEFAULT, &error));
    OK(bitcask_ttl(db, S("b"), &left, &error));
    CHECK(left > HOUR && left < BITCASK_NO_EXPIRY);

    OK(bitcask_put_if_absent_ttl(db, S("lock"), S("me"), 20, BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(flag);
    OK(bitcask_put_ttl(db, S("short"), S("5"), 20, BITCASK_WRITE_DEFAULT, &error));
    past(40);
    OUTCOME(bitcask_contains(db, S("short"), &error), BITCASK_NOT_FOUND);
    OUTCOME(bitcask_ttl(db, S("short"), &left, &error), BITCASK_NOT_FOUND);
    OK(bitcask_delete(db, S("short"), BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(!flag);
    OK(bitcask_put_if_absent_ttl(db, S("lock"), S("you"), HOUR, BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(flag);
    OK(bitcask_put_if_absent_ttl(db, S("lock"), S("me"), HOUR, BITCASK_WRITE_DEFAULT, &flag, &error));
    CHECK(!flag);

    OK(bitcask_put_ttl(db, S("swept"), S("6"), 1, BITCASK_WRITE_DEFAULT, &error));
    past(20);
    OK(bitcask_len(db, &number, &error));
    CHECK(number == 4);
    OK(bitcask_count(db, NULL, &number, &error));
    CHECK(number == 3);
    figures_of(db, figures);
    CHECK(figures[BITCASK_FILE_EXPIRED_RECORDS] == 1 && figures[BITCASK_FILE_EXPIRED_BYTES] > 6);
    CHECK(figures[BITCASK_FILE_EXPIRED_BYTES] < figures[BITCASK_FILE_LIVE_BYTES] && figures[BITCASK_FILE_LIVE_RECORDS] == 4);
    OK(bitcask_sweep_expired(db, &number, &error));
    CHECK(number == 1);
    figures_of(db, figures);
    CHECK(figures[BITCASK_FILE_EXPIRED_RECORDS] == 0 && figures[BITCASK_FILE_EXPIRED_BYTES] == 0);
    OK(bitcask_sweep_expired(db, NULL, &error));
    OK(bitcask_len(db, &number, &error));
    CHECK(number == 3);
    OK(bitcask_close(db, &error));
    STATUS(bitcask_ttl(db, S("a"), &left, NULL), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_sweep_expired(db, NULL, NULL), BITCASK_INVALID_HANDLE);
}

static void changes(void) {
    bitcask_db *db = open_store("changes");
    uint64_t left = 0, seq = 0, last = 0;
    int64_t before = 7;
    bool swapped = false;
    OK(bitcask_put_seq_ttl(db, S("a"), S("1"), HOUR, BITCASK_WRITE_SYNC, &seq, &error));
    OK(bitcask_last_seq(db, &last, &error));
    CHECK(seq == last && seq > 0);
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_compare_and_swap(db, S("a"), true, S("1"), true, S("2"), BITCASK_WRITE_KEEP_EXPIRY | BITCASK_WRITE_SYNC, &swapped, &error));
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(swapped && about_an_hour(left) && has(db, "a", "2"));
    OK(bitcask_compare_and_swap(db, S("a"), true, S("2"), true, S("3"), BITCASK_WRITE_DEFAULT, &swapped, &error));
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(swapped && left == BITCASK_NO_EXPIRY);
    OK(bitcask_compare_and_swap_ttl(db, S("a"), true, S("2"), S("4"), HOUR, BITCASK_WRITE_DEFAULT, &swapped, &error));
    CHECK(!swapped && has(db, "a", "3"));
    OK(bitcask_compare_and_swap_ttl(db, S("a"), true, S("3"), S("4"), HOUR, BITCASK_WRITE_SYNC, &swapped, &error));
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(swapped && about_an_hour(left));
    OK(bitcask_fetch_add_ttl(db, S("n"), 5, HOUR, BITCASK_WRITE_DEFAULT, &before, &error));
    OK(bitcask_fetch_add_ttl(db, S("n"), 5, HOUR, BITCASK_WRITE_DEFAULT, NULL, &error));
    OK(bitcask_ttl(db, S("n"), &left, &error));
    CHECK(before == 0 && about_an_hour(left));
    OK(bitcask_close(db, &error));
}

static void batches_and_transactions(void) {
    bitcask_db *db = open_store("batches");
    uint64_t left = 0;
    bool flag = false;
    put(db, "plain", "1");
    bitcask_batch *batch = NULL;
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put_ttl(batch, S("a"), S("2"), HOUR, &error));
    OK(bitcask_batch_expire(batch, S("plain"), HOUR, &flag, &error));
    CHECK(flag);
    OK(bitcask_batch_expire(batch, S("none"), HOUR, &flag, &error));
    CHECK(!flag);
    OK(bitcask_batch_ttl(batch, S("plain"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_batch_persist(batch, S("plain"), &flag, &error));
    CHECK(flag);
    OK(bitcask_batch_ttl(batch, S("plain"), &left, &error));
    CHECK(left == BITCASK_NO_EXPIRY);
    OK(bitcask_batch_put_ttl(batch, S("b"), S("2"), HOUR, &error));
    OK(bitcask_batch_put_ttl(batch, S("b"), S("2"), 0, &error));
    OUTCOME(bitcask_batch_ttl(batch, S("b"), &left, &error), BITCASK_NOT_FOUND);
    OK(bitcask_batch_commit(batch, BITCASK_WRITE_DEFAULT, &error));
    OUTCOME(bitcask_batch_put_ttl(batch, S("a"), S("2"), HOUR, &error), BITCASK_BATCH_FINISHED);
    bitcask_batch_free(batch);
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(about_an_hour(left));

    bitcask_txn *txn = NULL;
    OK(bitcask_txn_new(db, &txn, &error));
    OK(bitcask_txn_ttl(txn, S("a"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_txn_persist(txn, S("a"), &flag, &error));
    CHECK(flag);
    OK(bitcask_txn_expire(txn, S("plain"), HOUR, &flag, &error));
    CHECK(flag);
    OK(bitcask_txn_put_ttl(txn, S("c"), S("3"), HOUR, &error));
    OK(bitcask_txn_put_ttl(txn, S("d"), S("3"), 0, &error));
    OUTCOME(bitcask_txn_ttl(txn, S("d"), &left, &error), BITCASK_NOT_FOUND);
    put(db, "a", "changed");
    OUTCOME(bitcask_txn_commit(txn, BITCASK_WRITE_DEFAULT, NULL, &error), BITCASK_CONFLICT);
    OUTCOME(bitcask_txn_put_ttl(txn, S("c"), S("3"), HOUR, &error), BITCASK_TRANSACTION_FINISHED);
    bitcask_txn_free(txn);
    OK(bitcask_txn_new(db, &txn, &error));
    OK(bitcask_txn_expire(txn, S("a"), HOUR, NULL, &error));
    OK(bitcask_txn_commit(txn, BITCASK_WRITE_DEFAULT, NULL, &error));
    bitcask_txn_free(txn);
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_close(db, &error));
}

static int answered;

static void answer(void *user_data, int32_t status, uint64_t seq, bool existed, const bitcask_error *error) {
    (void)error;
    CHECK(status == BITCASK_OK && seq > 0 && !existed && user_data == &answered);
    __atomic_store_n(&answered, 1, __ATOMIC_RELEASE);
}

static void loads_queued_writes_and_ages(void) {
    bitcask_db *db = open_store("others");
    uint64_t left = 0, number = 0;
    bitcask_bulk *bulk = NULL;
    OK(bitcask_bulk_new(db, BITCASK_BULK_DEFAULT, &bulk, &error));
    OK(bitcask_bulk_put_ttl(bulk, S("a"), S("1"), HOUR, &error));
    OUTCOME(bitcask_bulk_put_ttl(bulk, S("b"), S("1"), 0, &error), BITCASK_INVALID_ARGUMENT);
    OK(bitcask_bulk_put(bulk, S("c"), S("1"), &error));
    OK(bitcask_bulk_finish(bulk, &error));
    OUTCOME(bitcask_bulk_put_ttl(bulk, S("d"), S("1"), HOUR, &error), BITCASK_BATCH_FINISHED);
    bitcask_bulk_free(bulk);
    OK(bitcask_ttl(db, S("a"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_put_ttl_async(db, S("q"), S("2"), HOUR, BITCASK_WRITE_DEFAULT, answer, &answered, &error));
    while (!__atomic_load_n(&answered, __ATOMIC_ACQUIRE)) {
        past(1);
    }
    OK(bitcask_ttl(db, S("q"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_close(db, &error));

    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_expiry(options, HOUR, &error));
    db = NULL;
    OK(bitcask_open(in_dir("others"), options, &db, &error));
    OK(bitcask_ttl(db, S("c"), &left, &error));
    CHECK(about_an_hour(left));
    OK(bitcask_close(db, &error));
    OK(bitcask_options_set_expiry(options, 1, &error));
    OK(bitcask_open(in_dir("others"), options, &db, &error));
    past(5);
    OUTCOME(bitcask_contains(db, S("c"), &error), BITCASK_NOT_FOUND);
    OK(bitcask_contains(db, S("a"), &error));
    OK(bitcask_close(db, &error));
    OK(bitcask_options_set_expiry(options, 0, &error));
    OK(bitcask_open(in_dir("others"), options, &db, &error));
    OK(bitcask_ttl(db, S("c"), &left, &error));
    CHECK(left == BITCASK_NO_EXPIRY);
    OK(bitcask_sweep_expired(db, &number, &error));
    CHECK(number == 0);
    OK(bitcask_close(db, &error));
    bitcask_options_free(options);
}

static void misuse(void) {
    bitcask_db *db = open_store("misuse");
    uint64_t left = 0;
    bool found = false;
    OUTCOME(bitcask_ttl(NULL, S("a"), &left, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_ttl(db, S("a"), NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_ttl(db, NULL, 0, &left, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_put_ttl(db, NULL, 1, S("v"), 1, 0, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_put_ttl(db, S("a"), S("v"), 1, 0x80, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_put_if_absent_ttl(db, S("a"), S("v"), 1, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_put_ttl_async(db, S("a"), S("v"), 1, 0, NULL, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_expire(NULL, S("a"), 1, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_put_seq_ttl(db, S("a"), S("v"), 1, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_compare_and_swap_ttl(db, S("a"), false, NULL, 0, NULL, 1, 1, 0, &found, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_compare_and_swap_ttl(db, S("a"), false, NULL, 0, S("v"), 1, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_fetch_add_ttl(NULL, S("a"), 1, 1, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    /* A plain write does not look at what it replaces. */
    OUTCOME(bitcask_put(db, S("a"), S("v"), BITCASK_WRITE_KEEP_EXPIRY, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_put_seq_ttl(db, S("a"), S("v"), 1, BITCASK_WRITE_KEEP_EXPIRY, &left, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_delete(db, S("a"), BITCASK_WRITE_KEEP_EXPIRY, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_put_ttl_async(db, S("a"), S("v"), 1, BITCASK_WRITE_KEEP_EXPIRY, answer, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_persist(NULL, S("a"), 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_batch_ttl(NULL, S("a"), &left, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_txn_ttl(NULL, S("a"), &left, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_bulk_put_ttl(NULL, S("a"), S("v"), 1, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_options_set_expiry(NULL, 1, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
}

int main(void) {
    begin();
    single_keys();
    changes();
    batches_and_transactions();
    loads_queued_writes_and_ages();
    misuse();
    return end("expiry");
}
