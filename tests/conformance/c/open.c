/* Opening, and the store options. */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By the numbers of bitcask.h. Of the first, those that the library has. */
const char *const KINDS[N_KINDS] = {"btree", "hash", "art", "skiplist", "bptree"}, *const IO_KINDS[N_IO_KINDS] = {"mmap", "file"};
const char *scratch;
int kind, io;

/* The position of a name in a list, or -1. */
static int position(const char *name, const char *const *list, int n)
{
    for (int i = 0; i < n; i++) {
        if (is(name, list[i])) return i;
    }
    return -1;
}

/* Whether the library has an index kind. */
bool has_kind(int32_t index)
{
    bitcask_options *o = bitcask_options_new();
    bool has = bitcask_options_set_index(o, index, NULL) == BITCASK_OK;
    bitcask_options_free(o);
    return has;
}

/* The kind after that of the run, of those that the library has. */
static int next_kind(void)
{
    int next = kind;
    do next = (next + 1) % N_KINDS;
    while (!has_kind(next));
    return next;
}

/* What the callback has seen of an opening. */
typedef struct { bool stops, fell; uint64_t calls, bytes, records; } watch;

static int32_t see(void *user_data, int32_t phase, uint64_t bytes_done, uint64_t bytes_total, uint64_t records)
{
    watch *w = user_data;
    (void)phase;
    w->calls++;
    w->fell = w->fell || bytes_done < w->bytes || records < w->records || bytes_done > bytes_total;
    w->bytes = bytes_done;
    w->records = records;
    return w->stops;
}

void open_store(const char *name, char *const *chosen, size_t n)
{
    bitcask_options *o = bitcask_options_new();
    const char *dir = "store", *ms = option_in(chosen, n, "interval_ms"), *limit = option_in(chosen, n, "interval_bytes");
    watch progress, *told = NULL;
    bool good = call(bitcask_options_set_index(o, kind, &error)) && call(bitcask_options_set_io(o, io, &error));
    good = good && call(bitcask_options_set_background_merge(o, false, &error));
    if (ms && limit) {
        good = good && call(bitcask_options_set_durability(o, BITCASK_DURABILITY_INTERVAL, &error));
        good = good && call(bitcask_options_set_sync_interval(o, strtoull(ms, NULL, 10), strtoull(limit, NULL, 10), &error));
    }
    for (size_t i = 0; good && i < n; i++) {
        const char *s = chosen[i], *v = strchr(s, '=') + 1;
        size_t len = (size_t)(v - s);
        bool on = strcmp(v, "yes") == 0;
        if (strncmp(s, "dir=", len) == 0) dir = v;
        else if (strncmp(s, "index=", len) == 0) {
            int32_t index = is(v, "next") ? next_kind() : position(v, KINDS, N_KINDS);
            if (index < 0) problem("unknown index kind", v);
            good = call(bitcask_options_set_index(o, index, &error));
        } else if (strncmp(s, "io=", len) == 0) {
            int32_t chosen_io = position(v, IO_KINDS, N_IO_KINDS);
            if (chosen_io < 0) problem("unknown I/O kind", v);
            good = call(bitcask_options_set_io(o, chosen_io, &error));
        } else if (strncmp(s, "sort_budget=", len) == 0) {
            good = call(bitcask_options_set_sort_budget(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "index_budget=", len) == 0) {
            good = call(bitcask_options_set_index_budget(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "checkpoint_bytes=", len) == 0) {
            good = call(bitcask_options_set_checkpoint_bytes(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "durability=", len) == 0) {
            int32_t d = strcmp(v, "none") == 0 ? BITCASK_DURABILITY_NONE
                        : strcmp(v, "always") == 0 ? BITCASK_DURABILITY_ALWAYS : BITCASK_DURABILITY_INTERVAL;
            good = call(bitcask_options_set_durability(o, d, &error));
        } else if (strncmp(s, "max_file_size=", len) == 0) {
            good = call(bitcask_options_set_max_file_size(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "expiry_ms=", len) == 0) {
            good = call(bitcask_options_set_expiry(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "create=", len) == 0) good = call(bitcask_options_set_create_if_missing(o, on, &error));
        else if (strncmp(s, "read_only=", len) == 0) good = call(bitcask_options_set_read_only(o, on, &error));
        else if (strncmp(s, "verify=", len) == 0) good = call(bitcask_options_set_verify_checksums(o, on, &error));
        else if (strncmp(s, "progress=", len) == 0) {
            if (!is(v, "watch") && !is(v, "cancel")) problem("unknown option", s);
            progress = (watch){.stops = is(v, "cancel")};
            told = &progress;
            good = call(bitcask_options_set_progress(o, see, told, &error));
        } else if (strncmp(s, "on_damage=", len) == 0) {
            int32_t policy = strcmp(v, "serve") == 0 ? BITCASK_ON_DAMAGE_SERVE : BITCASK_ON_DAMAGE_REFUSE;
            good = call(bitcask_options_set_on_damage(o, policy, &error));
        } else if (!set_policy(o, s, &good) && (strncmp(s, "interval_", 9) != 0 || !ms || !limit)) {
            problem("unknown option", s);
            good = false;
        }
    }
    char path[PATH_LEN];
    snprintf(path, sizeof path, "%s/%s", scratch, dir);
    bitcask_db *db = NULL;
    bool opened = good && call(bitcask_open(path, o, &db, &error));
    if (told && !told->stops && told->calls == 0) problem("nobody was told of the progress", "");
    if (told && told->fell) problem("the progress went back, or too far", "");
    if (opened) {
        object *store = place(STORE, name);
        store->handle = db;
        for (size_t i = 0; i < n; i++) store->options[i] = chosen[i];
        word("OK");
    }
    bitcask_options_free(o);
}

void reopen(const char *name)
{
    object *store = find(STORE, name);
    char *merged[2 * MAX_OPTIONS];
    size_t n = 0;
    while (n < n_options) {
        merged[n] = options[n];
        n++;
    }
    for (char **old = store->options; *old; old++) {
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)(strchr(*old, '=') - *old), *old);
        bool replaced = option(key) || is(key, "progress") || (option("durability") && strncmp(key, "interval_", 9) == 0);
        if (!replaced) merged[n++] = *old;
    }
    store->closed = true;
    if (call(bitcask_close(store->handle, &error))) open_store(name, merged, n);
}
