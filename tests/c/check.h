/* What the C tests share: checks that go on after a failure, a directory of their own, a count at the end. */
#ifndef CHECK_H
#define CHECK_H

#define _XOPEN_SOURCE 700 /* nftw, mkdtemp; so this comes before any other header */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bitcask.h"

static int checks, failures;
static char test_dir[4096];

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
/* The status of a call without an error object, and that of one with: it must have an object exactly if it is an error. */
#define STATUS(call, want) check_status((call), (want), #call, __FILE__, __LINE__)
#define OUTCOME(call, want) \
    do { \
        bitcask_error *error = NULL; \
        int32_t outcome = (call); \
        check_outcome(outcome, (want), error, #call, __FILE__, __LINE__); \
        bitcask_error_free(error); \
    } while (0)
#define OK(call) OUTCOME(call, BITCASK_OK)
/* A string literal as pointer and length. */
#define S(literal) (const uint8_t *)(literal), (sizeof(literal) - 1)

static inline int check(int condition, const char *what, const char *file, int line) {
    __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
    if (!condition) {
        __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
        fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    }
    return condition;
}

static inline void check_status(int32_t got, int32_t want, const char *what, const char *file, int line) {
    if (!check(got == want, what, file, line)) {
        fprintf(stderr, "    got %s, not %s\n", bitcask_status_name(got), bitcask_status_name(want));
    }
}

static inline void check_outcome(int32_t got, int32_t want, const bitcask_error *error, const char *what,
                                 const char *file, int line) {
    check_status(got, want, what, file, line);
    if (got != want && error != NULL) {
        fprintf(stderr, "    %s\n", bitcask_error_message(error));
    }
    if (got == BITCASK_OK || got == BITCASK_NOT_FOUND || got == BITCASK_BUFFER_TOO_SMALL) {
        check(error == NULL, "no error object without an error", file, line);
    } else if (check(error != NULL, "an error has an error object", file, line)) {
        check_status(bitcask_error_status(error), got, "the object has the status", file, line);
        check(strlen(bitcask_error_message(error)) > 0, "an error has a message", file, line);
        check(bitcask_error_path(error) != NULL, "an error's path is never NULL", file, line);
    }
}

/* A path in the test's directory. The last four results stay valid. */
static inline const char *in_dir(const char *name) {
    static char paths[4][5000];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir, name);
    return path;
}

static inline void begin(void) {
    const char *base = getenv("TMPDIR");
    snprintf(test_dir, sizeof test_dir, "%s/bitcask-c-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(test_dir) == NULL) {
        perror("mkdtemp");
        exit(2);
    }
}

static inline int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

static inline int end(const char *name) {
    nftw(test_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    printf("%s: %d checks, %d failed\n", name, checks, failures);
    return failures == 0 ? 0 : 1;
}

static inline bitcask_db *open_store(const char *name) {
    bitcask_db *db = NULL;
    OK(bitcask_open(in_dir(name), NULL, &db, &error));
    if (db == NULL) {
        fprintf(stderr, "without a store there is nothing to test\n");
        exit(end("aborted") + 1);
    }
    return db;
}

static inline void put(bitcask_db *db, const char *key, const char *value) {
    OK(bitcask_put(db, (const uint8_t *)key, strlen(key), (const uint8_t *)value, strlen(value), 0, &error));
}

/* Whether a key has this value; NULL: is not there. */
static inline int has(bitcask_db *db, const char *key, const char *value) {
    char buf[4096];
    size_t len = 0;
    int32_t status = bitcask_get_into(db, (const uint8_t *)key, strlen(key), (uint8_t *)buf, sizeof buf, &len, NULL);
    if (value == NULL) {
        return status == BITCASK_NOT_FOUND;
    }
    return status == BITCASK_OK && len == strlen(value) && memcmp(buf, value, len) == 0;
}

#endif
