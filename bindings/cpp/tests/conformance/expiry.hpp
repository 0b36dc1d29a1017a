// Keys that expire, in stores, batches, transactions and bulk loads.
#ifndef CONFORMANCE_EXPIRY_HPP
#define CONFORMANCE_EXPIRY_HPP

#include "runner.hpp"

#include <chrono>
#include <thread>

/// Whether so many milliseconds are left, within ten minutes: time goes on, and a transaction counts from its beginning.
inline Items left(const Op& op, const Result<std::optional<bitcask::Ttl>>& ttl) {
    if (!ttl) return failed(ttl.error());
    if (!*ttl) return {word("NOT_FOUND")};
    if (!(*ttl)->expires()) return {word("forever")};
    const std::chrono::milliseconds difference = *(*ttl)->left - std::chrono::milliseconds(op.number(1));
    return {word(difference < std::chrono::minutes(10) && difference > std::chrono::minutes(-10) ? "yes" : "no")};
}

/// The operations that stores, batches and transactions have in common; nothing for others.
template <class Of>
std::optional<Items> Runner::expiry(const Op& op, const Text& name, Of& of) {
    if (name == "put_ttl") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return done(overwrite(CALL(of, put_with_ttl(key, value, std::chrono::milliseconds(op.number(2))))));
    }
    if (name == "expire") {
        const auto key = lend(op.argument(0));
        return yes_no(overwrite(CALL(of, expire(key, std::chrono::milliseconds(op.number(1))))));
    }
    if (name == "persist") {
        const auto key = lend(op.argument(0));
        return yes_no(overwrite(CALL(of, persist(key))));
    }
    if (name == "ttl") {
        const auto key = lend(op.argument(0));
        return left(op, overwrite(CALL(of, ttl(key))));
    }
    return std::nullopt;
}

/// Those of a store.
inline std::optional<Items> Runner::store_expiry(const Op& op, bitcask::Store& db) {
    if (op.name == "put_if_absent_ttl") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return yes_no(overwrite(CALL(db, put_if_absent_with_ttl(key, value, std::chrono::milliseconds(op.number(2))))));
    }
    if (op.name == "compare_and_swap_ttl") {
        const bool has_old = op.argument(1) != "none";
        const auto key = lend(op.argument(0)), old = lend(has_old ? op.argument(1) : "-"), value = lend(op.argument(2));
        const auto expected = has_old ? std::optional<bitcask::Bytes>(old) : std::nullopt;
        return yes_no(overwrite(CALL(db, compare_and_swap_with_ttl(key, expected, value, std::chrono::milliseconds(op.number(3))))));
    }
    if (op.name == "fetch_add_ttl") {
        const auto key = lend(op.argument(0));
        const auto delta = static_cast<std::int64_t>(op.number(1));
        return number(overwrite(CALL(db, fetch_add_with_ttl(key, delta, std::chrono::milliseconds(op.number(2))))));
    }
    if (op.name == "sweep") return number(CALL(db, sweep_expired()));
    if (op.name == "await_gone") {
        const auto key = lend(op.argument(0));
        for (;;) {
            const auto there = CALL(db, contains(key));
            if (!there) return failed(there.error());
            if (!*there) return Items{word("OK")};
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    return expiry(op, op.name, db);
}

#endif
