/* Sequence numbers, waiting for a commit to be durable, and writes whose outcome a callback gets. */
#include "check.h"

#include <pthread.h>

enum { WRITES = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int calls, ok_calls, closed_calls, hold;
static uint64_t last;
static int seen[WRITES];
static bitcask_db *to_write_to;

static void on_written(void *user_data, int32_t status, uint64_t seq, bool existed, const bitcask_error *error) {
    pthread_mutex_lock(&lock);
    calls++;
    CHECK((status == BITCASK_OK) == (error == NULL));
    if (status == BITCASK_OK) {
        ok_calls++;
        CHECK(seq >= last);
        last = seq;
    } else {
        closed_calls += status == BITCASK_CLOSED;
        CHECK(seq == 0 && !existed);
        CHECK(bitcask_error_status(error) == status && strlen(bitcask_error_message(error)) > 0);
    }
    if (user_data != NULL) {
        ++*(int *)user_data;
    }
    pthread_cond_broadcast(&told);
    while (hold) {
        pthread_cond_wait(&told, &lock);
    }
    pthread_mutex_unlock(&lock);
}

/* Writes again from the callback, and closes the store there. */
static void on_written_goes_on(void *user_data, int32_t status, uint64_t seq, bool existed, const bitcask_error *error) {
    STATUS(status, BITCASK_OK);
    CHECK(seq > 0 && !existed && error == NULL);
    bool durable = false;
    OK(bitcask_put(to_write_to, S("from a callback"), S("1"), 0, &error));
    OK(bitcask_wait_durable(to_write_to, seq, 1, &durable, &error));
    CHECK(durable);
    OK(bitcask_put_async(to_write_to, S("queued and refused"), S("2"), 0, on_written, NULL, &error));
    OK(bitcask_close(to_write_to, &error));
    on_written(user_data, status, seq, existed, error);
}

static void wait_for(int count) {
    pthread_mutex_lock(&lock);
    while (calls < count) {
        pthread_cond_wait(&told, &lock);
    }
    pthread_mutex_unlock(&lock);
}

static void set_hold(int value) {
    pthread_mutex_lock(&lock);
    hold = value;
    pthread_cond_broadcast(&told);
    pthread_mutex_unlock(&lock);
}

static void start_again(void) {
    pthread_mutex_lock(&lock);
    calls = ok_calls = closed_calls = 0;
    last = 0;
    pthread_mutex_unlock(&lock);
}

static void *closes(void *db) {
    OK(bitcask_close(db, &error));
    return NULL;
}

static bitcask_db *open_with(int32_t durability) {
    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_durability(options, durability, &error));
    bitcask_db *db = NULL;
    OK(bitcask_open(in_dir("durable"), options, &db, &error));
    bitcask_options_free(options);
    return db;
}

static void numbers(void) {
    bitcask_db *db = open_with(BITCASK_DURABILITY_NONE);
    uint64_t seq = 9, durable = 9;
    bool there = false;
    OK(bitcask_last_seq(db, &seq, &error));
    CHECK(seq == 0);
    OK(bitcask_put_seq(db, S("a"), S("1"), 0, &seq, &error));
    CHECK(seq == 1);
    OK(bitcask_delete_seq(db, S("missing"), 0, &there, &seq, &error));
    CHECK(!there && seq == 1);
    OK(bitcask_delete_seq(db, S("a"), 0, NULL, &seq, &error));
    CHECK(seq == 2);
    bitcask_batch *batch = NULL;
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put(batch, S("b"), S("2"), &error));
    OK(bitcask_batch_commit_seq(batch, 0, &seq, &error));
    CHECK(seq == 3);
    OUTCOME(bitcask_batch_commit_seq(batch, 0, &seq, &error), BITCASK_BATCH_FINISHED);
    bitcask_batch_free(batch);
    OK(bitcask_durable_seq(db, &durable, &error));
    CHECK(durable == 0);
    OK(bitcask_wait_durable(db, 2, BITCASK_NO_TIMEOUT, NULL, &error));
    OK(bitcask_durable_seq(db, &durable, &error));
    CHECK(durable == 3);
    OK(bitcask_put_seq(db, S("c"), S("3"), 0, &seq, &error));
    there = false;
    OK(bitcask_wait_durable(db, seq, 60 * 1000, &there, &error));
    CHECK(there);
    OUTCOME(bitcask_wait_durable(db, seq + 1, 0, &there, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_wait_durable(db, seq, -2, &there, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_wait_durable(db, seq, 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_put_seq(db, S("c"), S("3"), 0, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_last_seq(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_durable_seq(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_wait_durable(db, seq, 0, &there, &error), BITCASK_INVALID_HANDLE);
}

static void each_is_called_once(void) {
    bitcask_db *db = open_with(BITCASK_DURABILITY_ALWAYS);
    char key[16];
    for (int n = 0; n < WRITES; n++) {
        snprintf(key, sizeof key, "k%d", n);
        OK(bitcask_put_async(db, (uint8_t *)key, strlen(key), S("value"), 0, on_written, &seen[n], &error));
        memset(key, '#', sizeof key);
    }
    OK(bitcask_delete_async(db, S("k0"), 0, on_written, NULL, &error));
    bitcask_batch *batch = NULL;
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_batch_put(batch, S("batch"), S("2"), &error));
    OK(bitcask_batch_commit_async(batch, BITCASK_WRITE_SYNC, on_written, NULL, &error));
    OUTCOME(bitcask_batch_commit_async(batch, 0, on_written, NULL, &error), BITCASK_BATCH_FINISHED);
    bitcask_batch_free(batch);
    wait_for(WRITES + 2);
    CHECK(ok_calls == WRITES + 2);
    for (int n = 0; n < WRITES; n++) {
        CHECK(seen[n] == 1);
    }
    STATUS(bitcask_contains(db, S("k0"), NULL), BITCASK_NOT_FOUND);
    STATUS(bitcask_contains(db, S("k1"), NULL), BITCASK_OK);
    STATUS(bitcask_contains(db, S("batch"), NULL), BITCASK_OK);
    uint64_t durable = 0;
    OK(bitcask_durable_seq(db, &durable, &error));
    CHECK(durable == last);

    /* Refused at once: never called. */
    OUTCOME(bitcask_put_async(db, S("k"), S("v"), 0, NULL, NULL, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_put_async(db, NULL, 0, S("v"), 0, on_written, NULL, &error), BITCASK_KEY_EMPTY);
    OUTCOME(bitcask_delete_async(db, S("k"), 77, on_written, NULL, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_batch_commit_async(NULL, 0, on_written, NULL, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_put_async(db, S("k"), S("v"), 0, on_written, NULL, &error), BITCASK_INVALID_HANDLE);
    CHECK(calls == WRITES + 2);
}

static void what_is_queued_at_close_is_told(void) {
    start_again();
    bitcask_db *db = open_with(BITCASK_DURABILITY_NONE);
    set_hold(1);
    OK(bitcask_put_async(db, S("first"), S("1"), 0, on_written, NULL, &error));
    wait_for(1);
    for (int n = 0; n < 10; n++) {
        OK(bitcask_put_async(db, S("later"), S("2"), 0, on_written, NULL, &error));
    }
    pthread_t closer;
    CHECK(pthread_create(&closer, NULL, closes, db) == 0);
    /* The callback still holds the thread. What the store takes meanwhile is told of too. */
    while (bitcask_put_async(db, S("too late"), S("3"), 0, on_written, NULL, NULL) == BITCASK_OK) {
    }
    set_hold(0);
    CHECK(pthread_join(closer, NULL) == 0);
    CHECK(calls >= 11 && ok_calls >= 1 && ok_calls + closed_calls == calls);
    db = open_with(BITCASK_DURABILITY_NONE);
    STATUS(bitcask_contains(db, S("first"), NULL), BITCASK_OK);
    OK(bitcask_close(db, &error));
}

static void a_callback_may_write_and_close(void) {
    start_again();
    to_write_to = open_with(BITCASK_DURABILITY_NONE);
    OK(bitcask_put_async(to_write_to, S("start"), S("1"), 0, on_written_goes_on, NULL, &error));
    wait_for(2);
    CHECK(ok_calls == 1 && closed_calls == 1);
    bitcask_db *db = open_with(BITCASK_DURABILITY_NONE);
    STATUS(bitcask_contains(db, S("from a callback"), NULL), BITCASK_OK);
    STATUS(bitcask_contains(db, S("queued and refused"), NULL), BITCASK_NOT_FOUND);
    OK(bitcask_close(db, &error));
}

int main(void) {
    begin();
    numbers();
    each_is_called_once();
    what_is_queued_at_close_is_told();
    a_callback_may_write_and_close();
    return end("durable");
}
