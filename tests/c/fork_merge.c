/* fork beside a merge in the background: the child has no such thread, waits for none and merges nothing; the parent's goes on. */
#include "check.h"

#include <signal.h>

enum { KEYS = 300, ROUNDS = 30 };

static bitcask_db *db;

static bitcask_db *open_merging(const char *name, uint64_t rate) {
    bitcask_options *options = bitcask_options_new();
    bitcask_db *opened = NULL;
    OK(bitcask_options_set_max_file_size(options, 16384, &error));
    OK(bitcask_options_set_durability(options, BITCASK_DURABILITY_NONE, &error));
    OK(bitcask_options_set_frag_merge_trigger(options, 30, &error));
    OK(bitcask_options_set_frag_threshold(options, 10, &error));
    OK(bitcask_options_set_small_file_threshold(options, 0, &error));
    OK(bitcask_options_set_merge_bytes_per_second(options, rate, &error));
    OK(bitcask_open(in_dir(name), options, &opened, &error));
    bitcask_options_free(options);
    return opened;
}

static uint64_t figure(size_t which) {
    uint64_t figures[BITCASK_STAT_COUNT] = {0};
    size_t count = 0;
    OK(bitcask_stats(db, figures, BITCASK_STAT_COUNT, &count, &error));
    return figures[which];
}

static void moment(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void write_round(int round) {
    char key[32], value[200];
    for (int n = 0; n < KEYS; n++) {
        int key_len = snprintf(key, sizeof key, "key %d", n);
        int len = snprintf(value, sizeof value, "%150d", n * 1000 + round);
        OK(bitcask_put(db, (const uint8_t *)key, (size_t)key_len, (const uint8_t *)value, (size_t)len, 0, &error));
    }
}

static void check_contents(int round) {
    char key[32], value[200];
    uint8_t buf[200];
    for (int n = 0; n < KEYS; n++) {
        size_t len = 0;
        int key_len = snprintf(key, sizeof key, "key %d", n);
        snprintf(value, sizeof value, "%150d", n * 1000 + round);
        OK(bitcask_get_into(db, (const uint8_t *)key, (size_t)key_len, buf, sizeof buf, &len, &error));
        CHECK(len == 150 && memcmp(buf, value, len) == 0);
    }
    uint64_t keys = 0;
    OK(bitcask_len(db, &keys, &error));
    CHECK(keys == KEYS);
}

/* Ended by a signal if it waits for what never comes. */
static void in_child(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        checks = failures = 0;
        alarm(60);
        bitcask_merge_report *report = NULL;
        uint64_t figures[1];
        size_t count;
        OUTCOME(bitcask_last_background_merge(db, NULL, &report, NULL, &error), BITCASK_FORKED);
        OUTCOME(bitcask_merge(db, NULL, &report, &error), BITCASK_FORKED);
        OUTCOME(bitcask_resume_merge(db, &error), BITCASK_FORKED);
        OUTCOME(bitcask_stats(db, figures, 1, &count, &error), BITCASK_FORKED);
        OUTCOME(bitcask_close(db, &error), BITCASK_FORKED);
        CHECK(report == NULL);
        fflush(NULL);
        _exit(failures > 0 ? 1 : 0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* It is in the midst of a merge that takes hours. */
static void beside_a_slow_one(void) {
    db = open_merging("slow", 1);
    write_round(0);
    write_round(1);
    while (figure(BITCASK_STAT_MERGING_IN_BACKGROUND) == 0) {
        moment();
    }
    for (int i = 0; i < 5; i++) {
        in_child();
        CHECK(figure(BITCASK_STAT_MERGING_IN_BACKGROUND) == 1 && figure(BITCASK_STAT_BACKGROUND_MERGES) == 0);
    }
    check_contents(1);
    OK(bitcask_close(db, &error));
    db = open_merging("slow", 0);
    check_contents(1);
    OK(bitcask_close(db, &error));
}

/* At any moment of merges that run as fast as they can. Not under AddressSanitizer: a child may find that one's own allocator locked, for ever. */
static void beside_fast_ones(void) {
#ifdef __SANITIZE_ADDRESS__
    return;
#endif
    db = open_merging("fast", 0);
    for (int round = 0; round < ROUNDS; round++) {
        write_round(round);
        in_child();
        check_contents(round);
    }
    while (figure(BITCASK_STAT_BACKGROUND_MERGES) == 0) {
        moment();
    }
    CHECK(figure(BITCASK_STAT_BACKGROUND_MERGE_FAILURES) == 0);
    check_contents(ROUNDS - 1);
    OK(bitcask_close(db, &error));
    db = open_merging("fast", 1);
    check_contents(ROUNDS - 1);
    /* What two had merged would be there twice. */
    bitcask_files *files = NULL;
    size_t count = 0, known = 0;
    uint64_t figures[BITCASK_FILE_COUNT] = {0}, live = 0;
    OK(bitcask_recount(db, &files, &count, &error));
    for (size_t i = 0; i < count; i++) {
        STATUS(bitcask_files_figures(files, i, figures, BITCASK_FILE_COUNT, &known), BITCASK_OK);
        live += figures[BITCASK_FILE_LIVE_RECORDS];
    }
    CHECK(live == KEYS);
    bitcask_files_free(files);
    OK(bitcask_close(db, &error));
}

int main(void) {
    begin();
    beside_a_slow_one();
    beside_fast_ones();
    return end("fork_merge");
}
