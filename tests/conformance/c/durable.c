/* Numbers of commits, what of them is durable, and writes that are queued. */
#include "runner.h"

#include <pthread.h>
#include <stdlib.h>

static const char *order(uint64_t a, uint64_t b) { return a < b ? "less" : a > b ? "more" : "same"; }

static void wait_durable(bitcask_db *db)
{
    uint64_t seq = find(NUMBER, arg(0))->n + (option("plus") ? strtoull(option("plus"), NULL, 10) : 0);
    int64_t timeout = option("timeout_ms") ? strtoll(option("timeout_ms"), NULL, 10) : BITCASK_NO_TIMEOUT;
    bool durable = false;
    if (call(bitcask_wait_durable(db, seq, timeout, &durable, &error))) word(durable ? "yes" : "no");
}

/* Operations that give a number a name, or use one. name is that of a store or batch. */
void run_numbered(const char *op, const char *name)
{
    uint64_t seq = 0;
    bool existed = false, good;
    if (is(op, "compare")) {
        word(order(find(NUMBER, arg(0))->n, find(NUMBER, arg(1))->n));
        return;
    }
    if (is(op, "batch_commit_seq")) good = call(bitcask_batch_commit_seq(find(BATCH, name)->handle, write_flags(), &seq, &error));
    else {
        bitcask_db *db = find(STORE, name)->handle;
        if (is(op, "wait_durable")) {
            wait_durable(db);
            return;
        }
        if (is(op, "put_seq")) {
            bytes key = lend(arg(0)), value = lend(arg(1));
            good = call(bitcask_put_seq(db, key.data, key.len, value.data, value.len, write_flags(), &seq, &error));
        } else if (is(op, "delete_seq")) {
            bytes key = lend(arg(0));
            good = call(bitcask_delete_seq(db, key.data, key.len, write_flags(), &existed, &seq, &error));
        } else good = call(is(op, "last_seq") ? bitcask_last_seq(db, &seq, &error) : bitcask_durable_seq(db, &seq, &error));
    }
    if (!good) return;
    keep(NUMBER, option("as"), seq);
    word(!is(op, "delete_seq") ? "OK" : existed ? "yes" : "no");
}

/* ---- queued writes ---- */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_delete, is_answered, is_wrong, existed;
    int32_t status;
    uint64_t seq;
} queued;

static void answer(void *user_data, int32_t status, uint64_t seq, bool existed, const bitcask_error *why)
{
    queued *q = user_data;
    pthread_mutex_lock(&q->lock);
    q->is_wrong = q->is_answered || (status != BITCASK_OK) != (why != NULL) || (why && bitcask_error_status(why) != status);
    q->is_answered = true;
    q->status = status;
    q->seq = seq;
    q->existed = existed;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

static void await(queued *q)
{
    pthread_mutex_lock(&q->lock);
    while (!q->is_answered) pthread_cond_wait(&q->answered, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

void free_queued(void *handle)
{
    queued *q = handle;
    await(q);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void outcome(queued *q)
{
    await(q);
    if (q->is_wrong) problem("a callback was called twice, or its error is wrong", "");
    if (q->status != BITCASK_OK) {
        word(bitcask_status_name(q->status));
        return;
    }
    if (option("as")) keep(NUMBER, option("as"), q->seq);
    word(!q->is_delete ? "OK" : q->existed ? "yes" : "no");
}

/* Queues a write, and keeps what it comes to under a name. */
void run_queue(const char *op, const char *name)
{
    if (is(op, "outcome")) {
        outcome(find(QUEUED, name)->handle);
        return;
    }
    queued *q = allocate(sizeof *q);
    *q = (queued){.is_delete = is(op, "async_delete")};
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    int32_t status = BITCASK_OK;
    if (is(op, "async_commit")) status = bitcask_batch_commit_async(object_of(BATCH, "b")->handle, write_flags(), answer, q, &error);
    else {
        bitcask_db *db = object_of(STORE, "db")->handle;
        bytes key = lend(arg(0));
        if (q->is_delete) status = bitcask_delete_async(db, key.data, key.len, write_flags(), answer, q, &error);
        else if (is(op, "async_put")) {
            bytes value = lend(arg(1));
            status = bitcask_put_async(db, key.data, key.len, value.data, value.len, write_flags(), answer, q, &error);
        } else problem("unknown operation", op);
    }
    /* A failure at once is the outcome. */
    if (!call(status)) {
        q->is_answered = true;
        q->status = status;
        forget_results();
    }
    place(QUEUED, name)->handle = q;
    word("OK");
}
