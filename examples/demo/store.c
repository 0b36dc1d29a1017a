// Stores every regular file below a directory, then writes all of it again, and again, until it is killed. See README.md.
//
//   store WORK DIRECTORY    the store is WORK/store. When the second round is well under way WORK/midst appears. WORK/acknowledged
//                           holds the number of the last write of that round that returned.
//   store WORK              after all the others: reads what they added, and tells the store's figures.

#include <bitcask.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GIVE_UP_SECONDS = 60 }; // so that a killer who never comes doesn't mean a full disk

static const char *work;
static bitcask_error *error;

static void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("store: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

// Ends the program if a call failed. Finding no key is no failure.
static int32_t check(int32_t status) {
    if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) fail("%s", bitcask_error_message(error));
    return status;
}

static void *grown(void *memory, size_t bytes) {
    void *more = realloc(memory, bytes);
    if (more == NULL) fail("out of memory");
    return more;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *joined(const char *directory, const char *name) {
    size_t len = strlen(directory) + strlen(name) + 2;
    char *path = grown(NULL, len);
    snprintf(path, len, "%s%s%s", directory, *directory == '\0' ? "" : "/", name);
    return path;
}

// ---- Which files ----

static struct {
    char **paths; // below root
    size_t count, room;
    uint64_t bytes;
    size_t not_regular, left_out; // the latter: can't be read, or too large
    const char *root;
    struct stat work;
} files;

static void add_file(char *path, off_t size) {
    if (files.count == files.room) {
        files.room = files.room == 0 ? 1024 : files.room * 2;
        files.paths = grown(files.paths, files.room * sizeof *files.paths);
    }
    files.paths[files.count++] = path;
    files.bytes += (uint64_t)size;
}

static void walk(const char *below) {
    char *full = joined(files.root, below);
    DIR *directory = opendir(full);
    if (directory == NULL) {
        files.left_out++;
        free(full);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = joined(below, entry->d_name), *full_path = joined(full, entry->d_name);
        struct stat stat;
        bool kept = false;
        if (lstat(full_path, &stat) != 0) {
            files.left_out++;
        } else if (S_ISDIR(stat.st_mode)) {
            if (stat.st_dev != files.work.st_dev || stat.st_ino != files.work.st_ino) walk(path);
        } else if (!S_ISREG(stat.st_mode)) {
            files.not_regular++;
        } else {
            add_file(path, stat.st_size);
            kept = true;
        }
        if (!kept) free(path);
        free(full_path);
    }
    closedir(directory);
    free(full);
}

static struct {
    uint8_t *bytes;
    size_t len, room;
} contents;

// Reads a file into contents; false if it can't be, or may not be stored.
static bool read_file(const char *path) {
    if (strlen(path) > BITCASK_MAX_KEY_LEN) return false;
    char *full = joined(files.root, path);
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    free(full);
    struct stat stat;
    if (fd < 0) return false;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size > (off_t)BITCASK_MAX_VALUE_LEN) {
        close(fd);
        return false;
    }
    contents.len = 0;
    for (;;) {
        if (contents.room - contents.len < 65536) {
            contents.room = contents.room * 2 + 131072;
            contents.bytes = grown(contents.bytes, contents.room);
        }
        ssize_t n = read(fd, contents.bytes + contents.len, contents.room - contents.len);
        if (n > 0) contents.len += (size_t)n;
        if (n > 0 && contents.len <= BITCASK_MAX_VALUE_LEN) continue;
        if (n < 0 && errno == EINTR) continue;
        close(fd);
        return n == 0;
    }
}

// ---- How far ----

static void show_progress(const char *what, size_t done, size_t all, uint64_t bytes) {
    static double last;
    static unsigned quarter;
    if (isatty(STDERR_FILENO)) {
        double now = seconds();
        if (now - last < 0.1 && done < all) return;
        last = now;
        char bar[41];
        memset(bar, '.', 40);
        memset(bar, '#', all == 0 ? 40 : 40 * done / all);
        bar[40] = '\0';
        fprintf(stderr, "\r%s [%s] %zu/%zu files, %.1f MB%s", what, bar, done, all, (double)bytes / 1e6, done == all ? "\n" : " ");
        return;
    }
    unsigned now = all == 0 ? 4 : (unsigned)(4 * done / all);
    if (now > quarter || done == all) fprintf(stderr, "%s: %zu of %zu files, %.1f MB\n", what, done, all, (double)bytes / 1e6);
    quarter = done == all ? 0 : now;
}

// ---- Our own keys ----

static const uint8_t *bytes_of(const char *text) { return (const uint8_t *)text; }

static void put_number(bitcask_db *db, const char *key, uint64_t number) {
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRIu64, number);
    check(bitcask_put(db, bytes_of(key), strlen(key), bytes_of(text), (size_t)len, BITCASK_WRITE_DEFAULT, &error));
}

static void write_file(const char *name, const char *text) {
    char *path = joined(work, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) fail("%s: %s", path, strerror(errno));
    free(path);
}

// The folder that everybody lists: the one at the top with the most files. The walk visits a folder's files one after the
// other.
static void put_folder(bitcask_db *db) {
    const char *most = "";
    size_t most_len = 0, most_files = 0, run = 0;
    for (size_t i = 0; i < files.count; i++) {
        const char *path = files.paths[i], *slash = strchr(path, '/');
        if (slash == NULL) continue;
        size_t len = (size_t)(slash - path) + 1;
        bool same = i > 0 && strncmp(files.paths[i - 1], path, len) == 0;
        run = same ? run + 1 : 1;
        if (run > most_files) {
            most = path;
            most_len = len;
            most_files = run;
        }
    }
    check(bitcask_put(db, bytes_of("/demo/folder"), 12, bytes_of(most), most_len, BITCASK_WRITE_DEFAULT, &error));
}

// ---- Rounds ----

static void first_round(bitcask_db *db) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_number(db, "/demo/started", (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    files.bytes = 0;
    size_t stored = 0;
    double start = seconds();
    for (size_t i = 0; i < files.count; i++) {
        if (read_file(files.paths[i])) {
            const uint8_t *key = bytes_of(files.paths[i]);
            check(bitcask_put(db, key, strlen(files.paths[i]), contents.bytes, contents.len, BITCASK_WRITE_DEFAULT, &error));
            files.paths[stored++] = files.paths[i];
            files.bytes += contents.len;
        } else {
            files.left_out++;
            free(files.paths[i]);
        }
        show_progress("storing", i + 1, files.count, files.bytes);
    }
    double took = seconds() - start;
    files.count = stored;
    put_folder(db);
    printf("C: stored %zu files, %.1f MB in %.2f s; left out %zu not regular, %zu unreadable or too large\n", stored,
           (double)files.bytes / 1e6, took, files.not_regular, files.left_out);
    fflush(stdout);
    char *path = joined(work, "results");
    FILE *results = fopen(path, "a");
    if (results == NULL) fail("%s: %s", path, strerror(errno));
    fprintf(results, "C (stores)\t%zu\t%" PRIu64 "\t%.6f\t-\n", stored, files.bytes, took);
    fclose(results);
    free(path);
}

// Each file again, in one batch with the number of the write; forever.
static void rounds_until_killed(bitcask_db *db) {
    char *path = joined(work, "acknowledged");
    int acknowledged = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (acknowledged < 0) fail("%s: %s", path, strerror(errno));
    free(path);
    put_number(db, "/demo/progress", 0);
    double start = seconds();
    uint64_t number = 0;
    pid_t parent = getppid();
    for (bool told = false;;) {
        for (size_t i = 0; i < files.count || files.count == 0; i++) {
            if (seconds() - start > GIVE_UP_SECONDS) fail("nobody came to kill this program");
            if (getppid() != parent) fail("who started this program is gone");
            char text[24];
            int len = snprintf(text, sizeof text, "%020" PRIu64, ++number);
            bitcask_batch *batch;
            check(bitcask_batch_new(db, &batch, &error));
            check(bitcask_batch_put(batch, bytes_of("/demo/progress"), 14, bytes_of(text), (size_t)len, &error));
            if (files.count > 0 && read_file(files.paths[i])) {
                const uint8_t *key = bytes_of(files.paths[i]);
                check(bitcask_batch_put(batch, key, strlen(files.paths[i]), contents.bytes, contents.len, &error));
            }
            check(bitcask_batch_commit(batch, BITCASK_WRITE_DEFAULT, &error));
            bitcask_batch_free(batch);
            if (pwrite(acknowledged, text, (size_t)len, 0) != len) fail("acknowledged: %s", strerror(errno));
            if (!told && number > files.count / 3) {
                fprintf(stderr, "writing all again: at %" PRIu64 " of %zu files\n", number, files.count);
                write_file("midst", "");
                told = true;
            }
        }
    }
}

// ---- The end ----

static uint64_t bytes_on_disk(const char *path) {
    DIR *directory = opendir(path);
    if (directory == NULL) fail("%s: %s", path, strerror(errno));
    uint64_t sum = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct stat stat;
        if (fstatat(dirfd(directory), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(stat.st_mode)) {
            sum += (uint64_t)stat.st_blocks * 512;
        }
    }
    closedir(directory);
    return sum;
}

static void finish(void) {
    char *path = joined(work, "store");
    bitcask_db *db;
    double start = seconds();
    check(bitcask_open(path, NULL, &db, &error));
    double opened = seconds() - start;
    static const char *const names[] = {"c++", "python", "go", "rust"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char key[64], expected[64];
        snprintf(key, sizeof key, "/demo/added-by/%s", names[i]);
        int len = snprintf(expected, sizeof expected, "added by %s", names[i]);
        bitcask_value *value;
        const uint8_t *data;
        size_t data_len;
        if (check(bitcask_get(db, bytes_of(key), strlen(key), &value, &error)) != BITCASK_OK) fail("%s is missing", key);
        check(bitcask_value_bytes(value, &data, &data_len));
        if (data_len != (size_t)len || memcmp(data, expected, data_len) != 0) fail("%s holds something else", key);
        bitcask_value_free(value);
    }
    uint64_t figures[BITCASK_STAT_COUNT];
    size_t known;
    check(bitcask_stats(db, figures, BITCASK_STAT_COUNT, &known, &error));
    check(bitcask_close(db, &error));
    printf("C: read what all four added\n\n");
    printf("keys                    %12" PRIu64 "\n", figures[BITCASK_STAT_KEYS]);
    printf("opening time            %12.1f ms\n", opened * 1e3);
    printf("on disk                 %12.1f MB, both rounds\n", (double)bytes_on_disk(path) / 1e6);
    double index = (double)figures[BITCASK_STAT_INDEX_BYTES];
    printf("index                   %12.1f bytes a key, %.1f MB, which it takes by the MiB\n",
           index / (double)figures[BITCASK_STAT_KEYS], index / 1e6);
    free(path);
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: store WORK [DIRECTORY]\n");
        return 2;
    }
    work = argv[1];
    if (argc == 2) {
        finish();
        return 0;
    }
    files.root = argv[2];
    if (stat(work, &files.work) != 0) fail("%s: %s", work, strerror(errno));
    struct stat root;
    if (stat(files.root, &root) != 0 || !S_ISDIR(root.st_mode)) fail("%s is no directory", files.root);
    walk("");
    char *path = joined(work, "store");
    bitcask_db *db;
    check(bitcask_open(path, NULL, &db, &error));
    free(path);
    first_round(db);
    rounds_until_killed(db);
}
