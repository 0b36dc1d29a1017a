/* Batches, bulk loads, transactions, and what they share; and snapshots. */
#include "runner.h"

#include <stdlib.h>
#include <string.h>

/* `fill` into a store, batch or bulk load. */
void fill(char what, const char *op, void *handle)
{
    bytes prefix;
    if (!parse(arg(1), &prefix)) problem("no bytes", op);
    bool good = true;
    for (uint32_t i = 0; good && i < arg_number(0); i++) {
        bytes key = lend_data(filled_key(prefix, i)), value = lend_data(generated(i, (size_t)arg_number(2)));
        if (what == BATCH) good = call(bitcask_batch_put(handle, key.data, key.len, value.data, value.len, &error));
        else if (what == BULK) good = call(bitcask_bulk_put(handle, key.data, key.len, value.data, value.len, &error));
        else good = call(bitcask_put(handle, key.data, key.len, value.data, value.len, BITCASK_WRITE_DEFAULT, &error));
        end_loan();
    }
    free(prefix.data);
    if (good) word("OK");
}

/* `delete_range` and `delete_prefix` of a batch or transaction. */
static void delete_many(const object *o, bool by_prefix)
{
    if (by_prefix) {
        bytes prefix = lend(arg(0));
        done(o->kind == TXN ? bitcask_txn_delete_prefix(o->handle, prefix.data, prefix.len, &error)
                            : bitcask_batch_delete_prefix(o->handle, prefix.data, prefix.len, &error));
        return;
    }
    bytes start = {NULL, 0}, end = {NULL, 0};
    for (size_t i = 0; i < n_options; i++) {
        if (strncmp(options[i], "ge=", 3) == 0) start = lend(options[i] + 3);
        else if (strncmp(options[i], "lt=", 3) == 0) end = lend(options[i] + 3);
        else problem("unknown option", options[i]);
    }
    done(o->kind == TXN ? bitcask_txn_delete_range(o->handle, start.data, start.len, end.data, end.len, &error)
                        : bitcask_batch_delete_range(o->handle, start.data, start.len, end.data, end.len, &error));
}

/* `savepoint`, `rollback_to` and `release` of a batch or transaction. */
static void savepoint(const object *o, const char *op)
{
    bool is_txn = o->kind == TXN;
    if (is(op, "savepoint")) {
        uint64_t n = 0;
        if (!call(is_txn ? bitcask_txn_savepoint(o->handle, &n, &error) : bitcask_batch_savepoint(o->handle, &n, &error))) return;
        keep(SAVEPOINT, option("as"), n);
        word("OK");
        return;
    }
    uint64_t n = find(SAVEPOINT, arg(0))->n;
    if (is(op, "release")) done(is_txn ? bitcask_txn_release(o->handle, n, &error) : bitcask_batch_release(o->handle, n, &error));
    else done(is_txn ? bitcask_txn_rollback_to(o->handle, n, &error) : bitcask_batch_rollback_to(o->handle, n, &error));
}

void run_batch(const char *op, const char *name)
{
    if (is(op, "batch_new")) {
        bitcask_batch *batch = NULL;
        if (call(bitcask_batch_new(object_of(STORE, "db")->handle, &batch, &error))) {
            place(BATCH, name)->handle = batch;
            word("OK");
        }
        return;
    }
    object *o = find(BATCH, name);
    bitcask_batch *batch = o->handle;
    if (is(op, "batch_put")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        done(bitcask_batch_put(batch, key.data, key.len, value.data, value.len, &error));
    } else if (is(op, "batch_delete")) {
        bytes key = lend(arg(0));
        done(bitcask_batch_delete(batch, key.data, key.len, &error));
    } else if (is(op, "batch_len")) {
        size_t len = 0;
        if (call(bitcask_batch_len(batch, &len, &error))) number(len);
    } else if (is(op, "batch_clear")) done(bitcask_batch_clear(batch, &error));
    else if (is(op, "batch_commit")) done(bitcask_batch_commit(batch, BITCASK_WRITE_DEFAULT, &error));
    else if (is(op, "batch_commit_sync")) done(bitcask_batch_commit(batch, BITCASK_WRITE_SYNC, &error));
    else if (is(op, "batch_fill")) fill(BATCH, op, batch);
    else if (is(op, "batch_byte_len")) {
        uint64_t size = 0;
        if (call(bitcask_batch_byte_len(batch, &size, &error))) number(size);
    } else if (is(op, "batch_delete_range") || is(op, "batch_delete_prefix")) delete_many(o, is(op, "batch_delete_prefix"));
    else if (is(op, "batch_savepoint") || is(op, "batch_rollback_to") || is(op, "batch_release")) savepoint(o, op + strlen("batch_"));
    else if (is(op, "batch_get") || is(op, "batch_iter")) run_read(op + strlen("batch_"), o);
    else if (is(op, "batch_free")) {
        free_object(o);
        word("OK");
    } else if (!run_expiry(op + strlen("batch_"), o)) problem("unknown operation", op);
}

void run_bulk(const char *op, const char *name)
{
    if (is(op, "bulk_new")) {
        bitcask_bulk *bulk = NULL;
        uint32_t flags = yes("sync") ? BITCASK_BULK_SYNC : BITCASK_BULK_DEFAULT;
        if (option("atomic") && !yes("atomic")) flags |= BITCASK_BULK_IN_PIECES;
        if (call(bitcask_bulk_new(object_of(STORE, "db")->handle, flags, &bulk, &error))) {
            place(BULK, name)->handle = bulk;
            word("OK");
        }
        return;
    }
    object *o = find(BULK, name);
    if (is(op, "bulk_put")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        done(bitcask_bulk_put(o->handle, key.data, key.len, value.data, value.len, &error));
    } else if (is(op, "bulk_fill")) fill(BULK, op, o->handle);
    else if (is(op, "bulk_finish")) done(bitcask_bulk_finish(o->handle, &error));
    else if (is(op, "bulk_free")) {
        free_object(o);
        word("OK");
    } else if (!run_expiry(op + strlen("bulk_"), o)) problem("unknown operation", op);
}

void run_snapshot(const char *op, const char *name)
{
    if (is(op, "snapshot_new")) {
        bitcask_snapshot *snapshot = NULL;
        if (call(bitcask_snapshot_new(object_of(STORE, "db")->handle, &snapshot, &error))) {
            place(SNAPSHOT, name)->handle = snapshot;
            word("OK");
        }
        return;
    }
    object *o = find(SNAPSHOT, name);
    if (is(op, "snapshot_seq")) {
        uint64_t seq = 0;
        if (!call(bitcask_snapshot_seq(o->handle, &seq, &error))) return;
        keep(NUMBER, option("as"), seq);
        word("OK");
    } else if (is(op, "snapshot_free")) {
        free_object(o);
        word("OK");
    } else if (!run_read(op + strlen("snapshot_"), o)) problem("unknown operation", op);
}

/* What gives a number, which is kept if the case names it. */
static void done_with_number(int32_t status, const uint64_t *seq)
{
    if (!call(status)) return;
    if (option("as")) keep(NUMBER, option("as"), *seq);
    word("OK");
}

void run_txn(const char *op, const char *name)
{
    if (is(op, "txn_new")) {
        bitcask_txn *txn = NULL;
        if (call(bitcask_txn_new(object_of(STORE, "db")->handle, &txn, &error))) {
            place(TXN, name)->handle = txn;
            word("OK");
        }
        return;
    }
    object *o = find(TXN, name);
    bitcask_txn *txn = o->handle;
    uint64_t seq = 0;
    if (is(op, "txn_get") || is(op, "txn_contains") || is(op, "txn_iter")) run_read(op + strlen("txn_"), o);
    else if (is(op, "txn_get_for_update")) {
        bytes key = lend(arg(0));
        bitcask_value *value = NULL;
        if (call(bitcask_txn_get_for_update(txn, key.data, key.len, &value, &error))) give_value(value);
        bitcask_value_free(value);
    } else if (is(op, "txn_put")) {
        bytes key = lend(arg(0)), value = lend(arg(1));
        done(bitcask_txn_put(txn, key.data, key.len, value.data, value.len, &error));
    } else if (is(op, "txn_delete")) {
        bytes key = lend(arg(0));
        done(bitcask_txn_delete(txn, key.data, key.len, &error));
    } else if (is(op, "txn_delete_range") || is(op, "txn_delete_prefix")) delete_many(o, is(op, "txn_delete_prefix"));
    else if (is(op, "txn_savepoint") || is(op, "txn_rollback_to") || is(op, "txn_release")) savepoint(o, op + strlen("txn_"));
    else if (is(op, "txn_len")) {
        size_t len = 0;
        if (call(bitcask_txn_len(txn, &len, &error))) number(len);
    } else if (is(op, "txn_seq")) done_with_number(bitcask_txn_seq(txn, &seq, &error), &seq);
    else if (is(op, "txn_commit")) done_with_number(bitcask_txn_commit(txn, write_flags(), &seq, &error), &seq);
    else if (is(op, "txn_rollback")) done(bitcask_txn_rollback(txn, &error));
    else if (is(op, "txn_free")) {
        free_object(o);
        word("OK");
    } else if (!run_expiry(op + strlen("txn_"), o)) problem("unknown operation", op);
}
