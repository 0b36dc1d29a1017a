// Numbers of commits, waiting for them to be durable, and queued writes.
#ifndef CONFORMANCE_NUMBERS_HPP
#define CONFORMANCE_NUMBERS_HPP

#include "runner.hpp"

#include <chrono>
#include <cstdlib>

/// No call of the binding: how one number is to another.
inline Items Runner::compare(const Op& op) {
    const auto a = numbers_.find(op.argument(0)), b = numbers_.find(op.argument(1));
    if (a == numbers_.end() || b == numbers_.end()) return problem("no such number");
    return {word(a->second < b->second ? "less" : a->second == b->second ? "same" : "more")};
}

inline Items Runner::wait_durable(const Op& op, bitcask::Store& db) {
    const auto number = numbers_.find(op.argument(0));
    if (number == numbers_.end()) return problem("no such number");
    const Text *plus = option(op.options, "plus"), *timeout = nullptr;
    const std::uint64_t seq = number->second + (plus ? std::strtoull(plus->c_str(), nullptr, 10) : 0);
    timeout = option(op.options, "timeout_ms");
    if (timeout) {
        const std::chrono::milliseconds limit(std::strtoll(timeout->c_str(), nullptr, 10));
        return yes_no(CALL(db, wait_durable(seq, limit)));
    }
    const auto waited = CALL(db, wait_durable(seq));
    return waited ? Items{word("yes")} : failed(waited.error());
}

inline Items Runner::run_queued(const Op& op) {
    if (op.name == "outcome") {
        const auto queued = queued_.find(op.of("w"));
        if (queued == queued_.end()) return problem("no such queued write");
        return queued->second.erased.valid() ? keep(op, awaited(queued->second.erased)) : keep(op, awaited(queued->second.written));
    }
    Queued queued;
    if (op.name == "async_commit") {
        const Text* of = option(op.options, "of");
        const auto batch = batches_.find(of ? *of : "b");
        if (batch == batches_.end()) return problem("no such batch");
        queued.written = QUEUE(batch->second, commit_async(how(op))).share();
    } else {
        auto* db = store_of(op);
        if (db == nullptr) return problem("no such store");
        const auto key = lend(op.argument(0));
        if (op.name == "async_put") {
            const auto value = lend(op.argument(1));
            queued.written = overwrite(QUEUE(*db, put_async(key, value, how(op))).share());
        } else if (op.name == "async_delete") {
            queued.erased = overwrite(QUEUE(*db, erase_async(key, how(op))).share());
        } else {
            return problem("unknown operation");
        }
    }
    queued_.insert_or_assign(op.of("w"), std::move(queued));
    return {word("OK")};
}

#endif
