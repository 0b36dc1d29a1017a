/* What opening tells of a store that was damaged, torn, or lost its hints, and iterators that pass damage. */
#include "check.h"

/* Changes the byte at an offset of a file in a store. */
static void spoil(const char *store, const char *name, long offset) {
    char path[5100];
    snprintf(path, sizeof path, "%s/%s", in_dir(store), name);
    FILE *file = fopen(path, "r+b");
    if (CHECK(file != NULL)) {
        CHECK(fseek(file, offset, SEEK_SET) == 0);
        const int byte = fgetc(file);
        CHECK(fseek(file, offset, SEEK_SET) == 0 && fputc(byte ^ 0x55, file) >= 0 && fclose(file) == 0);
    }
}

static bitcask_open_report *report_of(bitcask_db *db, uint64_t figures[BITCASK_OPEN_COUNT]) {
    bitcask_open_report *report = NULL;
    size_t count = 0;
    OK(bitcask_report_of_opening(db, &report, &error));
    STATUS(bitcask_open_report_figures(report, figures, BITCASK_OPEN_COUNT, &count), BITCASK_OK);
    CHECK(count == BITCASK_OPEN_COUNT);
    return report;
}

static bitcask_db *open_again(const char *name, int32_t index, bool read_only) {
    bitcask_db *db = NULL;
    bitcask_options *options = bitcask_options_new();
    OK(bitcask_options_set_index(options, index, &error));
    OK(bitcask_options_set_on_damage(options, BITCASK_ON_DAMAGE_SERVE, &error));
    OK(bitcask_options_set_read_only(options, read_only, &error));
    OK(bitcask_open(in_dir(name), options, &db, &error));
    bitcask_options_free(options);
    return db;
}

static void whole(void) {
    uint64_t figures[BITCASK_OPEN_COUNT];
    bitcask_db *db = open_store("whole");
    bitcask_open_report *report = report_of(db, figures);
    CHECK(figures[BITCASK_OPEN_FILES] == 0 && figures[BITCASK_OPEN_LAST_SEQ] == 0 && figures[BITCASK_OPEN_ACTIVE_FILE] == 1);
    bitcask_open_report_free(report);
    put(db, "a", "1");
    put(db, "b", "2");
    OK(bitcask_close(db, &error));

    /* From the saved index; and by another kind, from the hint. */
    db = open_store("whole");
    report = report_of(db, figures);
    CHECK(figures[BITCASK_OPEN_FILES] == 1 && figures[BITCASK_OPEN_LAST_SEQ] == 2);
    CHECK(figures[BITCASK_OPEN_INDEX_USED] == 1 && figures[BITCASK_OPEN_INDEX_SEQ] == 2);
    CHECK(figures[BITCASK_OPEN_DAMAGED_PLACES] + figures[BITCASK_OPEN_TORN_TAILS] + figures[BITCASK_OPEN_UNUSABLE_HINTS] == 0);
    CHECK(strcmp(bitcask_open_report_unusable_index(report), "") == 0);
    OK(bitcask_close(db, &error));
    /* It outlives the store. */
    size_t count = 0;
    STATUS(bitcask_open_report_figures(report, figures, 1, &count), BITCASK_OK);
    CHECK(figures[BITCASK_OPEN_FILES] == 1);
    bitcask_open_report_free(report);
    db = open_again("whole", BITCASK_INDEX_ART, false);
    report = report_of(db, figures);
    CHECK(figures[BITCASK_OPEN_INDEX_USED] == 0 && figures[BITCASK_OPEN_FILES_FROM_HINT] == 1 && figures[BITCASK_OPEN_HINT_RECORDS] == 2);
    bitcask_open_report_free(report);
    OK(bitcask_close(db, &error));
    db = open_again("whole", BITCASK_INDEX_BTREE, true);
    report = report_of(db, figures);
    CHECK(figures[BITCASK_OPEN_ACTIVE_FILE] == 0 && figures[BITCASK_OPEN_LAST_SEQ] == 2);
    bitcask_open_report_free(report);
    OK(bitcask_close(db, &error));
}

static void spoilt(void) {
    uint64_t figures[BITCASK_OPEN_COUNT];
    bitcask_finding found = {NULL, 7, 7, NULL};
    bitcask_db *db = open_store("spoilt");
    put(db, "a", "1");
    put(db, "b", "a value that will be damaged");
    put(db, "c", "3");
    put(db, "d", "4");
    OK(bitcask_close(db, &error));
    spoil("spoilt", "index.checkpoint", 20);
    spoil("spoilt", "1.hint", 20);
    /* Behind two headers and the first record, which is of 32 bytes, within the second's value. */
    spoil("spoilt", "1.data", 128 + 32 + 40);
    db = open_again("spoilt", BITCASK_INDEX_BTREE, false);
    bitcask_open_report *report = report_of(db, figures);
    CHECK(figures[BITCASK_OPEN_DAMAGED_PLACES] == 1 && figures[BITCASK_OPEN_TORN_TAILS] == 0);
    CHECK(figures[BITCASK_OPEN_UNUSABLE_HINTS] == 1 && figures[BITCASK_OPEN_INDEX_USED] == 0);
    CHECK(strlen(bitcask_open_report_unusable_index(report)) > 0);
    STATUS(bitcask_open_report_finding(report, BITCASK_OPEN_DAMAGE, 0, &found), BITCASK_OK);
    CHECK(strstr(found.path, "1.data") != NULL && found.offset == 128 + 32 && found.len == 60 && strlen(found.text) > 0);
    STATUS(bitcask_open_report_finding(report, BITCASK_OPEN_UNUSABLE_HINT, 0, &found), BITCASK_OK);
    CHECK(strstr(found.path, "1.hint") != NULL && found.offset == 0 && found.len == 0 && strlen(found.text) > 0);
    STATUS(bitcask_open_report_finding(report, BITCASK_OPEN_DAMAGE, 1, &found), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_open_report_finding(report, BITCASK_OPEN_TORN_TAIL, 0, &found), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_open_report_finding(report, 3, 0, &found), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_open_report_finding(report, -1, 0, &found), BITCASK_INVALID_ARGUMENT);
    STATUS(bitcask_open_report_finding(report, BITCASK_OPEN_DAMAGE, 0, NULL), BITCASK_NULL_ARGUMENT);
    bitcask_open_report_free(report);
    CHECK(has(db, "a", "1") && has(db, "c", "3"));
    OK(bitcask_close(db, &error));
}

static void passed(void) {
    bitcask_db *db = open_store("passed");
    bitcask_iter *iter = NULL;
    bitcask_entry entry;
    put(db, "a", "1");
    put(db, "b", "a value that will be damaged");
    put(db, "c", "3");
    spoil("passed", "1.data", 128 + 32 + 40);
    OK(bitcask_iter_new(db, NULL, &iter, &error));
    OK(bitcask_iter_skip_damaged(iter, &error));
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.key_len == 1 && *entry.key == 'a');
    OUTCOME(bitcask_iter_next(iter, &entry, &error), BITCASK_CORRUPTED);
    OUTCOME(bitcask_iter_next(iter, &entry, &error), BITCASK_CORRUPTED);
    OK(bitcask_iter_skip_damaged(iter, &error));
    OK(bitcask_iter_skip_damaged(iter, &error));
    OK(bitcask_iter_next(iter, &entry, &error));
    CHECK(entry.key_len == 1 && *entry.key == 'c');
    OUTCOME(bitcask_iter_next(iter, &entry, &error), BITCASK_NOT_FOUND);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_iter_skip_damaged(iter, &error), BITCASK_CLOSED);
    bitcask_iter_free(iter);
    OUTCOME(bitcask_iter_skip_damaged(iter, &error), BITCASK_INVALID_HANDLE);
    OUTCOME(bitcask_iter_skip_damaged(NULL, &error), BITCASK_NULL_ARGUMENT);
}

static void misuse(void) {
    bitcask_db *db = open_store("misuse");
    bitcask_open_report *report = NULL;
    uint64_t figures[1] = {7};
    size_t count = 7;
    OUTCOME(bitcask_report_of_opening(NULL, &report, &error), BITCASK_NULL_ARGUMENT);
    OUTCOME(bitcask_report_of_opening(db, NULL, &error), BITCASK_NULL_ARGUMENT);
    OK(bitcask_report_of_opening(db, &report, &error));
    STATUS(bitcask_open_report_figures(report, NULL, 0, &count), BITCASK_OK);
    CHECK(count == BITCASK_OPEN_COUNT);
    STATUS(bitcask_open_report_figures(report, NULL, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_open_report_figures(report, figures, 1, NULL), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_open_report_figures(NULL, figures, 1, &count), BITCASK_NULL_ARGUMENT);
    STATUS(bitcask_open_report_figures((bitcask_open_report *)db, figures, 1, &count), BITCASK_INVALID_HANDLE);
    /* Another report's type. */
    STATUS(bitcask_merge_report_figures((bitcask_merge_report *)report, figures, 1, &count), BITCASK_INVALID_HANDLE);
    CHECK(strcmp(bitcask_open_report_unusable_index(NULL), "") == 0 && figures[0] == 7);
    bitcask_open_report_free(report);
    bitcask_open_report_free(report);
    bitcask_open_report_free(NULL);
    STATUS(bitcask_open_report_figures(report, figures, 1, &count), BITCASK_INVALID_HANDLE);
    OK(bitcask_close(db, &error));
    OUTCOME(bitcask_report_of_opening(db, &report, &error), BITCASK_INVALID_HANDLE);
}

int main(void) {
    begin();
    whole();
    spoilt();
    passed();
    misuse();
    return end("opening");
}
