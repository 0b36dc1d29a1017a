/*
 * What the parts of the C runner share: the run's kinds, the objects of a case, and the manners of a call. Every call gets a place for its
 * error, and call() checks that there is an error object exactly when there should be.
 */
#ifndef CASE_RUNNER_H
#define CASE_RUNNER_H

#include "bitcask.h"
#include "language.h"

/* 16 of each kind. */
enum { MAX_OBJECTS = 160, MAX_OPTIONS = 16, PATH_LEN = 4096 };

/* Also the kinds of names. */
enum {
    UNUSED,
    STORE = 's',
    BATCH = 'b',
    BULK = 'l',
    SNAPSHOT = 'n',
    TXN = 't',
    ITER = 'i',
    VALUE = 'v',
    QUEUED = 'w',
    NUMBER = '#',
    SAVEPOINT = 'p'
};

typedef struct {
    char kind;
    const char *name;
    void *handle;
    uint64_t n; /* of a number or savepoint */
    bool closed, keys_only;
    char *options[MAX_OPTIONS];
} object;

extern const char *const KINDS[], *const IO_KINDS[];
enum { N_KINDS = 5, N_IO_KINDS = 2 };
extern const char *scratch;
extern int kind, io;
extern bool reuse;
extern object objects[MAX_OBJECTS];
extern bitcask_error *error;

/* calls.c: buffers that are lent, calls, objects. */
bytes lend_data(bytes data);
bytes lend(const char *token);
void end_loan(void);
void end_loans(void);
bool call(int32_t status);
void done(int32_t status);
void give_value(bitcask_value *value);
void give_answer(int32_t status);
object *find(char what, const char *name);
object *place(char what, const char *name);
void free_object(object *o);
object *object_of(char what, const char *name);
void keep(char what, const char *name, uint64_t n);
uint32_t write_flags(void);
bytes filled_key(bytes prefix, uint32_t i);

/* Each runs an operation on the object of that name. */
void open_store(const char *name, char *const *chosen, size_t n);
void reopen(const char *name);
bool has_kind(int32_t index);
void run_store(const char *op, const char *name);
void run_value(const char *op, const char *name);
void run_atomic(const char *op, const char *name);
void flip(void);
bool run_read(const char *op, object *from);
void run_iter(const char *op, const char *name);
void run_batch(const char *op, const char *name);
void run_bulk(const char *op, const char *name);
void run_snapshot(const char *op, const char *name);
void run_txn(const char *op, const char *name);
void run_numbered(const char *op, const char *name);
bool set_policy(bitcask_options *o, const char *chosen, bool *good);
bool run_expiry(const char *op, const object *o);
void run_merge(const char *op, const char *name);
void run_queue(const char *op, const char *name);
void free_queued(void *queued);
void fill(char what, const char *op, void *handle);

#endif
