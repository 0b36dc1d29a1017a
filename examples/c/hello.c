// The store in C: open, put, get, a batch, all keys with a prefix, close.
//
//   cc hello.c -Iinclude -Ltarget/release -lbitcask -o hello && ./hello DIRECTORY

#include <bitcask.h>
#include <stdio.h>
#include <stdlib.h>

static bitcask_error *error;

// Ends the program if a call failed. Finding no key is no failure.
static int32_t check(int32_t status) {
    if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) {
        fprintf(stderr, "hello: %s\n", bitcask_error_message(error));
        exit(1);
    }
    return status;
}

static const uint8_t *bytes(const char *text) { return (const uint8_t *)text; }

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: hello DIRECTORY\n");
        return 2;
    }
    bitcask_db *db;
    check(bitcask_open(argv[1], NULL, &db, &error));
    check(bitcask_put(db, bytes("user:1"), 6, bytes("Ada"), 3, BITCASK_WRITE_DEFAULT, &error));

    bitcask_value *value;
    if (check(bitcask_get(db, bytes("user:1"), 6, &value, &error)) == BITCASK_OK) {
        const uint8_t *data;
        size_t len;
        bitcask_value_bytes(value, &data, &len);
        printf("user:1 is %.*s\n", (int)len, (const char *)data);
        bitcask_value_free(value);
    }

    // All of it or nothing, after any crash.
    bitcask_batch *batch;
    check(bitcask_batch_new(db, &batch, &error));
    check(bitcask_batch_put(batch, bytes("user:2"), 6, bytes("Grace"), 5, &error));
    check(bitcask_batch_put(batch, bytes("user:3"), 6, bytes("Edsger"), 6, &error));
    check(bitcask_batch_delete(batch, bytes("user:1"), 6, &error));
    check(bitcask_batch_commit(batch, BITCASK_WRITE_SYNC, &error));
    bitcask_batch_free(batch);

    bitcask_iter_options *options = bitcask_iter_options_new();
    check(bitcask_iter_options_set_prefix(options, bytes("user:"), 5, &error));
    bitcask_iter *iter;
    check(bitcask_iter_new(db, options, &iter, &error));
    bitcask_iter_options_free(options);
    bitcask_entry entry;
    while (check(bitcask_iter_next(iter, &entry, &error)) == BITCASK_OK) {
        printf("%.*s: %.*s\n", (int)entry.key_len, (const char *)entry.key, (int)entry.value_len, (const char *)entry.value);
    }
    bitcask_iter_free(iter);
    check(bitcask_close(db, &error));
    return 0;
}
