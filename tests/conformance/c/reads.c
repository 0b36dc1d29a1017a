/* Reading: what a store, snapshot, batch or transaction answers about keys and ranges, and iterators. */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* ---- ranges ---- */

static void give_entry(const bitcask_entry *entry, bool keys_only)
{
    bytes key = copy(entry->key, entry->key_len);
    if (keys_only && entry->value_len == 0) give('b', key, (bytes){0});
    else give('p', key, copy(entry->value, entry->value_len));
}

/* Whether an option says what an iterator is made of. */
static bool is_source(const char *s, size_t len)
{
    return strncmp(s, "of=", len) == 0 || strncmp(s, "snapshot=", len) == 0 || strncmp(s, "batch=", len) == 0 || strncmp(s, "txn=", len) == 0;
}

static bitcask_iter_options *iter_options(void)
{
    bitcask_iter_options *o = bitcask_iter_options_new();
    for (size_t i = 0; i < n_options; i++) {
        char *s = options[i], *v = strchr(s, '=') + 1;
        size_t len = (size_t)(v - s);
        if (strncmp(s, "prefix=", len) == 0) {
            bytes b = lend(v);
            call(bitcask_iter_options_set_prefix(o, b.data, b.len, &error));
        } else if (strncmp(s, "ge=", len) == 0 || strncmp(s, "gt=", len) == 0) {
            bytes b = lend(v);
            call(bitcask_iter_options_set_start(o, b.data, b.len, s[1] == 'e', &error));
        } else if (strncmp(s, "le=", len) == 0 || strncmp(s, "lt=", len) == 0) {
            bytes b = lend(v);
            call(bitcask_iter_options_set_end(o, b.data, b.len, s[1] == 'e', &error));
        } else if (strncmp(s, "reverse=", len) == 0) call(bitcask_iter_options_set_reverse(o, yes("reverse"), &error));
        else if (strncmp(s, "limit=", len) == 0) call(bitcask_iter_options_set_limit(o, strtoull(v, NULL, 10), &error));
        else if (strncmp(s, "keys_only=", len) == 0) call(bitcask_iter_options_set_keys_only(o, yes("keys_only"), &error));
        else if (!is_source(s, len)) problem("unknown option", s);
    }
    return o;
}

/* An iterator over any object that can be read. */
static bool iter_new(const object *from, bitcask_iter **iter)
{
    bitcask_iter_options *o = iter_options();
    bool good = !*trouble && n_got == 0;
    if (!good) {
        bitcask_iter_options_free(o);
        return false;
    }
    if (from->kind == SNAPSHOT) good = call(bitcask_snapshot_iter_new(from->handle, o, iter, &error));
    else if (from->kind == BATCH) good = call(bitcask_batch_iter_new(from->handle, o, iter, &error));
    else if (from->kind == TXN) good = call(bitcask_txn_iter_new(from->handle, o, iter, &error));
    else good = call(bitcask_iter_new(from->handle, o, iter, &error));
    bitcask_iter_options_free(o);
    return good;
}

/* `iter` (one record a call) and `count` (page-wise, which checks the order). */
static void read_all(const object *from, bool count)
{
    bitcask_iter *iter = NULL;
    if (!iter_new(from, &iter)) return;
    bytes last = {NULL, 0};
    uint64_t records = 0;
    for (bool more = true; more;) {
        bitcask_entry one;
        const bitcask_entry *entries = &one;
        size_t n = 1;
        if (count) {
            if (!call(bitcask_iter_next_page(iter, 100, 65536, &entries, &n, &error))) break;
        } else {
            int32_t status = bitcask_iter_next(iter, &one, &error);
            if (status == BITCASK_NOT_FOUND) n = 0;
            else if (!call(status)) break;
        }
        more = n > 0;
        for (size_t i = 0; i < n; i++, records++) {
            const bitcask_entry *e = &entries[i];
            if (!count) give_entry(e, yes("keys_only"));
            size_t shorter = e->key_len < last.len ? e->key_len : last.len;
            int order = last.data ? memcmp(e->key, last.data, shorter) : 1;
            if (last.data && order == 0) order = (e->key_len > last.len) - (e->key_len < last.len);
            if (last.data && (yes("reverse") ? order >= 0 : order <= 0)) problem("wrong order", "");
            free(last.data);
            last = copy(e->key, e->key_len);
        }
        if (!more && count && n_got == 0) number(records);
        if (!more && !count && n_got == 0) word("none");
    }
    free(last.data);
    bitcask_iter_free(iter);
}

/* `first` and `last`. */
static void edge(const object *from, bool last)
{
    bitcask_value *value = NULL;
    bitcask_entry entry;
    const uint8_t *data = NULL;
    size_t len = 0;
    int32_t status;
    if (from->kind == SNAPSHOT) {
        status = last ? bitcask_snapshot_last(from->handle, &value, &entry, &error)
                      : bitcask_snapshot_first(from->handle, &value, &entry, &error);
    } else status = last ? bitcask_last(from->handle, &value, &entry, &error) : bitcask_first(from->handle, &value, &entry, &error);
    if (!call(status)) return;
    give('p', copy(entry.key, entry.key_len), copy(entry.value, entry.value_len));
    if (call(bitcask_value_bytes(value, &data, &len)) && (data != entry.value || len != entry.value_len)) {
        problem("value and entry differ", "");
    }
    bitcask_value_free(value);
}

static void count_range(const object *from)
{
    uint64_t records = 0;
    bitcask_iter_options *o = n_options ? iter_options() : NULL;
    if (!*trouble && n_got == 0) {
        int32_t status = from->kind == SNAPSHOT ? bitcask_snapshot_count(from->handle, o, &records, &error)
                                                : bitcask_count(from->handle, o, &records, &error);
        if (call(status)) number(records);
    }
    bitcask_iter_options_free(o);
}

/* ---- many keys at once ---- */

/* One form of the call for many keys; they are lent for its length. */
static bool find_keys(const object *from, const bytes *keys, size_t n, bool packed, bitcask_values *values, const bitcask_lookup **found)
{
    size_t len = 0;
    const uint8_t **pointers = allocate(n * sizeof *pointers);
    size_t *lens = allocate(n * sizeof *lens);
    for (size_t i = 0; i < n; i++) {
        len += lens[i] = keys[i].len;
        if (!packed) pointers[i] = lend_data(copy(keys[i].data, keys[i].len)).data;
    }
    bool good, is_snapshot = from->kind == SNAPSHOT;
    if (packed) {
        bytes all = lend_data((bytes){allocate(len), len});
        for (size_t i = 0, at = 0; i < n; at += lens[i++]) memcpy(all.data + at, keys[i].data, lens[i]);
        good = call(is_snapshot ? bitcask_snapshot_multi_get_packed(from->handle, all.data, len, lens, n, values, found, &error)
                                : bitcask_multi_get_packed(from->handle, all.data, len, lens, n, values, found, &error));
    } else {
        good = call(is_snapshot ? bitcask_snapshot_multi_get(from->handle, pointers, lens, n, values, found, &error)
                                : bitcask_multi_get(from->handle, pointers, lens, n, values, found, &error));
    }
    end_loan();
    free(pointers);
    free(lens);
    return good;
}

static bool same_lookup(const bitcask_lookup *a, const bitcask_lookup *b)
{
    if (a->status != b->status || a->len != b->len || (a->data == NULL) != (b->data == NULL)) return false;
    if ((a->status == BITCASK_OK) != (a->data != NULL)) return false;
    return a->len == 0 || memcmp(a->data, b->data, a->len) == 0;
}

/* `multi_get` and `multi_filled`, by both forms of the call. Takes over the keys. */
static void multi_get(const object *from, bytes *keys, size_t n, bool filled)
{
    bitcask_values *values = bitcask_values_new(), *again = bitcask_values_new();
    const bitcask_lookup *found = NULL, *packed = NULL;
    bool good = find_keys(from, keys, n, false, values, &found);
    if (find_keys(from, keys, n, true, again, &packed) != good) problem("the forms of the call differ", "");
    uint64_t right = 0;
    for (size_t i = 0; good && packed && i < n; i++) {
        const bitcask_lookup *f = &found[i];
        if (!same_lookup(f, &packed[i])) problem("the forms of the call differ", "");
        if (filled) {
            bytes value = generated(i, (size_t)arg_number(2));
            right += f->status == BITCASK_OK && f->len == value.len && (f->len == 0 || memcmp(f->data, value.data, f->len) == 0);
            free(value.data);
        } else if (f->status == BITCASK_OK) give('b', copy(f->data, f->len), (bytes){0});
        else word(bitcask_status_name(f->status));
    }
    if (good && filled) number(right);
    if (good && !filled && n == 0) word("none");
    bitcask_values_free(values);
    bitcask_values_free(again);
    for (size_t i = 0; i < n; i++) free(keys[i].data);
    free(keys);
}

static void multi(const object *from, bool filled)
{
    size_t n = filled ? (size_t)arg_number(0) : n_args;
    bytes *keys = allocate(n * sizeof *keys), prefix = {NULL, 0};
    if (filled && !parse(arg(1), &prefix)) problem("no bytes", arg(1));
    for (size_t i = 0; i < n; i++) {
        if (filled) keys[i] = filled_key(prefix, (uint32_t)i);
        else if (!parse(arg(i), &keys[i])) problem("no bytes", arg(i));
    }
    free(prefix.data);
    multi_get(from, keys, n, filled);
}

/* ---- one key ---- */

static int32_t get(const object *from, bytes key, bitcask_value **value)
{
    if (from->kind == SNAPSHOT) return bitcask_snapshot_get(from->handle, key.data, key.len, value, &error);
    if (from->kind == BATCH) return bitcask_batch_get(from->handle, key.data, key.len, value, &error);
    if (from->kind == TXN) return bitcask_txn_get(from->handle, key.data, key.len, value, &error);
    return bitcask_get(from->handle, key.data, key.len, value, &error);
}

static int32_t contains(const object *from, bytes key)
{
    if (from->kind == SNAPSHOT) return bitcask_snapshot_contains(from->handle, key.data, key.len, &error);
    if (from->kind == TXN) return bitcask_txn_contains(from->handle, key.data, key.len, &error);
    return bitcask_contains(from->handle, key.data, key.len, &error);
}

static void get_into(const object *from)
{
    bytes key = lend(arg(0));
    size_t capacity = (size_t)arg_number(1), len = 0;
    uint8_t *buffer = allocate(capacity);
    int32_t status = from->kind == SNAPSHOT ? bitcask_snapshot_get_into(from->handle, key.data, key.len, buffer, capacity, &len, &error)
                                            : bitcask_get_into(from->handle, key.data, key.len, buffer, capacity, &len, &error);
    if (call(status)) give('b', copy(buffer, len), (bytes){0});
    else if (status == BITCASK_BUFFER_TOO_SMALL) number(len);
    free(buffer);
}

static void filled(const object *from)
{
    bytes prefix;
    if (!parse(arg(1), &prefix)) problem("no bytes", arg(1));
    uint64_t same = 0;
    bool good = true;
    for (uint32_t i = 0; good && i < arg_number(0); i++) {
        bytes key = lend_data(filled_key(prefix, i)), value = generated(i, (size_t)arg_number(2));
        bitcask_value *found = NULL;
        const uint8_t *data = NULL;
        size_t len = 0;
        int32_t status = get(from, key, &found);
        good = status == BITCASK_NOT_FOUND || call(status);
        if (good && found && call(bitcask_value_bytes(found, &data, &len))) {
            same += len == value.len && (len == 0 || memcmp(data, value.data, len) == 0);
        }
        bitcask_value_free(found);
        free(value.data);
        end_loan();
    }
    free(prefix.data);
    if (good) number(same);
}

/* The operation of this name on an object; false if it is none that reads. */
bool run_read(const char *op, object *from)
{
    if (is(op, "get")) {
        bytes key = lend(arg(0));
        bitcask_value *value = NULL;
        if (call(get(from, key, &value))) give_value(value);
        bitcask_value_free(value);
    } else if (is(op, "get_into")) get_into(from);
    else if (is(op, "contains")) {
        bytes key = lend(arg(0));
        give_answer(contains(from, key));
    } else if (is(op, "value_size")) {
        bytes key = lend(arg(0));
        uint64_t size = 0;
        if (call(from->kind == SNAPSHOT ? bitcask_snapshot_value_size(from->handle, key.data, key.len, &size, &error)
                                        : bitcask_value_size(from->handle, key.data, key.len, &size, &error))) {
            number(size);
        }
    } else if (is(op, "len")) {
        uint64_t keys = 0;
        if (call(from->kind == SNAPSHOT ? bitcask_snapshot_len(from->handle, &keys, &error) : bitcask_len(from->handle, &keys, &error))) {
            number(keys);
        }
    } else if (is(op, "multi_get") || is(op, "multi_filled")) multi(from, is(op, "multi_filled"));
    else if (is(op, "first") || is(op, "last")) edge(from, is(op, "last"));
    else if (is(op, "count_range")) count_range(from);
    else if (is(op, "iter") || is(op, "count")) read_all(from, is(op, "count"));
    else if (is(op, "filled")) filled(from);
    else return false;
    return true;
}

/* ---- iterators ---- */

void run_iter(const char *op, const char *name)
{
    if (is(op, "iter_open")) {
        bitcask_iter *iter = NULL;
        const object *from = option("snapshot") ? find(SNAPSHOT, option("snapshot"))
                             : option("batch")  ? find(BATCH, option("batch"))
                             : option("txn")    ? find(TXN, option("txn"))
                                                : object_of(STORE, "db");
        if (iter_new(from, &iter)) {
            object *o = place(ITER, name);
            o->handle = iter;
            o->keys_only = yes("keys_only");
            word("OK");
        }
        return;
    }
    object *o = find(ITER, name);
    if (is(op, "iter_next")) {
        bitcask_entry entry;
        int32_t status = BITCASK_OK;
        for (uint64_t i = arg_number(0); i > 0 && (status = bitcask_iter_next(o->handle, &entry, &error)) == BITCASK_OK; i--) {
            give_entry(&entry, o->keys_only);
        }
        if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) call(status);
        if (n_got == 0) word("none");
    } else if (is(op, "iter_seek")) {
        bytes key = lend(arg(0));
        done(bitcask_iter_seek(o->handle, key.data, key.len, &error));
    } else if (is(op, "iter_skip_damaged")) done(bitcask_iter_skip_damaged(o->handle, &error));
    else if (is(op, "iter_rewind")) done(bitcask_iter_rewind(o->handle, &error));
    else if (is(op, "iter_free")) {
        free_object(o);
        word("OK");
    } else problem("unknown operation", op);
}
