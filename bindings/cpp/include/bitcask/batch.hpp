/// \file
/// Batch: writes that take effect together.
#ifndef BITCASK_BATCH_HPP
#define BITCASK_BATCH_HPP

#include "async.hpp"
#include "config.hpp"
#include "options.hpp"
#include "result.hpp"
#include "writes.hpp"

#include <cstdint>
#include <future>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

namespace detail {
/// The functions of the C interface for a batch's writes.
struct BatchCalls {
    using Handle = bitcask_batch;
    static constexpr auto put = bitcask_batch_put;
    static constexpr auto put_ttl = bitcask_batch_put_ttl;
    static constexpr auto expire = bitcask_batch_expire;
    static constexpr auto persist = bitcask_batch_persist;
    static constexpr auto ttl = bitcask_batch_ttl;
    static constexpr auto erase = bitcask_batch_delete;
    static constexpr auto erase_range = bitcask_batch_delete_range;
    static constexpr auto erase_prefix = bitcask_batch_delete_prefix;
    static constexpr auto savepoint = bitcask_batch_savepoint;
    static constexpr auto rollback_to = bitcask_batch_rollback_to;
    static constexpr auto release = bitcask_batch_release;
    static constexpr auto get = bitcask_batch_get;
    static constexpr auto iter_new = bitcask_batch_iter_new;
    static constexpr auto len = bitcask_batch_len;
    static constexpr auto free = bitcask_batch_free;
};
} // namespace detail

/// Writes that take effect together or not at all: no reader, and nobody who opens the store after a crash, sees a
/// part. Made by Store::batch(). Nothing reaches the store before commit(); a batch that is destroyed without it is
/// discarded. A key that is written twice keeps its last write.
///
/// get() and range() show what the store would be if the batch were committed now.
///
/// For one thread at a time. May outlive the store, and fails with Status::closed then.
class Batch : public Writes<Batch, detail::BatchCalls> {
    /// Queues the commit.
    auto commit_call(Write how) const {
        return [batch = handle(), how](bitcask_write_callback callback, void* user_data, bitcask_error** error) {
            return bitcask_batch_commit_async(batch, static_cast<std::uint32_t>(how), callback, user_data, error);
        };
    }

public:
    /// Takes over a batch of the C interface.
    explicit Batch(bitcask_batch* batch) noexcept : Writes(batch) {}

    /// Forgets all writes added so far, with all savepoints. The store is as it was; to delete all of its keys is try_erase_prefix("").
    /// Fails with batch_finished, closed, forked.
    Result<void> try_clear() {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_batch_clear(handle(), &error), error);
    }

    /// Bytes of all keys and values written so far. Fails with closed, forked.
    Result<std::uint64_t> try_byte_size() const {
        bitcask_error* error = nullptr;
        std::uint64_t bytes = 0;
        const std::int32_t status = bitcask_batch_byte_len(handle(), &bytes, &error);
        return detail::made(bytes, handle(), status, error);
    }

    /// Makes all writes, and gives the commit's sequence number, for Store::wait_durable(); of an empty batch, which writes nothing, that of
    /// the last commit before. Fails with batch_finished the second time, else as Store::try_put. After a failure nothing was written, and
    /// it may be tried again unless the store is closed or stopped writing.
    Result<std::uint64_t> try_commit(Write how = Write::standard) {
        bitcask_error* error = nullptr;
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_batch_commit_seq(handle(), static_cast<std::uint32_t>(how), &seq, &error);
        return detail::made(seq, handle(), status, error);
    }

    /// As try_commit, without waiting: `callback` gets the Result<std::uint64_t>. See Store::try_put_async. If the commit was queued, the
    /// batch is finished, whatever the callback gets, and may be destroyed at once.
    template <class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    Result<void> try_commit_async(F&& callback, Write how = Write::standard) {
        return detail::queue<std::uint64_t>(std::forward<F>(callback), handle(), commit_call(how));
    }
    /// As above; the future gets the outcome, also where the call fails at once.
    std::future<Result<std::uint64_t>> try_commit_async(Write how = Write::standard) {
        return detail::queue_result<std::uint64_t>(handle(), commit_call(how));
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    void clear() { detail::unwrap(try_clear()); }
    std::uint64_t byte_size() const { return detail::unwrap(try_byte_size()); }
    std::uint64_t commit(Write how = Write::standard) { return detail::unwrap(try_commit(how)); }
    template <class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    void commit_async(F&& callback, Write how = Write::standard) {
        detail::unwrap(try_commit_async(std::forward<F>(callback), how));
    }
    std::future<std::uint64_t> commit_async(Write how = Write::standard) {
        return detail::queue_value<std::uint64_t>(handle(), commit_call(how));
    }
#endif
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
