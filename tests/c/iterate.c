/* Iterators: ranges, directions, pages, and what stays valid until when. */
#include "check.h"

/* All keys that an iterator gives from here on, separated by spaces. */
static const char *rest(bitcask_iter *iter) {
    static char keys[4096];
    size_t used = 0;
    bitcask_entry entry;
    int32_t status;
    while ((status = bitcask_iter_next(iter, &entry, NULL)) == BITCASK_OK && used + entry.key_len + 2 < sizeof keys) {
        CHECK(entry.key != NULL && entry.value != NULL);
        used += (size_t)snprintf(keys + used, sizeof keys - used, "%s%.*s", used ? " " : "", (int)entry.key_len, (const char *)entry.key);
    }
    STATUS(status, BITCASK_NOT_FOUND);
    keys[used] = 0;
    return keys;
}

static bitcask_iter *iter_of(bitcask_db *db, const bitcask_iter_options *options) {
    bitcask_iter *iter = NULL;
    OK(bitcask_iter_new(db, options, &iter, &error));
    return iter;
}

static void gives(bitcask_db *db, const bitcask_iter_options *options, const char *want, int line) {
    bitcask_iter *iter = iter_of(db, options);
    const char *got = rest(iter);
    if (!check(strcmp(got, want) == 0, "the records of the range", __FILE__, line)) {
        fprintf(stderr, "    got '%s', not '%s'\n", got, want);
    }
    bitcask_iter_free(iter);
}

#define GIVES(want) gives(db, options, want, __LINE__)
#define AGAIN() (bitcask_iter_options_free(options), options = bitcask_iter_options_new(), CHECK(options != NULL))

static void ranges(bitcask_db *db) {
    bitcask_iter_options *options = NULL;
    GIVES("a ab b ba c d");
    AGAIN();
    GIVES("a ab b ba c d");
    OK(bitcask_iter_options_set_prefix(options, S("b"), &error));
    GIVES("b ba");
    OK(bitcask_iter_options_set_prefix(options, NULL, 0, &error));
    OK(bitcask_iter_options_set_start(options, S("ab"), true, &error));
    GIVES("ab b ba c d");
    OK(bitcask_iter_options_set_start(options, S("ab"), false, &error));
    GIVES("b ba c d");
    OK(bitcask_iter_options_set_end(options, S("c"), false, &error));
    GIVES("b ba");
    OK(bitcask_iter_options_set_end(options, S("c"), true, &error));
    GIVES("b ba c");
    OK(bitcask_iter_options_set_reverse(options, true, &error));
    GIVES("c ba b");
    OK(bitcask_iter_options_set_limit(options, 2, &error));
    GIVES("c ba");
    OK(bitcask_iter_options_set_limit(options, 0, &error));
    GIVES("");
    AGAIN();
    OK(bitcask_iter_options_set_start(options, S("c"), true, &error));
    OK(bitcask_iter_options_set_end(options, S("b"), true, &error));
    GIVES("");
    AGAIN();
    OK(bitcask_iter_options_set_start(options, S("bz"), true, &error));
    GIVES("c d");
    bitcask_iter_options_free(options);
}

static void keys_only(bitcask_db *db) {
    bitcask_iter_options *options = bitcask_iter_options_new();
    bitcask_entry entry;
    OK(bitcask_iter_options_set_keys_only(options, true, &error));
    bitcask_iter *iter = iter_of(db, options);
    bitcask_iter_options_free(options);
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.key_len == 1 && entry.key[0] == 'a' && entry.value_len == 0 && entry.value != NULL);
    bitcask_iter_free(iter);
    iter = iter_of(db, NULL);
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.value_len == 1 && entry.value[0] == '1');
    bitcask_iter_free(iter);
}

static void positions(bitcask_db *db) {
    bitcask_iter *iter = iter_of(db, NULL);
    OK(bitcask_iter_seek(iter, S("b"), &error));
    CHECK(strcmp(rest(iter), "b ba c d") == 0);
    OK(bitcask_iter_seek(iter, S("bb"), &error));
    CHECK(strcmp(rest(iter), "c d") == 0);
    OK(bitcask_iter_seek(iter, S("z"), &error));
    CHECK(strcmp(rest(iter), "") == 0);
    OK(bitcask_iter_seek(iter, NULL, 0, &error));
    CHECK(strcmp(rest(iter), "a ab b ba c d") == 0);
    OK(bitcask_iter_rewind(iter, &error));
    CHECK(strcmp(rest(iter), "a ab b ba c d") == 0);
    OUTCOME(bitcask_iter_next(iter, &(bitcask_entry){0}, &error), BITCASK_NOT_FOUND);
    bitcask_iter_free(iter);

    bitcask_iter_options *options = bitcask_iter_options_new();
    OK(bitcask_iter_options_set_reverse(options, true, &error));
    iter = iter_of(db, options);
    bitcask_iter_options_free(options);
    OK(bitcask_iter_seek(iter, S("bb"), &error));
    CHECK(strcmp(rest(iter), "ba b ab a") == 0);
    bitcask_iter_free(iter);
}

static void pages(bitcask_db *db) {
    bitcask_iter *iter = iter_of(db, NULL);
    const bitcask_entry *entries = NULL;
    bitcask_entry entry;
    size_t count = 99;
    OK(bitcask_iter_next_page(iter, 4, SIZE_MAX, &entries, &count, &error));
    CHECK(count == 4 && memcmp(entries[1].key, "ab", 2) == 0 && entries[3].value[0] == '4');
    OK(bitcask_iter_next_page(iter, SIZE_MAX, SIZE_MAX, &entries, &count, &error));
    CHECK(count == 2 && entries[1].key[0] == 'd');
    OK(bitcask_iter_next_page(iter, 4, SIZE_MAX, &entries, &count, &error));
    CHECK(count == 0);
    /* A page after single records goes on where they ended, though they were read ahead. */
    OK(bitcask_iter_rewind(iter, &error));
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.key[0] == 'a' && entry.key_len == 1);
    OK(bitcask_iter_next_page(iter, 2, SIZE_MAX, &entries, &count, &error));
    CHECK(count == 2 && memcmp(entries[0].key, "ab", 2) == 0);
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.key_len == 2 && memcmp(entry.key, "ba", 2) == 0);
    /* At least one record, however few bytes. */
    OK(bitcask_iter_rewind(iter, &error));
    for (int i = 0; i < 6; i++) {
        OK(bitcask_iter_next_page(iter, 100, 0, &entries, &count, &error));
        CHECK(count == 1);
    }
    OK(bitcask_iter_next_page(iter, 100, 0, &entries, &count, &error));
    CHECK(count == 0);
    bitcask_iter_free(iter);
}

/* More records than are read ahead, pages of many sizes, both calls mixed: each record once and in order. */
static void many_records(bitcask_db *db) {
    char key[16];
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(key, sizeof key, "%06u", n);
        put(db, key, key);
    }
    bitcask_iter_options *options = bitcask_iter_options_new();
    OK(bitcask_iter_options_set_end(options, S("1"), false, &error));
    for (size_t size = 1; size < 300; size = size * 2 + 1) {
        bitcask_iter *iter = iter_of(db, options);
        unsigned seen = 0;
        size_t count = 1;
        while (count > 0) {
            const bitcask_entry *entries = NULL;
            bitcask_entry entry;
            OK(bitcask_iter_next_page(iter, size, 12 * 100, &entries, &count, &error));
            CHECK(count <= size && count <= 100);
            for (size_t i = 0; i < count; i++) {
                snprintf(key, sizeof key, "%06u", seen++);
                CHECK(entries[i].key_len == 6 && memcmp(entries[i].key, key, 6) == 0);
                CHECK(entries[i].value_len == 6 && memcmp(entries[i].value, key, 6) == 0);
            }
            if (seen % 3 == 0 && bitcask_iter_next(iter, &entry, NULL) == BITCASK_OK) {
                snprintf(key, sizeof key, "%06u", seen++);
                CHECK(memcmp(entry.key, key, 6) == 0);
            }
        }
        CHECK(seen == 1000);
        bitcask_iter_free(iter);
    }
    bitcask_iter_options_free(options);
}

static void one_moment(bitcask_db *db) {
    bitcask_iter *iter = iter_of(db, NULL);
    put(db, "aa", "new");
    OK(bitcask_delete(db, S("b"), 0, NULL, &error));
    put(db, "c", "changed");
    const bitcask_entry *entries = NULL;
    size_t count = 0;
    OK(bitcask_iter_next_page(iter, 100, SIZE_MAX, &entries, &count, &error));
    CHECK(count == 6 && entries[2].key[0] == 'b' && entries[4].value_len == 1);
    bitcask_iter_free(iter);
    gives(db, NULL, "a aa ab ba c d", __LINE__);
}

typedef struct {
    bitcask_db *db;
    char text[256];
    int calls, end_at;
} folded;

static int32_t append(void *user_data, const bitcask_entry *record) {
    folded *so_far = user_data;
    const size_t len = strlen(so_far->text);
    snprintf(so_far->text + len, sizeof so_far->text - len, "%.*s=%.*s ", (int)record->key_len, (const char *)record->key,
             (int)record->value_len, (const char *)record->value);
    /* Written meanwhile, and not seen. */
    put(so_far->db, "e", "new");
    return ++so_far->calls == so_far->end_at;
}

typedef struct {
    bitcask_db *db;
    int calls;
} closer;

static int32_t closes(void *user_data, const bitcask_entry *record) {
    closer *of = user_data;
    CHECK(record->key_len == 5 || of->calls >= 1500);
    if (of->calls++ == 0) {
        OK(bitcask_close(of->db, &error));
    }
    return 0;
}

static void folds(const bitcask_options *options) {
    bitcask_db *db = NULL;
    bool empty = false;
    OK(bitcask_open(in_dir("folds"), options, &db, &error));
    OK(bitcask_is_empty(db, &empty, &error));
    CHECK(empty);
    folded all = {.db = db};
    OK(bitcask_fold(db, NULL, append, &all, &error));
    CHECK(all.calls == 0);
    put(db, "b", "2");
    put(db, "a", "");
    put(db, "c", "3");
    OK(bitcask_is_empty(db, &empty, &error));
    CHECK(!empty);
    OK(bitcask_fold(db, NULL, append, &all, &error));
    CHECK(strcmp(all.text, "a= b=2 c=3 ") == 0 && has(db, "e", "new"));
    bitcask_iter_options *range = bitcask_iter_options_new();
    OK(bitcask_iter_options_set_keys_only(range, true, &error));
    OK(bitcask_iter_options_set_reverse(range, true, &error));
    folded keys = {.db = db, .end_at = 3};
    OUTCOME(bitcask_fold(db, range, append, &keys, &error), BITCASK_CANCELLED);
    CHECK(strcmp(keys.text, "e= c= b= ") == 0);
    OUTCOME(bitcask_fold(NULL, NULL, append, &keys, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_fold(db, NULL, NULL, &keys, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_fold(db, (bitcask_iter_options *)db, append, &keys, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_is_empty(NULL, &empty, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_is_empty(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    bitcask_iter_options_free(range);
    /* The page at hand still comes, then CLOSED. */
    char many[16];
    for (int n = 0; n < 1500; n++) {
        snprintf(many, sizeof many, "%05d", n);
        put(db, many, "x");
    }
    closer of = {.db = db};
    OUTCOME(bitcask_fold(db, NULL, closes, &of, &error), BITCASK_CLOSED);
    CHECK(of.calls > 0 && of.calls < 1500);
    OUTCOME(bitcask_fold(db, NULL, append, &keys, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_is_empty(db, &empty, &error), BITCASK_INVALID_HANDLE);
}

int main(void) {
    begin();
    bitcask_options *options = bitcask_options_new();
    const int32_t kinds[] = {BITCASK_INDEX_BTREE, BITCASK_INDEX_HASH};
    for (int kind = 0; kind < 2; kind++) {
        bitcask_db *db = NULL;
        OK(bitcask_options_set_index(options, kinds[kind], &error));
        OK(bitcask_open(in_dir(kind == 0 ? "btree" : "hash"), options, &db, &error));
        const char *keys[] = {"c", "a", "ba", "d", "ab", "b"}, *values[] = {"5", "1", "4", "6", "2", "3"};
        for (int i = 0; i < 6; i++) {
            put(db, keys[i], values[i]);
        }
        ranges(db);
        keys_only(db);
        positions(db);
        pages(db);
        one_moment(db);
        many_records(db);
        OK(bitcask_close(db, &error));
        if (kind == 0) folds(options);
    }
    bitcask_options_free(options);
    return end("iterate");
}
