/* Single writes, changes of single keys, figures and held values of a store, and damage to its files. */
#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void random_keys(bitcask_db *db)
{
    size_t n = (size_t)arg_number(0), different = 0;
    bytes *seen = allocate(n * sizeof *seen);
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        bitcask_value *key = NULL;
        const uint8_t *data = NULL;
        size_t len = 0, j = 0;
        good = call(bitcask_random_key(db, &key, &error)) && call(bitcask_value_bytes(key, &data, &len));
        while (good && j < different && (seen[j].len != len || memcmp(seen[j].data, data, len) != 0)) j++;
        if (good && j == different) {
            seen[different++] = copy(data, len);
            if (bitcask_contains(db, data, len, NULL) != BITCASK_OK) problem("a random key is not there", "");
        }
        bitcask_value_free(key);
    }
    if (good) number(different);
    while (different) free(seen[--different].data);
    free(seen);
}

static void stat_figure(bitcask_db *db)
{
    static const char *const figures[] = {"keys",     "files",          "data_bytes",    "index_bytes",
                                          "last_seq", "damaged_places", "damaged_bytes", "mapped_files"};
    enum { N_FIGURES = sizeof figures / sizeof *figures };
    uint64_t known[N_FIGURES] = {0};
    size_t count = 0, i = 0;
    while (i < N_FIGURES && !is(arg(0), figures[i])) i++;
    if (i == N_FIGURES) problem("unknown figure", arg(0));
    else if (call(bitcask_stats(db, known, N_FIGURES, &count, &error))) number(known[i]);
}

static void opened_figure(bitcask_db *db)
{
    static const struct {
        const char *name;
        size_t index;
    } figures[] = {{"files", BITCASK_OPEN_FILES},
                   {"last_seq", BITCASK_OPEN_LAST_SEQ},
                   {"damage", BITCASK_OPEN_DAMAGED_PLACES},
                   {"torn", BITCASK_OPEN_TORN_TAILS},
                   {"unusable_hints", BITCASK_OPEN_UNUSABLE_HINTS}};
    enum { N_FIGURES = sizeof figures / sizeof *figures };
    uint64_t known[BITCASK_OPEN_COUNT] = {0};
    bitcask_open_report *report = NULL;
    size_t count = 0, i = 0;
    while (i < N_FIGURES && !is(arg(0), figures[i].name)) i++;
    if (i == N_FIGURES) problem("unknown figure", arg(0));
    else if (call(bitcask_report_of_opening(db, &report, &error)) &&
             call(bitcask_open_report_figures(report, known, BITCASK_OPEN_COUNT, &count))) {
        number(known[figures[i].index]);
    }
    bitcask_open_report_free(report);
}

void run_store(const char *op, const char *name)
{
    object *o = find(STORE, name);
    bitcask_db *db = o->handle;
    bool changed = false;
    if (is(op, "close")) {
        o->closed = true;
        done(bitcask_close(db, &error));
    } else if (is(op, "put") || is(op, "put_sync")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        uint32_t flags = is(op, "put") ? BITCASK_WRITE_DEFAULT : BITCASK_WRITE_SYNC;
        done(bitcask_put(db, key.data, key.len, value.data, value.len, flags, &error));
    } else if (is(op, "delete") || is(op, "delete_sync")) {
        bytes key = lend(arg(0));
        uint32_t flags = is(op, "delete") ? BITCASK_WRITE_DEFAULT : BITCASK_WRITE_SYNC;
        if (call(bitcask_delete(db, key.data, key.len, flags, &changed, &error))) word(changed ? "yes" : "no");
    } else if (is(op, "refresh")) {
        if (call(bitcask_refresh(db, &changed, &error))) word(changed ? "yes" : "no");
    } else if (is(op, "random_key")) random_keys(db);
    else if (is(op, "sync")) done(bitcask_sync(db, &error));
    else if (is(op, "stat")) stat_figure(db);
    else if (is(op, "opened")) opened_figure(db);
    else if (is(op, "fill")) fill(STORE, op, db);
    else if (!run_read(op, o) && !run_expiry(op, o)) problem("unknown operation", op);
}

/* BYTES, or `none`. */
static bool lend_if_there(const char *token, bytes *data)
{
    if (is(token, "none")) return false;
    *data = lend(token);
    return true;
}

static bool swap(bitcask_db *db, bytes key, const bytes *old, const bytes *new_value, uint32_t flags, bool *swapped)
{
    const bytes none = {NULL, 0}, *a = old ? old : &none, *b = new_value ? new_value : &none;
    return call(bitcask_compare_and_swap(db, key.data, key.len, old, a->data, a->len, new_value, b->data, b->len, flags, swapped,
                                         &error));
}

/* `update_append`, or `update_delete` without bytes to append. */
static void update(bitcask_db *db, const bytes *more)
{
    bytes key;
    if (!parse(arg(0), &key)) problem("no bytes", arg(0));
    bool swapped = false, good = true;
    while (good && !swapped) {
        bitcask_value *value = NULL;
        const uint8_t *data = NULL;
        size_t len = 0;
        bytes lent_key = lend_data(copy(key.data, key.len));
        int32_t status = bitcask_get(db, lent_key.data, lent_key.len, &value, &error);
        bool there = status == BITCASK_OK;
        good = status == BITCASK_NOT_FOUND || (call(status) && call(bitcask_value_bytes(value, &data, &len)));
        if (!good) break;
        bytes old = copy(data, len), next = {NULL, 0};
        bitcask_value_free(value);
        if (more) {
            next = (bytes){allocate(old.len + more->len), old.len + more->len};
            memcpy(next.data, old.data, old.len);
            memcpy(next.data + old.len, more->data, more->len);
        }
        bytes result = copy(next.data, next.len);
        lend_data(old);
        if (more) lend_data(next);
        lent_key = lend_data(copy(key.data, key.len));
        good = swap(db, lent_key, there ? &old : NULL, more ? &next : NULL, BITCASK_WRITE_KEEP_EXPIRY, &swapped);
        end_loan();
        if (good && swapped && more) give('b', result, (bytes){0});
        else free(result.data);
        if (good && swapped && !more) word("NOT_FOUND");
    }
    free(key.data);
}

/* Changes of a key that depend on what it was. */
void run_atomic(const char *op, const char *name)
{
    bitcask_db *db = find(STORE, name)->handle;
    bool yes_or_no = false;
    if (is(op, "compare_and_swap")) {
        bytes key = lend(arg(0)), old, new_value;
        bool has_old = lend_if_there(arg(1), &old), has_new = lend_if_there(arg(2), &new_value);
        if (swap(db, key, has_old ? &old : NULL, has_new ? &new_value : NULL, BITCASK_WRITE_DEFAULT, &yes_or_no)) word(yes_or_no ? "yes" : "no");
    } else if (is(op, "put_if_absent")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        if (call(bitcask_put_if_absent(db, key.data, key.len, value.data, value.len, BITCASK_WRITE_DEFAULT, &yes_or_no, &error))) {
            word(yes_or_no ? "yes" : "no");
        }
    } else if (is(op, "fetch_add")) {
        bytes key = lend(arg(0));
        int64_t before = 0;
        if (call(bitcask_fetch_add(db, key.data, key.len, strtoll(arg(1), NULL, 10), BITCASK_WRITE_DEFAULT, &before, &error))) {
            char text[32];
            snprintf(text, sizeof text, "%" PRId64, before);
            word(text);
        }
    } else if (is(op, "update_append")) {
        bytes more;
        if (!parse(arg(1), &more)) problem("no bytes", arg(1));
        update(db, &more);
        free(more.data);
    } else update(db, NULL);
}

/* `hold`, `held` and `release`. */
void run_value(const char *op, const char *name)
{
    if (is(op, "hold")) {
        bytes key = lend(arg(0));
        bitcask_value *value = NULL;
        if (call(bitcask_get(object_of(STORE, "db")->handle, key.data, key.len, &value, &error))) {
            place(VALUE, name)->handle = value;
            word("OK");
        }
    } else if (is(op, "held")) give_value(find(VALUE, name)->handle);
    else {
        free_object(find(VALUE, name));
        word("OK");
    }
}

void flip(void)
{
    bytes what = lend(arg(0));
    uint64_t places = 0;
    for (int id = 1; id <= 64; id++) {
        char path[PATH_LEN];
        snprintf(path, sizeof path, "%s/%s/%d.data", scratch, option("dir") ? option("dir") : "store", id);
        FILE *f = fopen(path, "r+b");
        if (!f) continue;
        fseek(f, 0, SEEK_END);
        bytes all = {NULL, (size_t)ftell(f)};
        all.data = allocate(all.len);
        rewind(f);
        all.len = fread(all.data, 1, all.len, f);
        for (size_t at = 0; what.len && at + what.len <= all.len; at++) {
            if (memcmp(all.data + at, what.data, what.len) != 0) continue;
            fseek(f, (long)at, SEEK_SET);
            fputc(all.data[at] ^ 1, f);
            places++;
        }
        free(all.data);
        fclose(f);
    }
    number(places);
}
