/* A reader in another process beside a writer: it catches up. And the progress of opening, which may be stopped. */
#include "check.h"

static bitcask_db *open_with(const char *name, bitcask_options *options, int32_t want) {
    bitcask_db *db = NULL;
    OUTCOME(bitcask_open(in_dir(name), options, &db, &error), want);
    return db;
}

/* Waits for a byte from the other process. */
static void wait_for(int from) {
    char byte;
    CHECK(read(from, &byte, 1) == 1);
}

static void tell(int to) { CHECK(write(to, "x", 1) == 1); }

static void catches_up(void) {
    int down[2], up[2];
    CHECK(pipe(down) == 0 && pipe(up) == 0);
    pid_t child = fork();
    if (child == 0) {
        /* The writer. */
        bitcask_options *options = bitcask_options_new();
        OK(bitcask_options_set_max_file_size(options, 4096, &error));
        bitcask_db *db = open_with("beside", options, BITCASK_OK);
        put(db, "first", "1");
        tell(up[1]);
        wait_for(down[0]);
        char key[16], value[200];
        memset(value, 'v', sizeof value - 1);
        value[sizeof value - 1] = 0;
        for (int i = 0; i < 200; i++) {
            snprintf(key, sizeof key, "key%d", i);
            put(db, key, value);
        }
        OK(bitcask_delete(db, S("first"), 0, NULL, &error));
        tell(up[1]);
        wait_for(down[0]);
        _exit(failures == 0 ? 0 : 1); /* killed, as far as the store is concerned */
    }
    wait_for(up[0]);
    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_read_only(options, true, &error));
    bitcask_db *db = open_with("beside", options, BITCASK_OK);
    bool changed = true;
    uint64_t keys = 0;
    CHECK(has(db, "first", "1"));
    OK(bitcask_refresh(db, &changed, &error));
    CHECK(!changed);
    tell(down[1]);
    wait_for(up[0]);
    CHECK(has(db, "first", "1"));
    OK(bitcask_refresh(db, &changed, &error));
    CHECK(changed);
    CHECK(has(db, "first", NULL));
    OK(bitcask_len(db, &keys, &error));
    CHECK(keys == 200);
    tell(down[1]);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(bitcask_refresh(db, NULL, &error));
    uint64_t figures[BITCASK_REFRESH_COUNT + 1] = {7, 7, 7, 7};
    size_t count = 0;
    OK(bitcask_refresh_figures(db, figures, BITCASK_REFRESH_COUNT + 1, &count, &error));
    CHECK(count == BITCASK_REFRESH_COUNT && figures[BITCASK_REFRESH_COUNT] == 7);
    CHECK(figures[BITCASK_REFRESH_RECORDS] == 0 && figures[BITCASK_REFRESH_RELOADED] == 0);
    CHECK(figures[BITCASK_REFRESH_LAST_SEQ] == 202);
    bitcask_db *writer = open_store("beside");
    put(writer, "one", "1");
    put(writer, "two", "2");
    figures[1] = 7;
    OK(bitcask_refresh_figures(db, figures, 1, &count, &error));
    CHECK(count == BITCASK_REFRESH_COUNT && figures[1] == 7);
    CHECK(figures[BITCASK_REFRESH_RECORDS] == 2 && has(db, "two", "2"));
    put(writer, "three", "3");
    OK(bitcask_refresh_figures(db, NULL, 0, &count, &error));
    CHECK(count == BITCASK_REFRESH_COUNT && has(db, "three", "3"));
    OUTCOME(bitcask_refresh_figures(db, NULL, 1, &count, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_refresh_figures(db, figures, 1, NULL, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(writer, &error));
    OUTCOME(bitcask_refresh(NULL, &changed, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_refresh(db, &changed, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_refresh_figures(db, figures, 1, &count, &error), BITCASK_INVALID_HANDLE);

    db = open_store("beside");
    changed = true;
    OK(bitcask_refresh(db, &changed, &error));
    CHECK(!changed);
    OK(bitcask_close(db, &error));
    bitcask_options_free(options);
}

struct told {
    int calls, stop_at;
    uint64_t done, total, records;
    int32_t phase;
};

static int32_t listen(void *user_data, int32_t phase, uint64_t done, uint64_t total, uint64_t records) {
    struct told *told = user_data;
    CHECK(done >= told->done && done <= total);
    *told = (struct told){told->calls + 1, told->stop_at, done, total, records, phase};
    return told->calls == told->stop_at;
}

static void tells_progress(void) {
    bitcask_db *db = open_store("progress");
    put(db, "a", "1");
    put(db, "b", "2");
    OK(bitcask_close(db, &error));
    bitcask_options *options = bitcask_options_new();
    struct told told = {0, 1, 0, 0, 0, 0};
    OK(bitcask_options_set_index(options, BITCASK_INDEX_HASH, &error)); /* is not saved: every record is read */
    OK(bitcask_options_set_progress(options, listen, &told, &error));
    for (told.stop_at = 1; told.stop_at <= 2; told.stop_at++) {
        told.calls = 0;
        told.done = 0;
        CHECK(open_with("progress", options, BITCASK_CANCELLED) == NULL);
        CHECK(told.calls == told.stop_at);
    }
    told = (struct told){0, -1, 0, 0, 0, 0};
    db = open_with("progress", options, BITCASK_OK);
    CHECK(told.calls == 2 && told.phase == BITCASK_OPEN_FINISH && told.records == 2 && told.done == told.total);
    OK(bitcask_close(db, &error));
    OK(bitcask_options_set_progress(options, NULL, NULL, &error));
    db = open_with("progress", options, BITCASK_OK);
    CHECK(told.calls == 2);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_options_set_progress(NULL, listen, &told, &error), BITCASK_NULL_ARGUMENT);
    bitcask_options_free(options);
    OUTCOME(bitcask_options_set_progress(options, listen, &told, &error), BITCASK_INVALID_HANDLE);
}

int main(void) {
    begin();
    catches_up();
    tells_progress();
    return end("beside");
}
