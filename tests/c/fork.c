/* fork: a child's calls on its parent's objects give FORKED and touch nothing; the parent goes on. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static bitcask_db *db;
static long owner;
static bitcask_batch *batch;
static bitcask_bulk *bulk;
static bitcask_iter *iter;
static bitcask_value *value;
static bitcask_values *values;
static const bitcask_lookup *lookups;

/* Runs checks in a child process and counts its failures here. */
static void in_child(void (*run)(void)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        checks = failures = 0;
        run();
        fflush(NULL);
        _exit(failures > 0 ? 1 : 0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void locked(void) {
    bitcask_db *other = NULL;
    bitcask_error *error = NULL;
    char pid[32];
    STATUS(bitcask_open(in_dir("fork"), NULL, &other, &error), BITCASK_LOCKED);
    snprintf(pid, sizeof pid, "%ld", owner);
    CHECK(strstr(bitcask_error_message(error), pid) != NULL);
    bitcask_error_free(error);
}

static void forked_calls(void) {
    bitcask_value *other = NULL;
    bitcask_batch *new_batch = NULL;
    bitcask_bulk *new_bulk = NULL;
    bitcask_iter *new_iter = NULL;
    const bitcask_entry *entries;
    bitcask_entry entry;
    const uint8_t *data;
    uint8_t buf[8];
    size_t len;
    uint64_t number;
#define F(call) OUTCOME(call, BITCASK_FORKED)
    F(bitcask_put(db, S("k"), S("child"), 0, &error));
    F(bitcask_delete(db, S("k"), 0, NULL, &error));
    F(bitcask_contains(db, S("k"), &error));
    F(bitcask_get(db, S("k"), &other, &error));
    F(bitcask_get_into(db, S("k"), buf, 8, &len, &error));
    F(bitcask_value_size(db, S("k"), &number, &error));
    const bitcask_lookup *found = NULL;
    bitcask_values *own = bitcask_values_new();
    F(bitcask_multi_get(db, (const uint8_t *const[]){(const uint8_t *)"k"}, (const size_t[]){1}, 1, values, &found, &error));
    F(bitcask_multi_get(db, (const uint8_t *const[]){(const uint8_t *)"k"}, (const size_t[]){1}, 1, own, &found, &error));
    F(bitcask_multi_get_packed(db, S("k"), (const size_t[]){1}, 1, own, &found, &error));
    F(bitcask_first(db, &other, &entry, &error));
    F(bitcask_last(db, &other, &entry, &error));
    F(bitcask_count(db, NULL, &number, &error));
    F(bitcask_random_key(db, &other, &error));
    bitcask_values_free(own);
    CHECK(found == NULL && other == NULL);
    F(bitcask_len(db, &number, &error));
    F(bitcask_sync(db, &error));
    F(bitcask_stats(db, &number, 1, &len, &error));
    bitcask_files *files = NULL;
    F(bitcask_merge(db, NULL, NULL, &error));
    F(bitcask_merge_needed(db, NULL, &error));
    F(bitcask_pause_merge(db, &error));
    F(bitcask_resume_merge(db, &error));
    F(bitcask_file_stats(db, &files, &len, &error));
    F(bitcask_recount(db, &files, &len, &error));
    CHECK(files == NULL);
    F(bitcask_batch_new(db, &new_batch, &error));
    F(bitcask_iter_new(db, NULL, &new_iter, &error));
    F(bitcask_batch_put(batch, S("k"), S("child"), &error));
    F(bitcask_batch_delete(batch, S("k"), &error));
    F(bitcask_batch_clear(batch, &error));
    F(bitcask_batch_len(batch, &len, &error));
    F(bitcask_batch_commit(batch, 0, &error));
    F(bitcask_bulk_new(db, 0, &new_bulk, &error));
    F(bitcask_bulk_put(bulk, S("k"), S("child"), &error));
    F(bitcask_bulk_finish(bulk, &error));
    F(bitcask_iter_next(iter, &entry, &error));
    F(bitcask_iter_next_page(iter, 1, 1, &entries, &len, &error));
    F(bitcask_iter_seek(iter, S("k"), &error));
    F(bitcask_iter_rewind(iter, &error));
#undef F
    STATUS(bitcask_value_bytes(value, &data, &len), BITCASK_OK);
    CHECK(len == 1 && data[0] == 'v');
    CHECK(lookups[0].len == 1 && lookups[0].data[0] == 'v');
    locked();
}

static void frees_everything(void) {
    forked_calls();
    bitcask_value_free(value);
    bitcask_values_free(values);
    bitcask_iter_free(iter);
    bitcask_batch_free(batch);
    bitcask_bulk_free(bulk);
    OUTCOME(bitcask_close(db, &error), BITCASK_FORKED);
    OUTCOME(bitcask_close(db, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_put(db, S("k"), S("child"), 0, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_batch_len(batch, &(size_t){0}, &error), BITCASK_INVALID_HANDLE);
    locked();
}

static void opens_and_closes(void) {
    bitcask_db *own = open_store("child");
    put(own, "k", "child's");
    OK(bitcask_close(own, &error));
}

static void opens_its_own(void) {
    opens_and_closes();
    forked_calls();
    /* A parent's object for many values may be used with the child's own store: it belongs to none. */
    bitcask_db *own = open_store("child");
    const bitcask_lookup *found = NULL;
    OK(bitcask_multi_get_packed(own, S("k"), (const size_t[]){1}, 1, values, &found, &error));
    CHECK(found[0].len == 7 && memcmp(found[0].data, "child's", 7) == 0);
    OK(bitcask_close(own, &error));
}

static void grandchild(void) {
    forked_calls();
    in_child(forked_calls);
    in_child(frees_everything);
}

static void parent_works(void) {
    put(db, "after", "fork");
    CHECK(has(db, "k", "v") && has(db, "after", "fork"));
    OK(bitcask_batch_put(batch, S("b"), S("1"), &error));
    OK(bitcask_iter_rewind(iter, &error));
    OK(bitcask_iter_next(iter, &(bitcask_entry){0}, &error));
    OK(bitcask_sync(db, &error));
    CHECK(lookups[0].len == 1 && lookups[0].data[0] == 'v');
}

static int busy;

/* In the middle of anything when the fork comes. */
static void *keeps_busy(void *argument) {
    char key[32];
    for (int n = 0; __atomic_load_n(&busy, __ATOMIC_SEQ_CST); n++) {
        bitcask_value *read = NULL;
        bitcask_batch *own = NULL;
        snprintf(key, sizeof key, "busy %zu %d", (size_t)argument, n % 1000);
        put(db, key, "value");
        OK(bitcask_get(db, S("k"), &read, &error));
        bitcask_value_free(read);
        OK(bitcask_batch_new(db, &own, &error));
        OK(bitcask_batch_put(own, S("shared"), S("v"), &error));
        OK(bitcask_batch_commit(own, 0, &error));
        bitcask_batch_free(own);
    }
    return NULL;
}

/* A child must not wait for a thread that it doesn't have: it is ended if it takes long. */
static void frees_everything_at_once(void) {
    alarm(60);
    frees_everything();
    opens_and_closes();
}

/* Not under AddressSanitizer: a child may find that one's own allocator locked, for ever. The C library's is not. */
static void busy_parent(void) {
#ifdef __SANITIZE_ADDRESS__
    return;
#endif
    pthread_t threads[3];
    __atomic_store_n(&busy, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_create(&threads[i], NULL, keeps_busy, (void *)i) == 0);
    }
    for (int i = 0; i < 40; i++) {
        in_child(frees_everything_at_once);
    }
    __atomic_store_n(&busy, 0, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* A child that does nothing but live. It has begun when this returns. */
static pid_t bystander(void) {
    int fds[2];
    char byte = 0;
    CHECK(pipe(fds) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        CHECK(write(fds[1], &byte, 1) == 1);
        for (;;) {
            pause();
        }
    }
    CHECK(child > 0 && read(fds[0], &byte, 1) == 1);
    close(fds[0]);
    close(fds[1]);
    return child;
}

static void end_of(pid_t process) {
    CHECK(kill(process, SIGKILL) == 0);
    waitpid(process, NULL, 0); /* fails for a grandchild, which is not ours to wait for */
}

/* A child that was forked while the store was open does not keep it locked: neither when its parent closes it... */
static void closed_beside_a_child(void) {
    bitcask_db *own = open_store("beside");
    pid_t child = bystander();
    OK(bitcask_close(own, &error));
    own = open_store("beside");
    OK(bitcask_close(own, &error));
    end_of(child);
}

/* ...nor when its parent is killed. */
static void killed_beside_a_child(void) {
    int fds[2];
    CHECK(pipe(fds) == 0);
    fflush(NULL);
    pid_t holder = fork();
    if (holder == 0) {
        put(open_store("orphan"), "k", "v");
        pid_t child = bystander();
        CHECK(write(fds[1], &child, sizeof child) == (ssize_t)sizeof child);
        raise(SIGKILL);
    }
    CHECK(holder > 0 && waitpid(holder, NULL, 0) == holder);
    pid_t child = 0;
    CHECK(read(fds[0], &child, sizeof child) == (ssize_t)sizeof child);
    close(fds[0]);
    close(fds[1]);
    bitcask_db *own = open_store("orphan");
    CHECK(has(own, "k", "v"));
    OK(bitcask_close(own, &error));
    end_of(child);
}

int main(void) {
    begin();
    owner = (long)getpid();
    db = open_store("fork");
    put(db, "k", "v");
    OK(bitcask_batch_new(db, &batch, &error));
    OK(bitcask_iter_new(db, NULL, &iter, &error));
    OK(bitcask_get(db, S("k"), &value, &error));
    values = bitcask_values_new();
    OK(bitcask_multi_get_packed(db, S("k"), (const size_t[]){1}, 1, values, &lookups, &error));
    /* Larger than what stays in memory: its files are the parent's. */
    static uint8_t large[20 << 20];
    OK(bitcask_bulk_new(db, BITCASK_BULK_SYNC, &bulk, &error));
    OK(bitcask_bulk_put(bulk, S("large"), large, sizeof large, &error));

    void (*children[])(void) = {forked_calls, frees_everything, opens_its_own, grandchild, locked};
    for (int i = 0; i < 5; i++) {
        in_child(children[i]);
        parent_works();
        in_child(locked);
    }
    busy_parent();
    parent_works();
    OK(bitcask_batch_commit(batch, BITCASK_WRITE_SYNC, &error));
    OK(bitcask_bulk_put(bulk, S("loaded"), S("v"), &error));
    OK(bitcask_bulk_finish(bulk, &error));
    OK(bitcask_close(db, &error));
    db = open_store("fork");
    CHECK(has(db, "k", "v") && has(db, "b", "1") && has(db, "after", "fork"));
    CHECK(has(db, "loaded", "v"));
    OK(bitcask_contains(db, S("large"), &error));
    OK(bitcask_close(db, &error));
    bitcask_value_free(value);
    bitcask_iter_free(iter);
    bitcask_batch_free(batch);
    bitcask_bulk_free(bulk);
    bitcask_values_free(values);
    closed_beside_a_child();
    killed_beside_a_child();
    return end("fork");
}
