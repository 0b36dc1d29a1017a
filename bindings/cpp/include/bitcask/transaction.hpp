/// \file
/// Transaction: reads and writes that are one step to everybody else.
#ifndef BITCASK_TRANSACTION_HPP
#define BITCASK_TRANSACTION_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "options.hpp"
#include "result.hpp"
#include "value.hpp"
#include "writes.hpp"

#include <cstdint>
#include <optional>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

namespace detail {
/// The functions of the C interface for a transaction's writes.
struct TransactionCalls {
    using Handle = bitcask_txn;
    static constexpr auto put = bitcask_txn_put;
    static constexpr auto put_ttl = bitcask_txn_put_ttl;
    static constexpr auto expire = bitcask_txn_expire;
    static constexpr auto persist = bitcask_txn_persist;
    static constexpr auto ttl = bitcask_txn_ttl;
    static constexpr auto erase = bitcask_txn_delete;
    static constexpr auto erase_range = bitcask_txn_delete_range;
    static constexpr auto erase_prefix = bitcask_txn_delete_prefix;
    static constexpr auto savepoint = bitcask_txn_savepoint;
    static constexpr auto rollback_to = bitcask_txn_rollback_to;
    static constexpr auto release = bitcask_txn_release;
    static constexpr auto get = bitcask_txn_get;
    static constexpr auto iter_new = bitcask_txn_iter_new;
    static constexpr auto len = bitcask_txn_len;
    static constexpr auto free = bitcask_txn_free;
};
} // namespace detail

/// Reads that show the store as it was when Store::transaction() made this, with the own writes laid over, and a commit that makes the writes
/// if nothing that was read has changed:
///
///     auto transaction = db.transaction();
///     if (auto from = transaction.get("a")) transaction.put("b", *from).erase("a");
///     transaction.commit(); // ConflictError: another commit changed "a" meanwhile; begin a new one
///
/// Committed transactions are serializable, in the order of their sequence numbers. Nobody waits for one. Keys that were only
/// written are not read. One that is destroyed without a commit is rolled back.
///
/// The commit rests on what get(), contains() and get_for_update() were asked for, and of range() on what was read for the iterator, which
/// reads ahead page by page, up to 1024 records.
///
/// For one thread at a time. May outlive the store, and fails with Status::closed then.
class Transaction : public Writes<Transaction, detail::TransactionCalls> {
public:
    /// Takes over a transaction of the C interface.
    explicit Transaction(bitcask_txn* transaction) noexcept : Writes(transaction) {}

    /// As try_get, and the commit rests on the key in any case, also where it was written here before without having been read.
    Result<std::optional<Value>> try_get_for_update(Bytes key) { return read(bitcask_txn_get_for_update, key); }

    /// Whether a key is there. As try_get, but reads no value.
    Result<bool> try_contains(Bytes key) const {
        bitcask_error* error = nullptr;
        const std::int32_t status = bitcask_txn_contains(handle(), key.data(), key.size(), &error);
        if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) return detail::Unexpected(detail::take_failure(status, error));
        return status == BITCASK_OK;
    }

    /// The sequence number of the last commit that it sees.
    Result<std::uint64_t> try_seq() const {
        bitcask_error* error = nullptr;
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_txn_seq(handle(), &seq, &error);
        return detail::made(seq, handle(), status, error);
    }

    /// Makes all writes, if nothing that was read has changed, and gives the commit's sequence number. It is over then. Fails with conflict if
    /// something that was read has changed: nothing was written, and it is over; with transaction_finished the second time. Else as
    /// Batch::try_commit: nothing was written, and it may be tried again.
    Result<std::uint64_t> try_commit(Write how = Write::standard) {
        bitcask_error* error = nullptr;
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_txn_commit(handle(), static_cast<std::uint32_t>(how), &seq, &error);
        return detail::made(seq, handle(), status, error);
    }

    /// Discards everything; it is over then. Of a closed store too. The destructor does this too. Fails with transaction_finished if it was over,
    /// forked.
    Result<void> try_rollback() {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_txn_rollback(handle(), &error), error);
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    std::optional<Value> get_for_update(Bytes key) { return detail::unwrap(try_get_for_update(key)); }
    bool contains(Bytes key) const { return detail::unwrap(try_contains(key)); }
    std::uint64_t seq() const { return detail::unwrap(try_seq()); }
    std::uint64_t commit(Write how = Write::standard) { return detail::unwrap(try_commit(how)); }
    void rollback() { detail::unwrap(try_rollback()); }
#endif
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
