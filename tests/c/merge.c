/* Merges: policy and options, reports, figures of data files, holding a merge up and stopping it, and what can't be. */
#include "check.h"

#include <pthread.h>

enum { KEYS = 400 };

static bitcask_db *open_with(const char *name, void (*choose)(bitcask_options *)) {
    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_max_file_size(options, 16384, &error));
    OK(bitcask_options_set_durability(options, BITCASK_DURABILITY_NONE, &error));
    OK(bitcask_options_set_frag_merge_trigger(options, 30, &error));
    OK(bitcask_options_set_frag_threshold(options, 10, &error));
    OK(bitcask_options_set_small_file_threshold(options, 0, &error));
    OK(bitcask_options_set_background_merge(options, false, &error));
    if (choose != NULL) {
        choose(options);
    }
    bitcask_db *db = NULL;
    OK(bitcask_open(in_dir(name), options, &db, &error));
    bitcask_options_free(options);
    return db;
}

static const char *key_of(int n) {
    static _Thread_local char key[16];
    snprintf(key, sizeof key, "key-%04d", n);
    return key;
}

static const char *value_of(int n, int round) {
    static _Thread_local char value[128];
    snprintf(value, sizeof value, "%-100d of round %d", n, round);
    return value;
}

/* Overwrites every key once, and deletes every fifth. */
static void make_garbage(bitcask_db *db) {
    for (int round = 0; round < 2; round++) {
        for (int n = 0; n < KEYS; n++) {
            put(db, key_of(n), value_of(n, round));
        }
    }
    for (int n = 0; n < KEYS; n += 5) {
        OK(bitcask_delete(db, (const uint8_t *)key_of(n), strlen(key_of(n)), 0, NULL, &error));
    }
}

static void check_contents(bitcask_db *db) {
    for (int n = 0; n < KEYS; n++) {
        CHECK(has(db, key_of(n), n % 5 == 0 ? NULL : value_of(n, 1)));
    }
}

/* The sum of a figure over all files. */
static uint64_t sum(bitcask_db *db, size_t figure, int32_t (*ask)(bitcask_db *, bitcask_files **, size_t *, bitcask_error **)) {
    bitcask_files *files = NULL;
    size_t count = 0, known = 0;
    uint64_t figures[BITCASK_FILE_COUNT], total = 0, last = 0;
    OK(ask(db, &files, &count, &error));
    for (size_t i = 0; i < count; i++) {
        STATUS(bitcask_files_figures(files, i, figures, BITCASK_FILE_COUNT, &known), BITCASK_OK);
        CHECK(known == BITCASK_FILE_COUNT && figures[BITCASK_FILE_ID] > last);
        last = figures[BITCASK_FILE_ID];
        CHECK(figures[BITCASK_FILE_CREATED_MS] > 1500000000000u && figures[BITCASK_FILE_BYTES] > 0);
        CHECK(figures[BITCASK_FILE_MIN_SEQ] <= figures[BITCASK_FILE_MAX_SEQ]);
        total += figures[figure];
    }
    bitcask_files_free(files);
    return total;
}

static void reclaims(void) {
    bitcask_db *db = open_with("reclaims", NULL);
    bitcask_merge_report *report = NULL;
    bitcask_merge_need *need = NULL;
    const uint32_t *files = NULL, *list = NULL;
    size_t needed = 0, count = 0;
    uint64_t figures[BITCASK_MERGE_COUNT + 1];
    OUTCOME(bitcask_merge_needed(db, &need, &error), BITCASK_NOT_FOUND);
    CHECK(need == NULL);
    make_garbage(db);
    CHECK(sum(db, BITCASK_FILE_LIVE_RECORDS, bitcask_file_stats) == KEYS - KEYS / 5);
    CHECK(sum(db, BITCASK_FILE_DEAD_RECORDS, bitcask_file_stats) == KEYS + KEYS / 5);
    CHECK(sum(db, BITCASK_FILE_TOMBSTONES, bitcask_recount) == KEYS / 5);
    CHECK(sum(db, BITCASK_FILE_ACTIVE, bitcask_file_stats) == 1 && sum(db, BITCASK_FILE_MERGED, bitcask_file_stats) == 0);
    const uint64_t dead = sum(db, BITCASK_FILE_DEAD_BYTES, bitcask_file_stats);

    OK(bitcask_merge_needed(db, NULL, &error));
    OK(bitcask_merge_needed(db, &need, &error));
    STATUS(bitcask_merge_need_files(need, &files, &needed), BITCASK_OK);
    CHECK(needed > 1 && strstr(bitcask_merge_need_reason(need), "data file") != NULL);
    STATUS(bitcask_merge_need_figures(need, figures, BITCASK_MERGE_NEED_COUNT, &count), BITCASK_OK);
    CHECK(count == BITCASK_MERGE_NEED_COUNT && figures[BITCASK_MERGE_NEED_IN_WINDOW] == 1);
    CHECK(figures[BITCASK_MERGE_NEED_RECLAIMABLE_BYTES] > 0 && figures[BITCASK_MERGE_NEED_RECLAIMABLE_BYTES] <= dead + KEYS * 64);

    OK(bitcask_merge(db, NULL, &report, &error));
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == needed && memcmp(list, files, needed * sizeof *list) == 0);
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_CREATED_FILES, &list, &count), BITCASK_OK);
    CHECK(count > 0 && count < needed && list[0] > files[needed - 1]);
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_SKIPPED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == 0 && list != NULL);
    CHECK(strcmp(bitcask_merge_report_reason(report, 0), "") == 0);
    STATUS(bitcask_merge_report_files(report, 3, &list, &count), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_merge_report_files(report, -1, &list, &count), BITCASK_INVALID_ARGUMENT);
    figures[BITCASK_MERGE_COUNT] = 77;
    STATUS(bitcask_merge_report_figures(report, figures, BITCASK_MERGE_COUNT + 1, &count), BITCASK_OK);
    CHECK(count == BITCASK_MERGE_COUNT && figures[BITCASK_MERGE_COUNT] == 77);
    CHECK(figures[BITCASK_MERGE_REMOVED_BYTES] > figures[BITCASK_MERGE_CREATED_BYTES]);
    CHECK(figures[BITCASK_MERGE_CREATED_BYTES] > 0 && figures[BITCASK_MERGE_DROPPED_RECORDS] > 0);
    CHECK(figures[BITCASK_MERGE_COPIED_RECORDS] == figures[BITCASK_MERGE_INSTALLED_RECORDS]);
    CHECK(figures[BITCASK_MERGE_BYTES_READ] > figures[BITCASK_MERGE_REMOVED_BYTES]);
    CHECK(figures[BITCASK_MERGE_BYTES_WRITTEN] > 0);
    /* A caller that knows fewer figures gets those, and one that asks for none the count. */
    figures[1] = 77;
    STATUS(bitcask_merge_report_figures(report, figures, 1, &count), BITCASK_OK);
    CHECK(figures[1] == 77 && count == BITCASK_MERGE_COUNT);
    STATUS(bitcask_merge_report_figures(report, NULL, 0, &count), BITCASK_OK);
    OUTCOME(bitcask_merge_needed(db, NULL, &error), BITCASK_NOT_FOUND);
    check_contents(db);
    CHECK(sum(db, BITCASK_FILE_MERGED, bitcask_file_stats) > 0);

    /* Everything, slowly enough for the limit to count and fast enough for the test. */
    bitcask_merge_options *options = bitcask_merge_options_new();
    OK(bitcask_merge_options_set_everything(options, true, &error));
    OK(bitcask_merge_options_set_bytes_per_second(options, 1 << 30, &error));
    OK(bitcask_merge(db, options, NULL, &error));
    CHECK(sum(db, BITCASK_FILE_DEAD_RECORDS, bitcask_recount) == 0);
    CHECK(sum(db, BITCASK_FILE_LIVE_RECORDS, bitcask_recount) == KEYS - KEYS / 5);
    CHECK(sum(db, BITCASK_FILE_TOMBSTONES, bitcask_recount) == 0);
    check_contents(db);
    bitcask_merge_options_free(options);
    OK(bitcask_close(db, &error));

    /* Reports outlive the store. */
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == needed && memcmp(list, files, needed * sizeof *list) == 0);
    CHECK(strlen(bitcask_merge_need_reason(need)) > 0);
    bitcask_merge_report_free(report);
    bitcask_merge_need_free(need);
    db = open_with("reclaims", NULL);
    check_contents(db);
    OK(bitcask_close(db, &error));
}

static void chosen_files(void) {
    bitcask_db *db = open_with("chosen", NULL);
    make_garbage(db);
    bitcask_merge_options *options = bitcask_merge_options_new();
    bitcask_merge_report *report = NULL;
    const uint32_t *list = NULL;
    size_t count = 0;
    OK(bitcask_merge_options_set_files(options, (const uint32_t[]){2, 1}, 2, &error));
    OK(bitcask_merge(db, options, &report, &error));
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == 2 && list[0] == 1 && list[1] == 2);
    bitcask_merge_report_free(report);
    report = NULL;
    OUTCOME(bitcask_merge(db, options, &report, &error), BITCASK_INVALID_ARGUMENT);
    CHECK(report == NULL);
    /* None are none, and not what the policy finds. */
    OK(bitcask_merge_options_set_files(options, NULL, 0, &error));
    OK(bitcask_merge(db, options, &report, &error));
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == 0);
    OK(bitcask_merge_needed(db, NULL, &error));
    check_contents(db);
    bitcask_merge_report_free(report);
    bitcask_merge_options_free(options);
    OK(bitcask_close(db, &error));
}

static void never(bitcask_options *options) {
    OK(bitcask_options_set_frag_merge_trigger(options, 1000, &error));
    OK(bitcask_options_set_frag_threshold(options, UINT32_MAX, &error));
}

static void by_bytes(bitcask_options *options) {
    never(options);
    OK(bitcask_options_set_dead_bytes_merge_trigger(options, 4096, &error));
    OK(bitcask_options_set_dead_bytes_threshold(options, 4096, &error));
}

static void at_another_hour(bitcask_options *options) {
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    /* A window that lies hours away, also if the hour turns meanwhile. */
    OK(bitcask_options_set_merge_window(options, (utc.tm_hour + 6) % 24, (utc.tm_hour + 8) % 24, &error));
}

static void policies(void) {
    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_merge_window(options, 23, 4, &error));
    OK(bitcask_options_set_merge_window(options, BITCASK_MERGE_ANY_HOUR, BITCASK_MERGE_ANY_HOUR, &error));
    OUTCOME(bitcask_options_set_merge_window(options, 0, 24, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_options_set_merge_window(options, 24, 0, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_options_set_merge_window(options, BITCASK_MERGE_ANY_HOUR, 3, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_options_set_merge_window(options, 256, 256, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_options_set_merge_window(options, -2, -2, &error), BITCASK_INVALID_ARGUMENT);
    bitcask_options_free(options);

    bitcask_db *db = open_with("policies", never);
    make_garbage(db);
    OUTCOME(bitcask_merge_needed(db, NULL, &error), BITCASK_NOT_FOUND);
    OK(bitcask_close(db, &error));
    db = open_with("policies", by_bytes);
    OK(bitcask_merge_needed(db, NULL, &error));
    OK(bitcask_close(db, &error));
    db = open_with("policies", at_another_hour);
    bitcask_merge_need *need = NULL;
    uint64_t figures[BITCASK_MERGE_NEED_COUNT];
    size_t count = 0;
    OK(bitcask_merge_needed(db, &need, &error));
    STATUS(bitcask_merge_need_figures(need, figures, BITCASK_MERGE_NEED_COUNT, &count), BITCASK_OK);
    CHECK(figures[BITCASK_MERGE_NEED_IN_WINDOW] == 0);
    bitcask_merge_need_free(need);
    OK(bitcask_close(db, &error));
}

typedef struct {
    bitcask_db *db;
    int calls, stop_at;
    uint64_t total, read;
} watch;

static int32_t watches(void *user_data, uint64_t bytes_total, uint64_t bytes_read, uint64_t bytes_written) {
    watch *at = user_data;
    /* 0 while it sweeps, before it knows. */
    CHECK(bytes_total >= at->total && bytes_read >= at->read && (bytes_written == 0 || bytes_read > 0));
    at->total = bytes_total;
    at->read = bytes_read;
    return __atomic_add_fetch(&at->calls, 1, __ATOMIC_SEQ_CST) == at->stop_at;
}

/* All that a callback may do, and what it may not. */
static int32_t uses_the_store(void *user_data, uint64_t bytes_total, uint64_t bytes_read, uint64_t bytes_written) {
    watch *at = user_data;
    (void)bytes_total, (void)bytes_read, (void)bytes_written;
    put(at->db, "from the callback", "1");
    CHECK(has(at->db, "from the callback", "1"));
    OUTCOME(bitcask_merge(at->db, NULL, NULL, &error), BITCASK_INVALID_ARGUMENT);
    at->calls++;
    return 0;
}

static bitcask_merge_options *watched(bitcask_merge_progress_fn callback, watch *at) {
    bitcask_merge_options *options = bitcask_merge_options_new();
    OK(bitcask_merge_options_set_everything(options, true, &error));
    OK(bitcask_merge_options_set_progress(options, callback, at, &error));
    return options;
}

static void is_told_and_stops(void) {
    bitcask_db *db = open_with("stops", NULL);
    make_garbage(db);
    watch at = {.db = db, .stop_at = 2};
    bitcask_merge_report *report = NULL;
    bitcask_merge_options *options = watched(watches, &at);
    OUTCOME(bitcask_merge(db, options, &report, &error), BITCASK_CANCELLED);
    CHECK(report == NULL && at.calls == 2);
    check_contents(db);
    at = (watch){.db = db};
    OK(bitcask_merge(db, options, NULL, &error));
    CHECK(at.calls > 2 && at.total > 0 && at.read > at.total);
    /* Nobody is told any more. */
    at.calls = 0;
    OK(bitcask_merge_options_set_progress(options, NULL, NULL, &error));
    OK(bitcask_merge(db, options, NULL, &error));
    CHECK(at.calls == 0);
    bitcask_merge_options_free(options);
    options = watched(uses_the_store, &at);
    OK(bitcask_merge(db, options, NULL, &error));
    CHECK(at.calls > 0);
    check_contents(db);
    bitcask_merge_options_free(options);
    OK(bitcask_close(db, &error));
}

typedef struct {
    bitcask_db *db;
    watch at;
    int32_t status;
} merger;

static void *merges(void *argument) {
    merger *mine = argument;
    bitcask_merge_options *options = watched(watches, &mine->at);
    mine->status = bitcask_merge(mine->db, options, NULL, NULL);
    bitcask_merge_options_free(options);
    return NULL;
}

/* Until the merge has called back so often. */
static void wait_for(merger *merging, int calls) {
    while (__atomic_load_n(&merging->at.calls, __ATOMIC_SEQ_CST) < calls) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void beside_other_threads(void) {
    bitcask_db *db = open_with("beside", NULL);
    make_garbage(db);
    pthread_t thread, second;
    OK(bitcask_pause_merge(db, &error));
    merger merging = {.db = db}, waiting = {.db = db};
    CHECK(pthread_create(&thread, NULL, merges, &merging) == 0);
    wait_for(&merging, 1);
    CHECK(pthread_create(&second, NULL, merges, &waiting) == 0);
    put(db, key_of(1), "newer");
    OK(bitcask_delete(db, (const uint8_t *)key_of(2), strlen(key_of(2)), 0, NULL, &error));
    /* Paused it is asked again and again, and comes no further. */
    wait_for(&merging, 3);
    CHECK(merging.at.read == 0);
    OK(bitcask_resume_merge(db, &error));
    CHECK(pthread_join(thread, NULL) == 0 && pthread_join(second, NULL) == 0);
    STATUS(merging.status, BITCASK_OK);
    STATUS(waiting.status, BITCASK_OK);
    CHECK(has(db, key_of(1), "newer") && has(db, key_of(2), NULL));

    /* Stopped while it is paused; and closed. */
    OK(bitcask_pause_merge(db, &error));
    merging = (merger){.db = db, .at = {.stop_at = 3}};
    merges(&merging);
    STATUS(merging.status, BITCASK_CANCELLED);
    merging = (merger){.db = db};
    CHECK(pthread_create(&thread, NULL, merges, &merging) == 0);
    wait_for(&merging, 1);
    OK(bitcask_close(db, &error));
    CHECK(pthread_join(thread, NULL) == 0);
    STATUS(merging.status, BITCASK_CLOSED);
    db = open_with("beside", NULL);
    CHECK(has(db, key_of(1), "newer") && has(db, key_of(2), NULL) && has(db, key_of(3), value_of(3, 1)));
    OK(bitcask_close(db, &error));
}

/* Each pointer NULL by turns, and handles that are none, of another type, or freed. */
static void wrong_arguments(void) {
    bitcask_db *db = open_with("wrong", NULL);
    make_garbage(db);
    bitcask_merge_options *options = bitcask_merge_options_new();
    bitcask_options *store_options = bitcask_options_new();
    bitcask_merge_report *report = NULL;
    bitcask_merge_need *need = NULL;
    bitcask_files *files = NULL;
    const uint32_t *list = NULL;
    const uint32_t *const none = NULL;
    uint64_t figures[BITCASK_FILE_COUNT] = {77};
    size_t count = 77;
#define N(call) OUTCOME(call, BITCASK_NULL_ARGUMENT)
    N(bitcask_options_set_frag_merge_trigger(NULL, 1, &error));
    N(bitcask_options_set_dead_bytes_merge_trigger(NULL, 1, &error));
    N(bitcask_options_set_frag_threshold(NULL, 1, &error));
    N(bitcask_options_set_dead_bytes_threshold(NULL, 1, &error));
    N(bitcask_options_set_small_file_threshold(NULL, 1, &error));
    N(bitcask_options_set_merge_window(NULL, 1, 2, &error));
    N(bitcask_merge_options_set_files(NULL, (const uint32_t[]){1}, 1, &error));
    N(bitcask_merge_options_set_files(options, NULL, 1, &error));
    N(bitcask_merge_options_set_everything(NULL, true, &error));
    N(bitcask_merge_options_set_bytes_per_second(NULL, 1, &error));
    N(bitcask_merge_options_set_progress(NULL, watches, NULL, &error));
    N(bitcask_merge(NULL, NULL, &report, &error));
    N(bitcask_merge_needed(NULL, &need, &error));
    N(bitcask_pause_merge(NULL, &error));
    N(bitcask_resume_merge(NULL, &error));
    N(bitcask_file_stats(NULL, &files, &count, &error));
    N(bitcask_file_stats(db, NULL, &count, &error));
    N(bitcask_file_stats(db, &files, NULL, &error));
    N(bitcask_recount(NULL, &files, &count, &error));
    N(bitcask_recount(db, NULL, &count, &error));
    N(bitcask_recount(db, &files, NULL, &error));
#undef N
    CHECK(report == NULL && need == NULL && files == NULL && count == 77);
    OUTCOME(bitcask_merge_options_set_files(options, (const uint32_t[]){1}, SIZE_MAX, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_merge_options_set_files(options, (const uint32_t[]){1}, SIZE_MAX / 4, &error), BITCASK_INVALID_ARGUMENT);
    OUTCOME(bitcask_merge(db, (bitcask_merge_options *)store_options, NULL, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_merge((bitcask_db *)options, NULL, NULL, &error), BITCASK_INVALID_HANDLE);

    OK(bitcask_merge_needed(db, &need, &error));
    OK(bitcask_merge(db, options, &report, &error));
    OK(bitcask_file_stats(db, &files, &count, &error));
    const size_t files_there = count;
    count = 77;
    STATUS(bitcask_merge_report_figures(NULL, figures, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_report_figures(report, NULL, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_report_figures(report, figures, 1, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_report_files(NULL, 0, &list, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_report_files(report, 0, NULL, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_report_files(report, 0, &list, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_figures(NULL, figures, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_figures(need, NULL, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_figures(need, figures, 1, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_files(NULL, &list, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_files(need, NULL, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_merge_need_files(need, &list, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_files_figures(NULL, 0, figures, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_files_figures(files, 0, NULL, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_files_figures(files, 0, figures, 1, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_files_figures(files, files_there, figures, 1, &count), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_files_figures(files, SIZE_MAX, figures, 1, &count), BITCASK_INVALID_ARGUMENT);
    CHECK(strcmp(bitcask_merge_report_reason(NULL, 0), "") == 0 && strcmp(bitcask_merge_need_reason(NULL), "") == 0);
    CHECK(strcmp(bitcask_merge_report_reason(report, SIZE_MAX), "") == 0);

    /* Reports of another kind are no reports of this one, also where they are freed. */
    STATUS(bitcask_merge_report_figures((bitcask_merge_report *)need, figures, 1, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_merge_report_files((bitcask_merge_report *)files, 0, &list, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_merge_need_files((bitcask_merge_need *)report, &list, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_files_figures((bitcask_files *)report, 0, figures, 1, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_files_figures((bitcask_files *)db, 0, figures, 1, &count), BITCASK_INVALID_HANDLE);
    CHECK(strcmp(bitcask_merge_need_reason((bitcask_merge_need *)report), "") == 0);
    CHECK(count == 77 && list == none && figures[0] == 77);
    bitcask_merge_report_free((bitcask_merge_report *)need);
    bitcask_merge_need_free((bitcask_merge_need *)files);
    bitcask_files_free((bitcask_files *)report);
    STATUS(bitcask_merge_need_files(need, &list, &count), BITCASK_OK);
    STATUS(bitcask_files_figures(files, 0, figures, 1, &count), BITCASK_OK);
    STATUS(bitcask_merge_report_figures(report, figures, 1, &count), BITCASK_OK);

    for (int twice = 0; twice < 2; twice++) {
        bitcask_merge_report_free(report);
        bitcask_merge_need_free(need);
        bitcask_files_free(files);
        bitcask_merge_options_free(options);
        bitcask_options_free(store_options);
        bitcask_merge_report_free(NULL);
        bitcask_merge_need_free(NULL);
        bitcask_files_free(NULL);
        bitcask_merge_options_free(NULL);
    }
    STATUS(bitcask_merge_report_figures(report, figures, 1, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_merge_need_files(need, &list, &count), BITCASK_INVALID_HANDLE);
    STATUS(bitcask_files_figures(files, 0, figures, 1, &count), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_merge(db, options, NULL, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_options_set_frag_threshold(store_options, 1, &error), BITCASK_INVALID_HANDLE);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_merge(db, NULL, NULL, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_merge_needed(db, NULL, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_pause_merge(db, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_resume_merge(db, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_file_stats(db, &files, &count, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_recount(db, &files, &count, &error), BITCASK_INVALID_HANDLE);
}

static void in_background(bitcask_options *options) {
    OK(bitcask_options_set_background_merge(options, true, &error));
    OK(bitcask_options_set_merge_bytes_per_second(options, 1 << 30, &error));
}

/* A thread of the store gives space back by itself. */
static void merges_by_itself(void) {
    bitcask_db *db = open_with("by itself", in_background);
    uint64_t figures[BITCASK_STAT_COUNT] = {0}, ended = 0;
    size_t count = 0;
    bitcask_merge_report *report = NULL;
    bitcask_error *failure = NULL;
    const uint32_t *removed = NULL;
    OUTCOME(bitcask_last_background_merge(db, &ended, &report, &failure, &error), BITCASK_NOT_FOUND);
    CHECK(ended == 0 && report == NULL && failure == NULL);
    make_garbage(db);
    while (figures[BITCASK_STAT_BACKGROUND_MERGES] == 0) {
        OK(bitcask_stats(db, figures, BITCASK_STAT_COUNT, &count, &error));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CHECK(count == BITCASK_STAT_COUNT && figures[BITCASK_STAT_BACKGROUND_MERGE_FAILURES] == 0);
    CHECK(figures[BITCASK_STAT_MERGING_IN_BACKGROUND] <= 1);
    OK(bitcask_last_background_merge(db, &ended, &report, &failure, &error));
    CHECK(ended > 1500000000000u && failure == NULL);
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &removed, &count), BITCASK_OK);
    CHECK(count > 0);
    bitcask_merge_report_free(report);
    OK(bitcask_last_background_merge(db, NULL, NULL, NULL, &error));
    check_contents(db);
    OUTCOME(bitcask_last_background_merge(NULL, &ended, &report, &failure, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_options_set_background_merge(NULL, true, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_options_set_merge_bytes_per_second(NULL, 1, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_last_background_merge(db, &ended, &report, &failure, &error), BITCASK_INVALID_HANDLE);
}

/* Bytes that no record accounts for: the file stays, and the report says so. */
static void damaged_files_stay(void) {
    bitcask_db *db = open_with("damaged", NULL);
    make_garbage(db);
    OK(bitcask_close(db, &error));
    char path[5100];
    snprintf(path, sizeof path, "%s/%s", in_dir("damaged"), "1.data");
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (file != NULL) {
        CHECK(fseek(file, 8000, SEEK_SET) == 0 && fwrite("########", 1, 8, file) == 8 && fclose(file) == 0);
    }
    db = open_with("damaged", NULL);
    bitcask_merge_options *options = bitcask_merge_options_new();
    bitcask_merge_report *report = NULL;
    const uint32_t *list = NULL;
    size_t count = 0;
    OK(bitcask_merge_options_set_everything(options, true, &error));
    OK(bitcask_merge(db, options, &report, &error));
    STATUS(bitcask_merge_report_files(report, BITCASK_MERGE_SKIPPED_FILES, &list, &count), BITCASK_OK);
    CHECK(count == 1 && list[0] == 1);
    CHECK(strlen(bitcask_merge_report_reason(report, 0)) > 0 && strcmp(bitcask_merge_report_reason(report, 1), "") == 0);
    bitcask_merge_report_free(report);
    bitcask_merge_options_free(options);
    OK(bitcask_close(db, &error));
}

int main(void) {
    begin();
    reclaims();
    chosen_files();
    policies();
    is_told_and_stops();
    beside_other_threads();
    wrong_arguments();
    merges_by_itself();
    damaged_files_stay();
    return end("merge");
}
