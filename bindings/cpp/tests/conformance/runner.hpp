// The runner of one case: what it has open, the buffers that it lends, and which file runs an operation.
#ifndef CONFORMANCE_RUNNER_HPP
#define CONFORMANCE_RUNNER_HPP

#include <bitcask.hpp>

#include "calls.hpp"
#include "language.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

class Runner {
public:
    Runner(fs::path root, const Combination& combination, bool reuse) : root_(std::move(root)), combination_(combination), reuse_(reuse) {}

    /// The line that tells of the first failure, or nothing.
    Text run(const Case& c) {
        for (const Op& op : c.ops) {
            Items got = malformed_.empty() ? run(op) : Items();
            if (!malformed_.empty()) got = problem(malformed_ + " stands for no bytes");
            bool good = got.size() == op.expected.size();
            for (std::size_t i = 0; good && i < got.size(); i++) good = same(got[i], op.expected[i]);
            if (!good) return where(c, op.line) + op.text + ": got " + shown(got) + expected(op);
        }
        return "";
    }

    /// Frees what the case left open, children first.
    Text finish(const Case& c) {
        iterators_.clear();
        transactions_.clear();
        snapshots_.clear();
        batches_.clear();
        bulk_loads_.clear();
        for (auto& [name, queued] : queued_) queued.wait();
        queued_.clear();
        values_.clear();
        Text failure;
        for (auto& entry : stores_) {
            if (entry.second.closed) continue;
            if (auto closed = CALL(entry.second.store, close()); !closed) failure = where(c, 0) + "close at the end: " + closed.error().message;
        }
        stores_.clear();
        return failure;
    }

private:
    struct Open {
        bitcask::Store store;
        Tokens options;
        bool closed = false;
    };
    /// A write that was queued: what it will come to may be asked for again and again.
    struct Queued {
        Outcome<std::uint64_t> written;
        Outcome<bitcask::Erased> erased;

        void wait() const { erased.valid() ? erased.wait() : written.wait(); }
    };
    struct Cursor {
        bitcask::Iterator iterator;
        bool keys_only;
    };

    Text where(const Case& c, int line) const {
        return c.file + ":" + std::to_string(line) + ": " + c.name + " [" + combination_.kind.name + " " + combination_.io.name + "]: ";
    }

    static Text expected(const Op& op) {
        Text out = ", expected";
        for (const Text& token : op.expected) out += " " + token.substr(0, 80);
        return out.substr(0, 300);
    }

    /// The bytes of a token, in a buffer that overwrite() changes as soon as the call has returned.
    bitcask::Bytes lend(const Text& token) {
        auto bytes = bytes_of(token);
        if (!bytes) malformed_ = token;
        return lend_bytes(bytes ? std::move(*bytes) : Text());
    }
    bitcask::Bytes lend_bytes(Text bytes) {
        lent_.push_back(std::make_unique<Text>(std::move(bytes)));
        return bitcask::Bytes(*lent_.back());
    }
    template <class T>
    T overwrite(T result) {
        if (reuse_) {
            for (auto& buffer : lent_) std::fill(buffer->begin(), buffer->end(), '\xaa');
        } else {
            lent_.clear();
        }
        return result;
    }

    Items run(const Op& op) {
        lent_.clear();
        const Text& name = op.name;
        if (name == "open") return open(op, op.options);
        if (name == "flip") return flip(op);
        if (name == "compare") return compare(op);
        if (name == "outcome" || starts(name, "async_")) return run_queued(op);
        if (starts(name, "batch_")) return run_batch(op);
        if (starts(name, "bulk_")) return run_bulk(op);
        if (starts(name, "snapshot_")) return run_snapshot(op);
        if (starts(name, "txn_")) return run_transaction(op);
        if (starts(name, "iter_")) return run_iterator(op);
        if (name == "held" || name == "release") {
            const auto value = values_.find(op.of("v"));
            if (value == values_.end()) return problem("no such value");
            if (name == "held") return {Item{'b', value->second.str(), ""}};
            values_.erase(value);
            return {word("OK")};
        }
        const auto found = stores_.find(name == "hold" ? op.store() : op.of("db"));
        if (found == stores_.end()) return problem("no such store");
        return run_store(op, found->second);
    }

    static bool starts(const Text& name, const char* with) { return name.compare(0, std::strlen(with), with) == 0; }

    /// The store that an option names.
    bitcask::Store* store_of(const Op& op) {
        const auto found = stores_.find(op.store());
        return found == stores_.end() ? nullptr : &found->second.store;
    }

    static bitcask::Write how(const Op& op) { return op.yes("sync") ? bitcask::Write::sync : bitcask::Write::standard; }

    /// Keeps a commit's number under the name that the option `as` gives, if the call gave one.
    Items keep(const Op& op, const Result<std::uint64_t>& seq) {
        if (!seq) return failed(seq.error());
        if (const Text* name = option(op.options, "as")) numbers_[*name] = *seq;
        return {word("OK")};
    }
    Items keep(const Op& op, const Result<bitcask::Erased>& erased) {
        if (!erased) return failed(erased.error());
        if (const Text* name = option(op.options, "as")) numbers_[*name] = erased->seq;
        return {word(erased->existed ? "yes" : "no")};
    }

    // open.hpp
    Items open(const Op& op, const Tokens& chosen);
    Items reopen(const Op& op, Open& open_store);
    Items flip(const Op& op);
    // reads.hpp
    template <class Of>
    std::optional<Items> read(const Op& op, const Text& name, const Of& of);
    template <class Of>
    Items multi_get(const Op& op, bool filled, const Of& of);
    Items random_keys(const Op& op, const bitcask::Store& db);
    bitcask::IterOptions iter_options(const Op& op);
    template <class Of>
    Items read_all(const Op& op, bool count, const Of& of);
    Items run_iterator(const Op& op);
    // writes.hpp
    Items run_store(const Op& op, Open& open_store);
    Items change_key(const Op& op, bitcask::Store& db);
    template <class Put>
    Items fill(const Op& op, Put put);
    template <class Of>
    Items write(const Op& op, const Text& name, Of& of);
    Items run_batch(const Op& op);
    Items run_transaction(const Op& op);
    Items run_bulk(const Op& op);
    Items run_snapshot(const Op& op);
    // merge.hpp
    Items merge(const Op& op, bitcask::Store& db);
    Items file_stat(const Op& op, const bitcask::Store& db);
    Items file_recount(const bitcask::Store& db);
    std::optional<Items> run_merge(const Op& op, bitcask::Store& db);
    // expiry.hpp
    template <class Of>
    std::optional<Items> expiry(const Op& op, const Text& name, Of& of);
    std::optional<Items> store_expiry(const Op& op, bitcask::Store& db);
    // numbers.hpp
    Items compare(const Op& op);
    Items wait_durable(const Op& op, bitcask::Store& db);
    Items run_queued(const Op& op);

    /// The i-th key of `fill`.
    static Text filled_key(Text prefix, std::uint32_t i) {
        for (int shift = 24; shift >= 0; shift -= 8) prefix += static_cast<char>(static_cast<unsigned char>(i >> shift));
        return prefix;
    }

    static Item item(const bitcask::Record& record, bool keys_only) {
        if (keys_only && record.value.empty()) return {'b', Text(record.key), ""};
        return {'p', Text(record.key), Text(record.value)};
    }

    fs::path root_;
    Combination combination_;
    bool reuse_;
    Text malformed_;
    std::vector<std::unique_ptr<Text>> lent_;
    std::map<Text, Open> stores_;
    std::map<Text, bitcask::Batch> batches_;
    std::map<Text, bitcask::BulkLoader> bulk_loads_;
    std::map<Text, bitcask::Transaction> transactions_;
    std::map<Text, bitcask::Snapshot> snapshots_;
    std::map<Text, Cursor> iterators_;
    std::map<Text, bitcask::Value> values_;
    std::map<Text, Queued> queued_;
    std::map<Text, std::uint64_t> numbers_;
    std::map<Text, bitcask::Savepoint> savepoints_;
    bitcask::Values again_;
};

#endif
