// The README's program in C. What is between the markers stands in README.md. It works in the directory that it is started in.

#include <bitcask.h>
#include <stdio.h>

int main(void) {
    // README begins.
    bitcask_db *db;
    bitcask_error *error;
    if (bitcask_open("store", NULL, &db, &error) != BITCASK_OK) {
        fprintf(stderr, "%s\n", bitcask_error_message(error));
        return 1;
    }
    bitcask_put(db, (const uint8_t *)"user:1", 6, (const uint8_t *)"Ada", 3, BITCASK_WRITE_SYNC, &error);
    uint8_t buf[256];
    size_t len;
    if (bitcask_get_into(db, (const uint8_t *)"user:1", 6, buf, sizeof buf, &len, &error) == BITCASK_OK)
        fwrite(buf, 1, len, stdout);
    bitcask_close(db, &error);
    // README ends.
    return 0;
}
