/* Threads: readers and writers of one store, one that closes it under them, and two in one batch or iterator. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 4 };

static bitcask_db *db;
static bitcask_batch *batch;
static bitcask_iter *iter;
static bitcask_value *value;
static int running, rounds = 300;

static void start(pthread_t *threads, void *(*run)(void *)) {
    __atomic_store_n(&running, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    }
}

static void join(pthread_t *threads) {
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* Each thread writes its own keys and reads everybody's. */
static void *reads_and_writes(void *argument) {
    size_t own = (size_t)argument;
    char key[32], text[32];
    for (int n = 0; n < rounds; n++) {
        snprintf(key, sizeof key, "%zu/%d", own, n);
        snprintf(text, sizeof text, "value of %zu/%d", own, n);
        put(db, key, text);
        CHECK(has(db, key, text));
        bitcask_value *read = NULL;
        snprintf(key, sizeof key, "%zu/%d", (own + 1) % THREADS, n);
        bitcask_error *error = NULL;
        int32_t status = bitcask_get(db, (const uint8_t *)key, strlen(key), &read, &error);
        CHECK(status == BITCASK_OK || status == BITCASK_NOT_FOUND);
        if (status == BITCASK_OK) {
            const uint8_t *data;
            size_t len;
            STATUS(bitcask_value_bytes(read, &data, &len), BITCASK_OK);
            CHECK(len > 9 && memcmp(data, "value of ", 9) == 0 && memcmp(data + 9, key, len - 9) == 0);
            bitcask_value_free(read);
        }
        bitcask_error_free(error);
        if (n % 16 == 0) {
            bitcask_batch *own_batch = NULL;
            OK(bitcask_batch_new(db, &own_batch, &error));
            OK(bitcask_batch_put(own_batch, S("shared"), (const uint8_t *)text, strlen(text), &error));
            OK(bitcask_batch_commit(own_batch, 0, &error));
            bitcask_batch_free(own_batch);
        }
        if (n % 64 == 0) {
            bitcask_iter *own_iter = NULL;
            bitcask_entry entry, last = {0};
            char last_key[32] = "";
            OK(bitcask_iter_new(db, NULL, &own_iter, &error));
            while (bitcask_iter_next(own_iter, &entry, NULL) == BITCASK_OK) {
                CHECK(entry.key_len < sizeof last_key && (last.key_len == 0 || memcmp(last_key, entry.key, last.key_len < entry.key_len ? last.key_len : entry.key_len) <= 0));
                memcpy(last_key, entry.key, entry.key_len);
                last.key_len = entry.key_len;
            }
            bitcask_iter_free(own_iter);
        }
    }
    return NULL;
}

static int may_be(int32_t status, const int32_t *allowed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (status == allowed[i]) {
            return 1;
        }
    }
    fprintf(stderr, "unexpected: %s\n", bitcask_status_name(status));
    return 0;
}
#define MAY_BE(call, ...) \
    CHECK(may_be((call), (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)))

/* Anything at any time while another thread closes and frees: only these statuses. */
static void *until_closed(void *argument) {
    size_t own = (size_t)argument;
    uint8_t buf[64];
    size_t len;
    while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
        bitcask_value *read = NULL;
        bitcask_batch *own_batch = NULL;
        bitcask_iter *own_iter = NULL;
        bitcask_entry entry;
        MAY_BE(bitcask_get_into(db, S("k"), buf, sizeof buf, &len, NULL), BITCASK_OK, BITCASK_CLOSED, BITCASK_INVALID_HANDLE);
        MAY_BE(bitcask_get(db, S("k"), &read, NULL), BITCASK_OK, BITCASK_CLOSED, BITCASK_INVALID_HANDLE);
        bitcask_value_free(read);
        MAY_BE(bitcask_put(db, S("k2"), S("v"), 0, NULL), BITCASK_OK, BITCASK_CLOSED, BITCASK_INVALID_HANDLE);
        MAY_BE(bitcask_batch_new(db, &own_batch, NULL), BITCASK_OK, BITCASK_CLOSED, BITCASK_INVALID_HANDLE);
        if (own_batch != NULL) {
            MAY_BE(bitcask_batch_put(own_batch, S("k3"), S("v"), NULL), BITCASK_OK, BITCASK_CLOSED);
            MAY_BE(bitcask_batch_commit(own_batch, 0, NULL), BITCASK_OK, BITCASK_CLOSED);
        }
        bitcask_batch_free(own_batch);
        MAY_BE(bitcask_iter_new(db, NULL, &own_iter, NULL), BITCASK_OK, BITCASK_CLOSED, BITCASK_INVALID_HANDLE);
        if (own_iter != NULL) {
            MAY_BE(bitcask_iter_next(own_iter, &entry, NULL), BITCASK_OK, BITCASK_CLOSED);
        }
        bitcask_iter_free(own_iter);
        MAY_BE(bitcask_iter_next_page(iter, 1 + own, 100, &(const bitcask_entry *){NULL}, &len, NULL), BITCASK_OK,
               BITCASK_CLOSED, BITCASK_INVALID_HANDLE, BITCASK_INVALID_ARGUMENT);
    }
    return NULL;
}

static void *closes_too(void *argument) {
    intptr_t closed = 0;
    (void)argument;
    while (!__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
    }
    closed += bitcask_close(db, NULL) == BITCASK_OK;
    return (void *)closed;
}

static void close_race(void) {
    for (int n = 0; n < rounds / 10; n++) {
        pthread_t threads[THREADS], closers[2];
        void *first = NULL, *second = NULL;
        db = open_store("race");
        put(db, "k", "v");
        OK(bitcask_iter_new(db, NULL, &iter, &error));
        __atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
        CHECK(pthread_create(&closers[0], NULL, closes_too, NULL) == 0);
        CHECK(pthread_create(&closers[1], NULL, closes_too, NULL) == 0);
        start(threads, until_closed);
        CHECK(pthread_join(closers[0], &first) == 0 && pthread_join(closers[1], &second) == 0);
        CHECK((intptr_t)first + (intptr_t)second == 1);
        bitcask_iter_free(iter);
        __atomic_store_n(&running, 0, __ATOMIC_SEQ_CST);
        join(threads);
    }
}

/* Against the rules, and still no undefined behaviour: told, or served in turn. */
static void *two_in_one(void *argument) {
    size_t own = (size_t)argument, len;
    const uint8_t *data;
    for (int n = 0; n < rounds * 3; n++) {
        char key[16];
        snprintf(key, sizeof key, "%zu %d", own, n % 50);
        MAY_BE(bitcask_batch_put(batch, (const uint8_t *)key, strlen(key), S("v"), NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT);
        MAY_BE(bitcask_batch_len(batch, &len, NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT);
        MAY_BE(bitcask_iter_seek(iter, S("k"), NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT);
        /* Where entries point to can't be read here: another thread may be at its next call. */
        MAY_BE(bitcask_iter_next(iter, &(bitcask_entry){0}, NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT, BITCASK_NOT_FOUND);
        STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
        CHECK(len == 1 && data[0] == 'v');
    }
    return NULL;
}

/* The last part has one thread free what the others still use, so it allows for INVALID_HANDLE. */
static void *frees_meanwhile(void *argument) {
    size_t len;
    const uint8_t *data;
    (void)argument;
    for (int n = 0; n < 20; n++) {
        MAY_BE(bitcask_batch_put(batch, S("k"), S("v"), NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT, BITCASK_INVALID_HANDLE);
        MAY_BE(bitcask_iter_next(iter, &(bitcask_entry){0}, NULL), BITCASK_OK, BITCASK_INVALID_ARGUMENT, BITCASK_NOT_FOUND, BITCASK_INVALID_HANDLE);
        MAY_BE(bitcask_value_bytes(value, &data, &len), BITCASK_OK, BITCASK_INVALID_HANDLE);
    }
    bitcask_batch_free(batch);
    bitcask_iter_free(iter);
    bitcask_value_free(value);
    return NULL;
}

static void make_children(void) {
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_iter_new(db, NULL, &iter, &error));
    OK(bitcask_get(db, S("k"), &value, &error));
}

static void shared_children(void) {
    pthread_t threads[THREADS];
    db = open_store("shared");
    put(db, "k", "v");
    make_children();
    start(threads, two_in_one);
    join(threads);
    bitcask_batch_free(batch);
    bitcask_iter_free(iter);
    bitcask_value_free(value);
    for (int n = 0; n < rounds; n++) {
        make_children();
        start(threads, frees_meanwhile);
        join(threads);
    }
    OK(bitcask_close(db, &error));
}

int main(int argc, char **argv) {
    if (argc > 1) {
        rounds = atoi(argv[1]);
    }
    begin();
    pthread_t threads[THREADS];
    db = open_store("threads");
    start(threads, reads_and_writes);
    join(threads);
    uint64_t keys = 0;
    OK(bitcask_len(db, &keys, &error));
    CHECK(keys == (uint64_t)THREADS * (uint64_t)rounds + 1);
    OK(bitcask_close(db, &error));
    close_race();
    shared_children();
    return end("threads");
}
