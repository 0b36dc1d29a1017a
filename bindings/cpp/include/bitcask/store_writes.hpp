/// \file
/// StoreWrites: writes of one key, at once or queued, and which of them are on stable storage.
#ifndef BITCASK_STORE_WRITES_HPP
#define BITCASK_STORE_WRITES_HPP

#include "async.hpp"
#include "bytes.hpp"
#include "config.hpp"
#include "durations.hpp"
#include "options.hpp"
#include "result.hpp"

#include <chrono>
#include <cstdint>
#include <future>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// The writes of a Store, which `Of` is. Each tells the sequence number of its commit.
template <class Of>
class StoreWrites {
public:
    /// Stores a value under a key, replacing any other. Both are copied. Gives the commit's sequence number, for try_wait_durable().
    ///
    /// Fails with value_too_large, read_only, io or disk_full (the write did not happen; later ones may work), writes_stopped.
    Result<std::uint64_t> try_put(Bytes key, Bytes value, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t seq = 0;
        const std::int32_t status =
            bitcask_put_seq(db, key.data(), key.size(), value.data(), value.size(), static_cast<std::uint32_t>(how), &seq, &error);
        return detail::made(seq, db, status, error);
    }

    /// Removes a key and tells whether it was there. Removing a missing key writes nothing. Fails as try_put.
    Result<Erased> try_erase(Bytes key, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        Erased erased;
        const std::int32_t status = bitcask_delete_seq(db, key.data(), key.size(), static_cast<std::uint32_t>(how), &erased.existed,
                                                       &erased.seq, &error);
        return detail::made(erased, db, status, error);
    }

    /// As try_put, without waiting: `callback` gets the Result<std::uint64_t> when the write is made, and is as durable as `how` and the store's
    /// durability say. Key and value are copied before this returns. What one thread queues takes effect in that order, and writes share
    /// appends and syncs; a write that another call makes meanwhile may come before what is queued.
    ///
    /// If this succeeds, the callback is called exactly once, with `closed` if the store is closed before the write was made; else it is never
    /// called. It is called from a thread of the store, one after the other, so it should be short: hand the outcome to the event loop. It
    /// may use this library, closing its own store included, but must neither throw, which ends the program, nor wait for a future of this store. Closing
    /// returns after the last callback did, so don't hold a lock over it that a callback takes. In a forked child no callback of the parent's
    /// is called.
    ///
    /// At most BITCASK_ASYNC_BYTES of log may be queued and unanswered; who brings more waits in the call until there is room.
    ///
    /// Fails with what is known at once, and with unsupported if the thread can't be started. The callback gets the others.
    template <class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    Result<void> try_put_async(Bytes key, Bytes value, F&& callback, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue<std::uint64_t>(std::forward<F>(callback), db, put_call(db, key, value, how));
    }
    /// As above; the future gets the outcome, also where the call fails at once. Its destructor does not wait.
    std::future<Result<std::uint64_t>> try_put_async(Bytes key, Bytes value, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_result<std::uint64_t>(db, put_call(db, key, value, how));
    }

    /// As try_erase, without waiting: `callback` gets the Result<Erased>. See try_put_async.
    template <class F, std::enable_if_t<detail::is_callback<F, Erased>, int> = 0>
    Result<void> try_erase_async(Bytes key, F&& callback, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue<Erased>(std::forward<F>(callback), db, erase_call(db, key, how));
    }
    /// As above; the future gets the outcome, also where the call fails at once.
    std::future<Result<Erased>> try_erase_async(Bytes key, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_result<Erased>(db, erase_call(db, key, how));
    }

    /// The sequence number of the last commit that readers see; 0 if there was none yet.
    Result<std::uint64_t> try_last_seq() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_last_seq(db, &seq, &error);
        return detail::made(seq, db, status, error);
    }

    /// All commits up to this number are on stable storage, whatever the store's durability. Never above try_last_seq(), and never falls.
    /// Causes no I/O. Fails with read_only: what a writer in another process has synced is not known.
    Result<std::uint64_t> try_durable_seq() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_durable_seq(db, &seq, &error);
        return detail::made(seq, db, status, error);
    }

    /// Waits until a commit, and all before it, is on stable storage, and syncs if nobody does: so a caller can write without sync, go on, and
    /// wait later. Any number of threads that wait share syncs, and writers go on meanwhile. Fails with invalid_argument for a number
    /// that no commit has yet, writes_stopped if the sync failed, or one before it, read_only.
    Result<void> try_wait_durable(std::uint64_t seq) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        return detail::done(db, bitcask_wait_durable(db, seq, BITCASK_NO_TIMEOUT, nullptr, &error), error);
    }
    /// As above, for so long at most, rounded up to milliseconds; a negative time is none. Whether the commit is on stable storage: when
    /// the time is up the sync goes on, in another thread. In a callback of this store there is no limit.
    template <class Rep, class Period>
    Result<bool> try_wait_durable(std::uint64_t seq, std::chrono::duration<Rep, Period> limit) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool durable = false;
        const std::int32_t status = bitcask_wait_durable(db, seq, detail::milliseconds<std::int64_t>(limit), &durable, &error);
        return detail::made(durable, db, status, error);
    }

    /// Brings everything acknowledged so far to stable storage. Fails with writes_stopped after a sync that failed, now or
    /// earlier; read_only.
    Result<void> try_sync() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        return detail::done(db, bitcask_sync(db, &error), error);
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above. Futures have the failure as an exception.
    std::uint64_t put(Bytes key, Bytes value, Write how = Write::standard) { return detail::unwrap(try_put(key, value, how)); }
    Erased erase(Bytes key, Write how = Write::standard) { return detail::unwrap(try_erase(key, how)); }
    template <class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    void put_async(Bytes key, Bytes value, F&& callback, Write how = Write::standard) {
        detail::unwrap(try_put_async(key, value, std::forward<F>(callback), how));
    }
    std::future<std::uint64_t> put_async(Bytes key, Bytes value, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_value<std::uint64_t>(db, put_call(db, key, value, how));
    }
    template <class F, std::enable_if_t<detail::is_callback<F, Erased>, int> = 0>
    void erase_async(Bytes key, F&& callback, Write how = Write::standard) {
        detail::unwrap(try_erase_async(key, std::forward<F>(callback), how));
    }
    std::future<Erased> erase_async(Bytes key, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_value<Erased>(db, erase_call(db, key, how));
    }
    std::uint64_t last_seq() const { return detail::unwrap(try_last_seq()); }
    std::uint64_t durable_seq() const { return detail::unwrap(try_durable_seq()); }
    void wait_durable(std::uint64_t seq) { detail::unwrap(try_wait_durable(seq)); }
    template <class Rep, class Period>
    bool wait_durable(std::uint64_t seq, std::chrono::duration<Rep, Period> limit) {
        return detail::unwrap(try_wait_durable(seq, limit));
    }
    void sync() { detail::unwrap(try_sync()); }
#endif

protected:
    StoreWrites() noexcept = default;
    ~StoreWrites() = default;

private:
    bitcask_db* handle() const noexcept { return static_cast<const Of*>(this)->handle(); }

    static auto put_call(bitcask_db* db, Bytes key, Bytes value, Write how) {
        return [=](bitcask_write_callback callback, void* user_data, bitcask_error** error) {
            return bitcask_put_async(db, key.data(), key.size(), value.data(), value.size(), static_cast<std::uint32_t>(how), callback,
                                     user_data, error);
        };
    }
    static auto erase_call(bitcask_db* db, Bytes key, Write how) {
        return [=](bitcask_write_callback callback, void* user_data, bitcask_error** error) {
            return bitcask_delete_async(db, key.data(), key.size(), static_cast<std::uint32_t>(how), callback, user_data, error);
        };
    }
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
