/* Merges and the figures of data files. */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

typedef int32_t (*option_setter)(bitcask_options *, uint64_t, bitcask_error **);

static int32_t set_frag_merge_trigger(bitcask_options *o, uint64_t n, bitcask_error **e)
{
    return bitcask_options_set_frag_merge_trigger(o, (uint32_t)n, e);
}

static int32_t set_frag_threshold(bitcask_options *o, uint64_t n, bitcask_error **e)
{
    return bitcask_options_set_frag_threshold(o, (uint32_t)n, e);
}

static const struct {
    const char *name;
    option_setter set;
} POLICY[] = {
    {"frag_merge_trigger=", set_frag_merge_trigger},
    {"dead_bytes_merge_trigger=", bitcask_options_set_dead_bytes_merge_trigger},
    {"frag_threshold=", set_frag_threshold},
    {"dead_bytes_threshold=", bitcask_options_set_dead_bytes_threshold},
    {"small_file_threshold=", bitcask_options_set_small_file_threshold},
};

/* Whether the option is one of a merge's policy; then it is set, and *good tells how that went. */
bool set_policy(bitcask_options *o, const char *chosen, bool *good)
{
    for (size_t i = 0; i < sizeof POLICY / sizeof *POLICY; i++) {
        size_t len = strlen(POLICY[i].name);
        if (strncmp(chosen, POLICY[i].name, len) != 0) continue;
        *good = call(POLICY[i].set(o, strtoull(chosen + len, NULL, 10), &error));
        return true;
    }
    return false;
}

static int32_t is_told(void *stops, uint64_t total, uint64_t read, uint64_t written)
{
    (void)total, (void)read, (void)written;
    return *(bool *)stops;
}

static void merge(bitcask_db *db)
{
    bitcask_merge_options *o = bitcask_merge_options_new();
    bool good = true, stops = false;
    uint32_t ids[64];
    for (size_t i = 0; good && i < n_options; i++) {
        const char *s = options[i], *v = strchr(s, '=') + 1;
        size_t len = (size_t)(v - s), count = 0;
        if (strncmp(s, "files=", len) == 0) {
            for (char *end = options[i] + len - 1; *end && count < 64; count++) ids[count] = (uint32_t)strtoul(end + 1, &end, 10);
            good = call(bitcask_merge_options_set_files(o, ids, count, &error));
        } else if (strncmp(s, "everything=", len) == 0) {
            good = call(bitcask_merge_options_set_everything(o, yes("everything"), &error));
        } else if (strncmp(s, "bytes_per_second=", len) == 0) {
            good = call(bitcask_merge_options_set_bytes_per_second(o, strtoull(v, NULL, 10), &error));
        } else if (is(s, "progress=watch") || is(s, "progress=cancel")) {
            stops = is(v, "cancel");
            good = call(bitcask_merge_options_set_progress(o, is_told, &stops, &error));
        } else {
            problem("unknown option", s);
        }
    }
    bitcask_merge_report *report = NULL;
    const uint32_t *files = NULL;
    size_t count = 0;
    if (good && call(bitcask_merge(db, o, &report, &error)) &&
        call(bitcask_merge_report_files(report, BITCASK_MERGE_REMOVED_FILES, &files, &count))) {
        word(count ? "yes" : "no");
    }
    bitcask_merge_report_free(report);
    bitcask_merge_options_free(o);
}

static void file_stat(bitcask_db *db)
{
    static const struct {
        const char *name;
        size_t index;
    } figures[] = {{"merged", BITCASK_FILE_MERGED},
                   {"active", BITCASK_FILE_ACTIVE},
                   {"damaged", BITCASK_FILE_DAMAGED},
                   {"live_records", BITCASK_FILE_LIVE_RECORDS},
                   {"dead_records", BITCASK_FILE_DEAD_RECORDS},
                   {"expired_records", BITCASK_FILE_EXPIRED_RECORDS},
                   {"tombstones", BITCASK_FILE_TOMBSTONES}};
    enum { N_FIGURES = sizeof figures / sizeof *figures };
    size_t i = 0, count = 0, known = 0;
    while (i < N_FIGURES && !is(arg(0), figures[i].name)) i++;
    if (i == N_FIGURES) {
        problem("unknown figure", arg(0));
        return;
    }
    bitcask_files *files = NULL;
    uint64_t sum = 0, all[BITCASK_FILE_COUNT] = {0};
    bool good = call(bitcask_file_stats(db, &files, &count, &error));
    for (size_t f = 0; good && f < count; f++) {
        good = call(bitcask_files_figures(files, f, all, BITCASK_FILE_COUNT, &known));
        sum += all[figures[i].index];
    }
    bitcask_files_free(files);
    if (good) number(sum);
}

static void file_recount(bitcask_db *db)
{
    bitcask_files *kept = NULL, *counted = NULL;
    size_t n = 0, m = 0, known = 0;
    bool good = call(bitcask_recount(db, &counted, &n, &error)) && call(bitcask_file_stats(db, &kept, &m, &error)), same = n == m;
    for (size_t f = 0; good && same && f < n; f++) {
        uint64_t a[BITCASK_FILE_COUNT] = {0}, b[BITCASK_FILE_COUNT] = {0};
        good = call(bitcask_files_figures(kept, f, a, BITCASK_FILE_COUNT, &known)) &&
               call(bitcask_files_figures(counted, f, b, BITCASK_FILE_COUNT, &known));
        a[BITCASK_FILE_BYTES] = b[BITCASK_FILE_BYTES]; /* A sync in the background may have marked the log meanwhile. */
        same = memcmp(a, b, sizeof a) == 0;
    }
    bitcask_files_free(kept);
    bitcask_files_free(counted);
    if (good) word(same ? "same" : "different");
}

void run_merge(const char *op, const char *name)
{
    bitcask_db *db = find(STORE, name)->handle;
    if (is(op, "merge")) merge(db);
    else if (is(op, "merge_needed")) give_answer(bitcask_merge_needed(db, NULL, &error));
    else if (is(op, "merge_pause")) done(bitcask_pause_merge(db, &error));
    else if (is(op, "merge_resume")) done(bitcask_resume_merge(db, &error));
    else if (is(op, "file_stat")) file_stat(db);
    else if (is(op, "file_recount")) file_recount(db);
    else problem("unknown operation", op);
}
