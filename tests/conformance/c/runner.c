/*
 * Runs the conformance cases through the C ABI. README.md defines their language; this file runs cases under each combination of kinds, those
 * beside it know the language and the operations on each kind of object, and none knows a case.
 * Usage: runner [--skip-large] [--index KIND] [--io KIND] CASES_DIR SCRATCH_DIR
 */
#define _XOPEN_SOURCE 700
#include "runner.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *file_name;

/* What begins with a prefix, or is one of a few, belongs to one kind of object, whose name is default_name unless the case gives one. */
static const struct {
    const char *prefix, *default_name;
    void (*run)(const char *op, const char *name);
} GROUPS[] = {
    {"batch_commit_seq", "b", run_numbered}, {"batch_", "b", run_batch},       {"bulk_", "l", run_bulk},
    {"snapshot_", "s", run_snapshot},        {"txn_", "t", run_txn},           {"iter_", "it", run_iter},
    {"async_", "w", run_queue},              {"outcome", "w", run_queue},      {"put_seq", "db", run_numbered},
    {"delete_seq", "db", run_numbered},      {"last_seq", "db", run_numbered}, {"durable_seq", "db", run_numbered},
    {"compare_and_swap_ttl", "db", run_store}, {"fetch_add_ttl", "db", run_store},
    {"compare_and_swap", "db", run_atomic},  {"compare", "db", run_numbered},  {"wait_durable", "db", run_numbered},
    {"put_if_absent_ttl", "db", run_store},
    {"put_if_absent", "db", run_atomic},     {"fetch_add", "db", run_atomic},  {"update_append", "db", run_atomic},
    {"update_delete", "db", run_atomic},     {"hold", "v", run_value},         {"held", "v", run_value},
    {"release", "v", run_value},             {"merge", "db", run_merge},         {"file_", "db", run_merge},
    {"", "db", run_store},
};

static void run_op(char *op)
{
    char *name = strchr(op, '@');
    if (name) *name++ = '\0';
    if (is(op, "open")) open_store(name ? name : "db", options, n_options);
    else if (is(op, "reopen")) reopen(name ? name : "db");
    else if (is(op, "flip")) flip();
    else {
        size_t i = 0;
        while (strncmp(op, GROUPS[i].prefix, strlen(GROUPS[i].prefix)) != 0) i++;
        GROUPS[i].run(op, name ? name : GROUPS[i].default_name);
    }
    end_loan();
}

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
    printf("%s:%d: %s [%s %s]: ", file_name, line, name, KINDS[kind], IO_KINDS[io]);
    print_difference();
}

/* Frees what the case left open, children first; a close that fails here is a failure too. */
static void end_case(int line, const char *name)
{
    if (!in_case) return;
    forget_results();
    static const char children[] = {ITER, TXN, SNAPSHOT, BATCH, BULK, QUEUED, VALUE, NUMBER, SAVEPOINT};
    for (size_t i = 0; i < sizeof children; i++) {
        for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
            if (o->kind == children[i]) free_object(o);
        }
    }
    *trouble = '\0';
    static char what[] = "close-at-the-end", result[] = "OK";
    tokens[0] = what, wanted[0] = result;
    n_before = n_wanted = 1;
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        bool open = o->kind == STORE && !o->closed;
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
            bool large = false, ordered = false;
            reuse = case_failed = false;
            for (size_t i = 1; i < n_args; i++) {
                large = large || is(arg(i), "large");
                reuse = reuse || is(arg(i), "reuse");
                ordered = ordered || is(arg(i), "ordered");
            }
            in_case = !(large && skip_large) && !(ordered && kind == BITCASK_INDEX_HASH) &&
                      (!option("index") || is(option("index"), KINDS[kind])) && (!option("io") || is(option("io"), IO_KINDS[io]));
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
    const char *only = NULL, *only_io = NULL;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (is(argv[i], "--skip-large")) skip_large = true;
        else if (is(argv[i], "--index") && i + 1 < argc) only = argv[++i];
        else if (is(argv[i], "--io") && i + 1 < argc) only_io = argv[++i];
    }
    if (argc - i != 2) {
        fputs("usage: runner [--skip-large] [--index KIND] [--io KIND] CASES_DIR SCRATCH_DIR (which must not exist)\n", stderr);
        return 2;
    }
    scratch = argv[i + 1];
    struct dirent **names;
    int n = scandir(argv[i], &names, is_case_file, alphasort);
    for (int j = 0; j < n; j++) {
        char path[PATH_LEN];
        snprintf(path, sizeof path, "%s/%s", argv[i], names[j]->d_name);
        file_name = names[j]->d_name;
        for (kind = 0; kind < N_KINDS; kind++) {
            for (io = 0; io < N_IO_KINDS; io++) {
                bool wanted_one = (!only || is(only, KINDS[kind])) && (!only_io || is(only_io, IO_KINDS[io]));
                if (wanted_one && has_kind(kind)) run_file(path, skip_large);
            }
        }
        free(names[j]);
    }
    if (n >= 0) free(names);
    free(got);
    end_loans();
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed || !passed;
}
