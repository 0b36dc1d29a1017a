/*
 * Runs the conformance cases through the C ABI. README.md defines their language; this file knows that language and
 * bitcask.h, and no case. Usage: runner [--skip-large] [--index btree|hash] CASES_DIR SCRATCH_DIR
 *
 * Every call gets a place for its error, and call() checks that there is an error object exactly when there should be.
 */
#define _XOPEN_SOURCE 700
#include "bitcask.h"
#include "language.h"

#include <sys/stat.h>

enum { MAX_OBJECTS = 64 };

typedef struct {
    char kind; /* 's' store, 'b' batch, 'i' iterator, 'v' value; 0 unused */
    const char *name;
    void *handle;
    bool closed, keys_only;
    char *options[MAX_OPTIONS];
} object;

static const char *const KINDS[] = {"btree", "hash"};
static const char *scratch, *file_name;
static int kind;
static bool reuse;
static object objects[MAX_OBJECTS];
static bytes lent[4];
static size_t n_lent;
static bitcask_error *error;

/* ---- calls ---- */

/* Takes over data to hand it to the library. */
static bytes lend_data(bytes data) { return lent[n_lent++] = data; }

static bytes lend(const char *token)
{
    bytes data;
    if (!parse(token, &data)) problem("no bytes", token);
    return lend_data(data);
}

static void end_loan(void)
{
    for (; n_lent; n_lent--) free(lent[n_lent - 1].data);
}

/* After each call: buffers are overwritten at once, a failure becomes the result. Returns whether it was BITCASK_OK. */
static bool call(int32_t status)
{
    for (size_t i = 0; reuse && i < n_lent; i++) memset(lent[i].data, 0xaa, lent[i].len);
    bool due = status >= 10 && status != BITCASK_BUFFER_TOO_SMALL;
    if (status != BITCASK_OK) {
        forget_results();
        word(bitcask_status_name(status));
    }
    if (due != (error != NULL)) problem("an error object is missing, or should not be there", bitcask_status_name(status));
    if (error && (bitcask_error_status(error) != status || !*bitcask_error_message(error))) problem("wrong error object", "");
    bitcask_error_free(error);
    error = NULL;
    return status == BITCASK_OK;
}

static void done(int32_t status)
{
    if (call(status)) word("OK");
}

static void give_value(bitcask_value *value)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    if (call(bitcask_value_bytes(value, &data, &len))) give('b', copy(data, len), (bytes){0});
}

static void give_entry(const bitcask_entry *entry, bool keys_only)
{
    bytes key = copy(entry->key, entry->key_len);
    if (keys_only && entry->value_len == 0) give('b', key, (bytes){0});
    else give('p', key, copy(entry->value, entry->value_len));
}

/* ---- objects ---- */

static object *find(char what, const char *name)
{
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        if (o->kind == what && strcmp(o->name, name) == 0) return o;
    }
    static object none;
    problem("no such object", name);
    return &none;
}

static void free_object(object *o)
{
    if (o->kind == 'b') bitcask_batch_free(o->handle);
    if (o->kind == 'i') bitcask_iter_free(o->handle);
    if (o->kind == 'v') bitcask_value_free(o->handle);
    if (o->kind == 's' && !o->closed) done(bitcask_close(o->handle, &error));
    o->kind = 0;
}

/* A place for a new object; one of the same name is freed (a store was closed by then). */
static object *place(char what, const char *name)
{
    object *unused = NULL;
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        if (o->kind == what && strcmp(o->name, name) == 0) free_object(o);
        if (o->kind == 0) unused = o;
    }
    if (!unused) exit(2);
    *unused = (object){.kind = what, .name = name};
    return unused;
}

static bitcask_db *store_of(const char *name) { return find('s', option("of") ? option("of") : name)->handle; }

static void open_store(const char *name, char *const *chosen, size_t n)
{
    bitcask_options *o = bitcask_options_new();
    const char *dir = "store", *ms = option_in(chosen, n, "interval_ms"), *limit = option_in(chosen, n, "interval_bytes");
    bool good = call(bitcask_options_set_index(o, kind, &error));
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
            int32_t index = strcmp(v, "btree") == 0 ? BITCASK_INDEX_BTREE : strcmp(v, "hash") == 0 ? BITCASK_INDEX_HASH : !kind;
            good = call(bitcask_options_set_index(o, index, &error));
        } else if (strncmp(s, "durability=", len) == 0) {
            int32_t d = strcmp(v, "none") == 0 ? BITCASK_DURABILITY_NONE
                        : strcmp(v, "always") == 0 ? BITCASK_DURABILITY_ALWAYS : BITCASK_DURABILITY_INTERVAL;
            good = call(bitcask_options_set_durability(o, d, &error));
        } else if (strncmp(s, "max_file_size=", len) == 0) {
            good = call(bitcask_options_set_max_file_size(o, strtoull(v, NULL, 10), &error));
        } else if (strncmp(s, "create=", len) == 0) good = call(bitcask_options_set_create_if_missing(o, on, &error));
        else if (strncmp(s, "read_only=", len) == 0) good = call(bitcask_options_set_read_only(o, on, &error));
        else if (strncmp(s, "verify=", len) == 0) good = call(bitcask_options_set_verify_checksums(o, on, &error));
        else if (strncmp(s, "on_damage=", len) == 0) {
            int32_t policy = strcmp(v, "serve") == 0 ? BITCASK_ON_DAMAGE_SERVE : BITCASK_ON_DAMAGE_REFUSE;
            good = call(bitcask_options_set_on_damage(o, policy, &error));
        } else if (strncmp(s, "interval_", 9) != 0 || !ms || !limit) {
            problem("unknown option", s);
            good = false;
        }
    }
    char path[PATH_LEN];
    snprintf(path, sizeof path, "%s/%s", scratch, dir);
    bitcask_db *db = NULL;
    if (good && call(bitcask_open(path, o, &db, &error))) {
        object *store = place('s', name);
        store->handle = db;
        for (size_t i = 0; i < n; i++) store->options[i] = chosen[i];
        word("OK");
    }
    bitcask_options_free(o);
}

static void reopen(const char *name)
{
    object *store = find('s', name);
    char *merged[2 * MAX_OPTIONS];
    size_t n = 0;
    while (n < n_options) {
        merged[n] = options[n];
        n++;
    }
    for (char **old = store->options; *old; old++) {
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)(strchr(*old, '=') - *old), *old);
        bool replaced = option(key) || (option("durability") && strncmp(key, "interval_", 9) == 0);
        if (!replaced) merged[n++] = *old;
    }
    store->closed = true;
    if (call(bitcask_close(store->handle, &error))) open_store(name, merged, n);
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
        else if (strncmp(s, "of=", len) != 0) problem("unknown option", s);
    }
    return o;
}

static bool iter_new(bitcask_db *db, bitcask_iter **iter)
{
    bitcask_iter_options *o = iter_options();
    bool good = !*trouble && n_got == 0 && call(bitcask_iter_new(db, o, iter, &error));
    bitcask_iter_options_free(o);
    return good;
}

/* ---- operations ---- */

/* `iter` (one record a call) and `count` (page-wise, which checks the order). */
static void read_all(bitcask_db *db, bool count)
{
    bitcask_iter *iter = NULL;
    if (!iter_new(db, &iter)) return;
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
            if (last.data && (yes("reverse") ? order >= 0 : order <= 0)) problem("wrong order", file_name);
            free(last.data);
            last = copy(e->key, e->key_len);
        }
        if (!more && count && n_got == 0) number(records);
        if (!more && !count && n_got == 0) word("none");
    }
    free(last.data);
    bitcask_iter_free(iter);
}

/* `fill` and `filled` of a store, and `batch_fill`. */
static void fill(const char *op, void *handle)
{
    bytes prefix;
    if (!parse(arg(1), &prefix)) problem("no bytes", arg(1));
    uint64_t same = 0;
    bool good = true;
    for (uint32_t i = 0; good && i < arg_number(0); i++) {
        bytes key = {allocate(prefix.len + 4), prefix.len + 4}, value = generated(i, (size_t)arg_number(2));
        memcpy(key.data, prefix.data, prefix.len);
        for (int b = 0; b < 4; b++) key.data[prefix.len + (size_t)b] = (uint8_t)(i >> (24 - 8 * b));
        lend_data(key);
        if (strcmp(op, "filled") == 0) {
            bitcask_value *found = NULL;
            const uint8_t *data = NULL;
            size_t len = 0;
            int32_t status = bitcask_get(handle, key.data, key.len, &found, &error);
            good = status == BITCASK_NOT_FOUND || call(status);
            if (good && found && call(bitcask_value_bytes(found, &data, &len))) {
                same += len == value.len && memcmp(data, value.data, len) == 0;
            }
            bitcask_value_free(found);
            free(value.data);
        } else {
            lend_data(value);
            good = call(strcmp(op, "fill") == 0
                            ? bitcask_put(handle, key.data, key.len, value.data, value.len, BITCASK_WRITE_DEFAULT, &error)
                            : bitcask_batch_put(handle, key.data, key.len, value.data, value.len, &error));
        }
        end_loan();
    }
    free(prefix.data);
    if (good && strcmp(op, "filled") == 0) number(same);
    else if (good) word("OK");
}

static void flip(void)
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

static void run_batch(const char *op, const char *name)
{
    if (is(op, "batch_new")) {
        bitcask_batch *batch = NULL;
        if (call(bitcask_batch_new(store_of("db"), &batch, &error))) {
            place('b', name)->handle = batch;
            word("OK");
        }
        return;
    }
    object *o = find('b', name);
    bitcask_batch *batch = o->handle;
    if (is(op, "batch_put")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        done(bitcask_batch_put(batch, key.data, key.len, value.data, value.len, &error));
    } else if (is(op, "batch_delete")) {
        bytes key = lend(arg(0));
        done(bitcask_batch_delete(batch, key.data, key.len, &error));
    } else if (is(op, "batch_len")) {
        size_t len = 0;
        if (call(bitcask_batch_len(batch, &len, &error))) number(len);
    } else if (is(op, "batch_clear")) done(bitcask_batch_clear(batch, &error));
    else if (is(op, "batch_commit")) done(bitcask_batch_commit(batch, BITCASK_WRITE_DEFAULT, &error));
    else if (is(op, "batch_commit_sync")) done(bitcask_batch_commit(batch, BITCASK_WRITE_SYNC, &error));
    else if (is(op, "batch_fill")) fill(op, batch);
    else if (is(op, "batch_free")) {
        free_object(o);
        word("OK");
    } else problem("unknown operation", op);
}

static void run_iter(const char *op, const char *name)
{
    if (is(op, "iter_open")) {
        bitcask_iter *iter = NULL;
        if (iter_new(store_of("db"), &iter)) {
            object *o = place('i', name);
            o->handle = iter;
            o->keys_only = yes("keys_only");
            word("OK");
        }
        return;
    }
    object *o = find('i', name);
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
    } else if (is(op, "iter_rewind")) done(bitcask_iter_rewind(o->handle, &error));
    else if (is(op, "iter_free")) {
        free_object(o);
        word("OK");
    } else problem("unknown operation", op);
}

static void run_store(const char *op, const char *name)
{
    static const char *const figures[] = {"keys", "files", "data_bytes", "index_bytes", "last_seq", "damaged_places", "damaged_bytes"};
    object *o = find('s', name);
    bitcask_db *db = o->handle;
    if (is(op, "close")) {
        o->closed = true;
        done(bitcask_close(db, &error));
    } else if (is(op, "put") || is(op, "put_sync")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        uint32_t flags = is(op, "put") ? BITCASK_WRITE_DEFAULT : BITCASK_WRITE_SYNC;
        done(bitcask_put(db, key.data, key.len, value.data, value.len, flags, &error));
    } else if (is(op, "get")) {
        bytes key = lend(arg(0));
        bitcask_value *value = NULL;
        if (call(bitcask_get(db, key.data, key.len, &value, &error))) give_value(value);
        bitcask_value_free(value);
    } else if (is(op, "get_into")) {
        bytes key = lend(arg(0));
        size_t capacity = (size_t)arg_number(1), len = 0;
        uint8_t *buffer = allocate(capacity);
        int32_t status = bitcask_get_into(db, key.data, key.len, buffer, capacity, &len, &error);
        if (call(status)) give('b', copy(buffer, len), (bytes){0});
        else if (status == BITCASK_BUFFER_TOO_SMALL) number(len);
        free(buffer);
    } else if (is(op, "contains")) {
        bytes key = lend(arg(0));
        int32_t status = bitcask_contains(db, key.data, key.len, &error);
        if (status == BITCASK_NOT_FOUND) word("no");
        else if (call(status)) word("yes");
    } else if (is(op, "delete") || is(op, "delete_sync")) {
        bytes key = lend(arg(0));
        bool existed = false;
        uint32_t flags = is(op, "delete") ? BITCASK_WRITE_DEFAULT : BITCASK_WRITE_SYNC;
        if (call(bitcask_delete(db, key.data, key.len, flags, &existed, &error))) word(existed ? "yes" : "no");
    } else if (is(op, "len")) {
        uint64_t keys = 0;
        if (call(bitcask_len(db, &keys, &error))) number(keys);
    } else if (is(op, "sync")) done(bitcask_sync(db, &error));
    else if (is(op, "stat")) {
        uint64_t known[BITCASK_STAT_COUNT] = {0};
        size_t count = 0, i = 0;
        while (i < BITCASK_STAT_COUNT && !is(arg(0), figures[i])) i++;
        if (i == BITCASK_STAT_COUNT) problem("unknown figure", arg(0));
        else if (call(bitcask_stats(db, known, BITCASK_STAT_COUNT, &count, &error))) number(known[i]);
    } else if (is(op, "iter") || is(op, "count")) read_all(db, is(op, "count"));
    else if (is(op, "fill") || is(op, "filled")) fill(op, db);
    else problem("unknown operation", op);
}

static void run_op(char *op)
{
    char *name = strchr(op, '@');
    if (name) *name++ = '\0';
    if (is(op, "open")) open_store(name ? name : "db", options, n_options);
    else if (is(op, "reopen")) reopen(name ? name : "db");
    else if (is(op, "flip")) flip();
    else if (is(op, "hold")) {
        bytes key = lend(arg(0));
        bitcask_value *value = NULL;
        if (call(bitcask_get(store_of("db"), key.data, key.len, &value, &error))) {
            place('v', name ? name : "v")->handle = value;
            word("OK");
        }
    } else if (is(op, "held")) give_value(find('v', name ? name : "v")->handle);
    else if (is(op, "release")) {
        free_object(find('v', name ? name : "v"));
        word("OK");
    } else if (strncmp(op, "batch_", 6) == 0) run_batch(op, name ? name : "b");
    else if (strncmp(op, "iter_", 5) == 0) run_iter(op, name ? name : "it");
    else run_store(op, name ? name : "db");
    end_loan();
}

/* ---- cases ---- */

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char inner[PATH_LEN];
        if (is(e->d_name, ".") || is(e->d_name, "..")) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        remove_tree(inner);
    }
    if (dir) closedir(dir);
    remove(path);
}

static size_t passed, failed;
static bool in_case, case_failed;

static void fail(int line, const char *name)
{
    case_failed = true;
    printf("%s:%d: %s [%s]: ", file_name, line, name, KINDS[kind]);
    print_difference();
}

/* Frees what the case left open, children first; a close that fails here is a failure too. */
static void end_case(int line, const char *name)
{
    if (!in_case) return;
    forget_results();
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        if (o->kind != 's') free_object(o);
    }
    *trouble = '\0';
    static char what[] = "close-at-the-end", result[] = "OK";
    tokens[0] = what, wanted[0] = result;
    n_before = n_wanted = 1;
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        bool open = o->kind == 's' && !o->closed;
        free_object(o);
        if (open && !case_failed && !as_wanted()) fail(line, name);
        forget_results();
    }
    remove_tree(scratch);
    if (case_failed) failed++;
    else passed++;
    in_case = false;
}

static void run_file(const char *path, bool skip_large)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    bytes text = {NULL, (size_t)ftell(f)};
    rewind(f);
    text.data = allocate(text.len + 1); /* objects point into it for their names and options */
    text.len = fread(text.data, 1, text.len, f);
    text.data[text.len] = '\0';
    fclose(f);
    const char *name = "";
    int number_of_line = 0;
    for (char *line = (char *)text.data, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        number_of_line++;
        if (!*line || *line == '#') continue;
        if (strncmp(line, "case ", 5) == 0) {
            end_case(number_of_line, name);
            split(line);
            name = arg(0);
            bool large = false;
            reuse = case_failed = false;
            for (size_t i = 1; i < n_args; i++) {
                large = large || is(arg(i), "large");
                reuse = reuse || is(arg(i), "reuse");
            }
            in_case = !(large && skip_large) && (!option("index") || is(option("index"), KINDS[kind]));
            if (in_case && mkdir(scratch, 0700) != 0) {
                perror(scratch);
                exit(2);
            }
        } else if (in_case && !case_failed) {
            split(line);
            run_op(tokens[0]);
            if (!as_wanted()) fail(number_of_line, name);
            forget_results();
        }
    }
    end_case(number_of_line, name);
    free(text.data);
}

static int is_case_file(const struct dirent *e)
{
    size_t len = strlen(e->d_name);
    return len > 5 && is(e->d_name + len - 5, ".case");
}

int main(int argc, char **argv)
{
    bool skip_large = false;
    const char *only = NULL;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (is(argv[i], "--skip-large")) skip_large = true;
        else if (is(argv[i], "--index") && i + 1 < argc) only = argv[++i];
    }
    if (argc - i != 2) {
        fputs("usage: runner [--skip-large] [--index btree|hash] CASES_DIR SCRATCH_DIR (which must not exist)\n", stderr);
        return 2;
    }
    scratch = argv[i + 1];
    struct dirent **names;
    int n = scandir(argv[i], &names, is_case_file, alphasort);
    for (int j = 0; j < n; j++) {
        char path[PATH_LEN];
        snprintf(path, sizeof path, "%s/%s", argv[i], names[j]->d_name);
        file_name = names[j]->d_name;
        for (kind = 0; kind < 2; kind++) {
            if (!only || is(only, KINDS[kind])) run_file(path, skip_large);
        }
        free(names[j]);
    }
    if (n >= 0) free(names);
    free(got);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed || !passed;
}
