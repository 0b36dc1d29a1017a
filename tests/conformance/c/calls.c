/* Calls of the library and the objects of a case: buffers that are lent, errors that become results, names that become handles. */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

object objects[MAX_OBJECTS];
bitcask_error *error;
bool reuse;
static bytes *lent;
static size_t n_lent, lent_room;

/* Takes over data to hand it to the library. */
bytes lend_data(bytes data)
{
    if (n_lent == lent_room && !(lent = realloc(lent, (lent_room = lent_room * 2 + 16) * sizeof *lent))) exit(2);
    return lent[n_lent++] = data;
}

bytes lend(const char *token)
{
    bytes data;
    if (!parse(token, &data)) problem("no bytes", token);
    return lend_data(data);
}

void end_loan(void)
{
    for (; n_lent; n_lent--) free(lent[n_lent - 1].data);
}

/* And gives back the place for them. */
void end_loans(void)
{
    end_loan();
    free(lent);
    lent = NULL;
    lent_room = 0;
}

/* After each call: buffers are overwritten at once, a failure becomes the result. Returns whether it was BITCASK_OK. */
bool call(int32_t status)
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

void done(int32_t status)
{
    if (call(status)) word("OK");
}

void give_value(bitcask_value *value)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    if (call(bitcask_value_bytes(value, &data, &len))) give('b', copy(data, len), (bytes){0});
}

object *find(char what, const char *name)
{
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        if (o->kind == what && strcmp(o->name, name) == 0) return o;
    }
    static object none;
    problem("no such object", name);
    return &none;
}

void free_object(object *o)
{
    if (o->kind == BATCH) bitcask_batch_free(o->handle);
    if (o->kind == BULK) bitcask_bulk_free(o->handle);
    if (o->kind == SNAPSHOT) bitcask_snapshot_free(o->handle);
    if (o->kind == TXN) bitcask_txn_free(o->handle);
    if (o->kind == ITER) bitcask_iter_free(o->handle);
    if (o->kind == VALUE) bitcask_value_free(o->handle);
    if (o->kind == QUEUED) free_queued(o->handle);
    if (o->kind == STORE && !o->closed) done(bitcask_close(o->handle, &error));
    o->kind = UNUSED;
}

/* A place for a new object; one of the same name is freed (a store was closed by then). */
object *place(char what, const char *name)
{
    object *unused = NULL;
    for (object *o = objects; o < objects + MAX_OBJECTS; o++) {
        if (o->kind == what && strcmp(o->name, name) == 0) free_object(o);
        if (o->kind == UNUSED) unused = o;
    }
    if (!unused) exit(2);
    *unused = (object){.kind = what, .name = name};
    return unused;
}

/* The object that another is made of or tells of: that which the option `of` names, or else this one. */
object *object_of(char what, const char *name) { return find(what, option("of") ? option("of") : name); }

/* Keeps a number or a savepoint under a name. */
void keep(char what, const char *name, uint64_t n)
{
    if (!name) problem("no name to keep it under", "");
    else place(what, name)->n = n;
}

uint32_t write_flags(void) { return yes("sync") ? BITCASK_WRITE_SYNC : BITCASK_WRITE_DEFAULT; }

/* `yes` or `no` by whether something was found. */
void give_answer(int32_t status)
{
    if (status == BITCASK_NOT_FOUND) word("no");
    else if (call(status)) word("yes");
}

/* The i-th key of `fill`. */
bytes filled_key(bytes prefix, uint32_t i)
{
    bytes key = {allocate(prefix.len + 4), prefix.len + 4};
    if (prefix.len) memcpy(key.data, prefix.data, prefix.len);
    for (int b = 0; b < 4; b++) key.data[prefix.len + (size_t)b] = (uint8_t)(i >> (24 - 8 * b));
    return key;
}
