// Writes of stores, batches, transactions and bulk loads, and the making of snapshots.
#ifndef CONFORMANCE_WRITES_HPP
#define CONFORMANCE_WRITES_HPP

#include "expiry.hpp"
#include "merge.hpp"
#include "reads.hpp"
#include "runner.hpp"

#include <string_view>

inline Items Runner::run_store(const Op& op, Open& open_store) {
    bitcask::Store& db = open_store.store;
    const Text& name = op.name;
    if (name == "close") {
        open_store.closed = true;
        return done(CALL(db, close()));
    }
    if (name == "reopen") return reopen(op, open_store);
    if (name == "put" || name == "put_seq") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        // One call, with and without its last argument.
        if (name == "put") return done(overwrite(CALL(db, put(key, value))));
        return keep(op, overwrite(CALL(db, put(key, value, how(op)))));
    }
    if (name == "put_sync") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return done(overwrite(CALL(db, put(key, value, bitcask::Write::sync))));
    }
    if (name == "delete" || name == "delete_sync" || name == "delete_seq") {
        const auto key = lend(op.argument(0));
        if (name == "delete_seq") return keep(op, overwrite(CALL(db, erase(key, how(op)))));
        return keep(op, overwrite(CALL(db, erase(key, name == "delete" ? bitcask::Write::standard : bitcask::Write::sync))));
    }
    if (name == "last_seq") return keep(op, CALL(db, last_seq()));
    if (name == "durable_seq") return keep(op, CALL(db, durable_seq()));
    if (name == "wait_durable") return wait_durable(op, db);
    if (name == "refresh") {
        const Result<bitcask::Refreshed> refreshed = CALL(db, refresh());
        return refreshed ? Items{word(refreshed->changed() ? "yes" : "no")} : failed(refreshed.error());
    }
    if (name == "random_key") return random_keys(op, db);
    if (name == "sync") return done(CALL(db, sync()));
    if (name == "opened") {
        const auto report = CALL(db, open_report());
        if (!report) return failed(report.error());
        const std::map<Text, std::uint64_t> figures = {
            {"files", report->files},
            {"last_seq", report->last_seq},
            {"damage", report->damage.size()},
            {"torn", report->torn.size()},
            {"unusable_hints", report->unusable_hints.size()},
        };
        const auto figure = figures.find(op.argument(0));
        return figure == figures.end() ? problem("unknown figure") : Items{word(std::to_string(figure->second))};
    }
    if (name == "stat") {
        const auto stats = CALL(db, stats());
        if (!stats) return failed(stats.error());
        const std::map<Text, std::uint64_t> figures = {
            {"keys", stats->keys},
            {"files", stats->files},
            {"data_bytes", stats->data_bytes},
            {"index_bytes", stats->index_bytes},
            {"last_seq", stats->last_seq},
            {"damaged_places", stats->damaged_places},
            {"damaged_bytes", stats->damaged_bytes},
            {"mapped_files", stats->mapped_files},
        };
        const auto figure = figures.find(op.argument(0));
        return figure == figures.end() ? problem("unknown figure") : Items{word(std::to_string(figure->second))};
    }
    if (name == "fill") return fill(op, [&](bitcask::Bytes k, bitcask::Bytes v) { return CALL(db, put(k, v)); });
    if (auto items = read(op, name, db)) return *items;
    if (auto items = run_merge(op, db)) return *items;
    if (auto items = store_expiry(op, db)) return *items;
    return change_key(op, db);
}

/// Changes of a key that depend on what it was.
inline Items Runner::change_key(const Op& op, bitcask::Store& db) {
    const auto key = lend(op.argument(0));
    if (op.name == "compare_and_swap") {
        const auto or_none = [&](const Text& token) -> std::optional<bitcask::Bytes> {
            if (token == "none") return std::nullopt;
            return lend(token);
        };
        const auto expected = or_none(op.argument(1)), desired = or_none(op.argument(2));
        return yes_no(overwrite(CALL(db, compare_and_swap(key, expected, desired))));
    }
    if (op.name == "put_if_absent") {
        const auto value = lend(op.argument(1));
        return yes_no(overwrite(CALL(db, put_if_absent(key, value))));
    }
    if (op.name == "fetch_add") return number(overwrite(CALL(db, fetch_add(key, std::strtoll(op.argument(1).c_str(), nullptr, 10)))));
    const bool append = op.name == "update_append";
    if (!append && op.name != "update_delete") return problem("unknown operation");
    const auto more = append ? bytes_of(op.argument(1)) : Text();
    if (!more) return problem("no bytes");
    const auto change = [&](std::optional<std::string_view> before) -> std::optional<Text> {
        if (!append) return std::nullopt;
        return Text(before.value_or("")) + *more;
    };
    const auto after = overwrite(CALL(db, update(key, change)));
    if (!after) return failed(after.error());
    if (!*after) return {word("NOT_FOUND")};
    return {Item{'b', **after, ""}};
}

/// `fill`, `batch_fill` and `bulk_fill`.
template <class Put>
Items Runner::fill(const Op& op, Put put) {
    const auto prefix = bytes_of(op.argument(1));
    if (!prefix) return problem("no prefix");
    for (std::uint32_t i = 0; i < op.number(0); i++) {
        lent_.clear();
        const auto key = lend_bytes(filled_key(*prefix, i)), value = lend_bytes(generated(i, op.number(2)));
        if (auto made = overwrite(put(key, value)); !made) return failed(made.error());
    }
    return {word("OK")};
}

/// What batches and transactions have in common.
template <class Of>
Items Runner::write(const Op& op, const Text& name, Of& of) {
    if (name == "put") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return done(overwrite(CALL(of, put(key, value))));
    }
    if (name == "delete") {
        const auto key = lend(op.argument(0));
        return done(overwrite(CALL(of, erase(key))));
    }
    if (name == "get") {
        const auto key = lend(op.argument(0));
        const auto value = overwrite(CALL(of, get(key)));
        if (!value) return failed(value.error());
        if (!*value) return {word("NOT_FOUND")};
        return {Item{'b', (*value)->str(), ""}};
    }
    if (name == "delete_range") {
        for (const Text& token : op.options) {
            if (!starts(token, "ge=") && !starts(token, "lt=")) return problem("unknown option " + token);
        }
        const Text *low = option(op.options, "ge"), *high = nullptr;
        const auto start = low ? lend(*low) : bitcask::Bytes();
        high = option(op.options, "lt");
        const auto end = high ? std::optional(lend(*high)) : std::nullopt;
        return done(overwrite(CALL(of, erase_range(start, end))));
    }
    if (name == "delete_prefix") {
        const auto prefix = lend(op.argument(0));
        return done(overwrite(CALL(of, erase_prefix(prefix))));
    }
    if (name == "savepoint") {
        const auto savepoint = CALL(of, savepoint());
        const Text* as = option(op.options, "as");
        if (!as) return problem("no name for the savepoint");
        if (savepoint) savepoints_[*as] = *savepoint;
        return done(savepoint);
    }
    if (name == "rollback_to" || name == "release") {
        const auto savepoint = savepoints_.find(op.argument(0));
        if (savepoint == savepoints_.end()) return problem("no such savepoint");
        return name == "release" ? done(CALL(of, release(savepoint->second))) : done(CALL(of, rollback_to(savepoint->second)));
    }
    if (auto items = expiry(op, name, of)) return *items;
    if (name == "iter") return read_all(op, false, of);
    if (name == "len") return number(CALL(of, size()));
    if (name == "commit") return keep(op, CALL(of, commit(how(op))));
    return problem("unknown operation");
}

inline Items Runner::run_batch(const Op& op) {
    if (op.name == "batch_new") {
        auto* store = store_of(op);
        if (store == nullptr) return problem("no such store");
        auto made = CALL(*store, batch());
        if (!made) return failed(made.error());
        batches_.insert_or_assign(op.of("b"), *std::move(made));
        return {word("OK")};
    }
    const auto found = batches_.find(op.of("b"));
    if (found == batches_.end()) return problem("no such batch");
    bitcask::Batch& batch = found->second;
    if (op.name == "batch_clear") return done(CALL(batch, clear()));
    if (op.name == "batch_byte_len") return number(CALL(batch, byte_size()));
    if (op.name == "batch_commit") return done(CALL(batch, commit()));
    if (op.name == "batch_commit_sync") return done(CALL(batch, commit(bitcask::Write::sync)));
    if (op.name == "batch_commit_seq") return write(op, "commit", batch);
    if (op.name == "batch_fill") return fill(op, [&](bitcask::Bytes k, bitcask::Bytes v) { return CALL(batch, put(k, v)); });
    if (op.name != "batch_free") return write(op, op.name.substr(6), batch);
    batches_.erase(found);
    return {word("OK")};
}

inline Items Runner::run_transaction(const Op& op) {
    if (op.name == "txn_new") {
        auto* store = store_of(op);
        if (store == nullptr) return problem("no such store");
        auto made = CALL(*store, transaction());
        if (!made) return failed(made.error());
        transactions_.insert_or_assign(op.of("t"), *std::move(made));
        return {word("OK")};
    }
    const auto found = transactions_.find(op.of("t"));
    if (found == transactions_.end()) return problem("no such transaction");
    bitcask::Transaction& transaction = found->second;
    if (op.name == "txn_get_for_update") {
        const auto key = lend(op.argument(0));
        const auto value = overwrite(CALL(transaction, get_for_update(key)));
        if (!value) return failed(value.error());
        if (!*value) return {word("NOT_FOUND")};
        return {Item{'b', (*value)->str(), ""}};
    }
    if (op.name == "txn_contains") {
        const auto key = lend(op.argument(0));
        return yes_no(overwrite(CALL(transaction, contains(key))));
    }
    if (op.name == "txn_seq") return keep(op, CALL(transaction, seq()));
    if (op.name == "txn_rollback") return done(CALL(transaction, rollback()));
    if (op.name != "txn_free") return write(op, op.name.substr(4), transaction);
    transactions_.erase(found);
    return {word("OK")};
}

inline Items Runner::run_bulk(const Op& op) {
    if (op.name == "bulk_new") {
        auto* store = store_of(op);
        if (store == nullptr) return problem("no such store");
        bitcask::BulkOptions options;
        if (const Text* atomic = option(op.options, "atomic")) options.atomic(*atomic == "yes");
        if (const Text* sync = option(op.options, "sync")) options.sync(*sync == "yes");
        auto made = CALL(*store, bulk_loader(options));
        if (!made) return failed(made.error());
        bulk_loads_.insert_or_assign(op.of("l"), *std::move(made));
        return {word("OK")};
    }
    const auto found = bulk_loads_.find(op.of("l"));
    if (found == bulk_loads_.end()) return problem("no such bulk load");
    bitcask::BulkLoader& load = found->second;
    if (op.name == "bulk_put") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return done(overwrite(CALL(load, put(key, value))));
    }
    if (op.name == "bulk_put_ttl") {
        const auto key = lend(op.argument(0)), value = lend(op.argument(1));
        return done(overwrite(CALL(load, put_with_ttl(key, value, std::chrono::milliseconds(op.number(2))))));
    }
    if (op.name == "bulk_fill") return fill(op, [&](bitcask::Bytes k, bitcask::Bytes v) { return CALL(load, put(k, v)); });
    if (op.name == "bulk_finish") return done(CALL(load, finish()));
    if (op.name != "bulk_free") return problem("unknown operation");
    bulk_loads_.erase(found);
    return {word("OK")};
}

inline Items Runner::run_snapshot(const Op& op) {
    if (op.name == "snapshot_new") {
        auto* store = store_of(op);
        if (store == nullptr) return problem("no such store");
        auto made = CALL(*store, snapshot());
        if (!made) return failed(made.error());
        snapshots_.insert_or_assign(op.of("s"), *std::move(made));
        return {word("OK")};
    }
    const auto found = snapshots_.find(op.of("s"));
    if (found == snapshots_.end()) return problem("no such snapshot");
    if (op.name == "snapshot_seq") return keep(op, CALL(found->second, seq()));
    if (op.name == "snapshot_free") {
        snapshots_.erase(found);
        return {word("OK")};
    }
    return read(op, op.name.substr(9), found->second).value_or(problem("unknown operation"));
}

#endif
