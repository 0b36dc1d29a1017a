/* Keys that expire, in stores, batches, transactions and bulk loads. */
#define _POSIX_C_SOURCE 199309L
#include "runner.h"

#include <string.h>
#include <time.h>

/* How much what is left may differ from what was given, in milliseconds: time goes on, and a transaction counts from its beginning. */
enum { SLACK = 600000 };

static void give_ttl(int32_t status, uint64_t left)
{
    const uint64_t given = arg_number(1);
    if (!call(status)) return;
    if (left == BITCASK_NO_EXPIRY) word("forever");
    else word(left < given + SLACK && left + SLACK > given ? "yes" : "no");
}

static void put_ttl(const object *o)
{
    bytes key = lend(arg(0)), value = lend(arg(1));
    const uint64_t ttl = arg_number(2);
    if (o->kind == BATCH) done(bitcask_batch_put_ttl(o->handle, key.data, key.len, value.data, value.len, ttl, &error));
    else if (o->kind == TXN) done(bitcask_txn_put_ttl(o->handle, key.data, key.len, value.data, value.len, ttl, &error));
    else if (o->kind == BULK) done(bitcask_bulk_put_ttl(o->handle, key.data, key.len, value.data, value.len, ttl, &error));
    else done(bitcask_put_ttl(o->handle, key.data, key.len, value.data, value.len, ttl, BITCASK_WRITE_DEFAULT, &error));
}

static void expire(const object *o)
{
    bytes key = lend(arg(0));
    const uint64_t ttl = arg_number(1);
    bool found = false;
    int32_t status = o->kind == BATCH ? bitcask_batch_expire(o->handle, key.data, key.len, ttl, &found, &error)
                     : o->kind == TXN ? bitcask_txn_expire(o->handle, key.data, key.len, ttl, &found, &error)
                                      : bitcask_expire(o->handle, key.data, key.len, ttl, BITCASK_WRITE_DEFAULT, &found, &error);
    if (call(status)) word(found ? "yes" : "no");
}

static void persist(const object *o)
{
    bytes key = lend(arg(0));
    bool had = false;
    int32_t status = o->kind == BATCH ? bitcask_batch_persist(o->handle, key.data, key.len, &had, &error)
                     : o->kind == TXN ? bitcask_txn_persist(o->handle, key.data, key.len, &had, &error)
                                      : bitcask_persist(o->handle, key.data, key.len, BITCASK_WRITE_DEFAULT, &had, &error);
    if (call(status)) word(had ? "yes" : "no");
}

static void ttl(const object *o)
{
    bytes key = lend(arg(0));
    uint64_t left = 0;
    int32_t status = o->kind == BATCH ? bitcask_batch_ttl(o->handle, key.data, key.len, &left, &error)
                     : o->kind == TXN ? bitcask_txn_ttl(o->handle, key.data, key.len, &left, &error)
                                      : bitcask_ttl(o->handle, key.data, key.len, &left, &error);
    give_ttl(status, left);
}

/* Waits until a key is not there. */
static void await_gone(bitcask_db *db)
{
    bytes key = lend(arg(0));
    int32_t status;
    while ((status = bitcask_contains(db, key.data, key.len, &error)) == BITCASK_OK) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (status == BITCASK_NOT_FOUND) word("OK");
    else call(status);
}

/* Whether the operation, without the prefix that says of what, is one of these; then it is run. */
bool run_expiry(const char *op, const object *o)
{
    if (is(op, "put_ttl")) put_ttl(o);
    else if (o->kind == BULK) return false;
    else if (is(op, "expire")) expire(o);
    else if (is(op, "persist")) persist(o);
    else if (is(op, "ttl")) ttl(o);
    else if (o->kind != STORE) return false;
    else if (is(op, "put_if_absent_ttl")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        bool stored = false;
        if (call(bitcask_put_if_absent_ttl(o->handle, key.data, key.len, value.data, value.len, arg_number(2), BITCASK_WRITE_DEFAULT, &stored,
                                           &error))) {
            word(stored ? "yes" : "no");
        }
    } else if (is(op, "compare_and_swap_ttl")) {
        const bool has_old = !is(arg(1), "none");
        bytes key = lend(arg(0)), old = has_old ? lend(arg(1)) : (bytes){NULL, 0}, value = lend(arg(2));
        bool swapped = false;
        if (call(bitcask_compare_and_swap_ttl(o->handle, key.data, key.len, has_old, old.data, old.len, value.data, value.len, arg_number(3),
                                              BITCASK_WRITE_DEFAULT, &swapped, &error))) {
            word(swapped ? "yes" : "no");
        }
    } else if (is(op, "fetch_add_ttl")) {
        bytes key = lend(arg(0));
        int64_t before = 0;
        if (call(bitcask_fetch_add_ttl(o->handle, key.data, key.len, (int64_t)arg_number(1), arg_number(2), BITCASK_WRITE_DEFAULT, &before,
                                       &error))) {
            number((uint64_t)before);
        }
    } else if (is(op, "sweep")) {
        uint64_t keys = 0;
        if (call(bitcask_sweep_expired(o->handle, &keys, &error))) number(keys);
    } else if (is(op, "await_gone")) await_gone(o->handle);
    else return false;
    return true;
}
