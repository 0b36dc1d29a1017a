/// \file
/// BulkLoader: many pairs at once.
#ifndef BITCASK_BULK_LOADER_HPP
#define BITCASK_BULK_LOADER_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "durations.hpp"
#include "result.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// How to load. What is not set: atomic, with the store's own durability.
class BulkOptions {
public:
    /// Whether all pairs become visible at once, to readers and to whoever opens the store after a crash; else in commits of about
    /// a MiB each as the load goes.
    BulkOptions& atomic(bool yes) { return set(BITCASK_BULK_IN_PIECES, !yes); }
    /// Whether finish returns only when all is on stable storage, whatever the store's durability. An atomic load of more than 16 MiB is in
    /// any case.
    BulkOptions& sync(bool yes = true) { return set(BITCASK_BULK_SYNC, yes); }

private:
    friend class Store;

    BulkOptions& set(std::uint32_t flag, bool yes) {
        flags_ = yes ? flags_ | flag : flags_ & ~flag;
        return *this;
    }

    std::uint32_t flags_ = BITCASK_BULK_DEFAULT;
};

/// A load of many pairs, made by Store::bulk_loader(): faster than a batch, and in the memory of their keys only, whatever their values
/// take.
///
///     auto load = db.bulk_loader();
///     for (const auto& [key, value] : pairs) load.put(key, value);
///     load.finish();
///
/// Pairs may come in any order; ascending keys are the fastest. A key that comes twice keeps its last value. Others read and write
/// meanwhile, and several loads may be under way at once; an atomic load stands behind all that was committed before it finished.
///
/// One that is destroyed without finish() is abandoned, and what it wrote is removed; what one in pieces has committed stays. For one
/// thread at a time. May outlive the store, and fails with Status::closed then.
class BulkLoader {
public:
    /// Takes over a load of the C interface.
    explicit BulkLoader(bitcask_bulk* bulk) noexcept : bulk_(bulk) {}

    /// Adds a pair. Key and value are copied. Fails with batch_finished after finish, key_empty, key_too_large, value_too_large, closed, forked,
    /// io, writes_stopped; after the last two the load is abandoned, and each further call fails the same way.
    Result<void> try_put(Bytes key, Bytes value) {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_bulk_put(bulk_.get(), key.data(), key.size(), value.data(), value.size(), &error), error);
    }

    /// Adds a pair that counts as absent after so much time from this call on. As try_put; fails with invalid_argument for no time at all, after which the
    /// load goes on without the pair.
    template <class Rep, class Period>
    Result<void> try_put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl) {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_bulk_put_ttl(bulk_.get(), key.data(), key.size(), value.data(), value.size(),
                                                 detail::milliseconds<std::uint64_t>(ttl), &error),
                            error);
    }

    /// Makes all pairs visible. The load can't be used again, whatever comes of it. Fails as try_put; then an atomic load did not happen.
    Result<void> try_finish() {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_bulk_finish(bulk_.get(), &error), error);
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    BulkLoader& put(Bytes key, Bytes value) {
        detail::unwrap(try_put(key, value));
        return *this;
    }
    template <class Rep, class Period>
    BulkLoader& put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl) {
        detail::unwrap(try_put_with_ttl(key, value, ttl));
        return *this;
    }
    void finish() { detail::unwrap(try_finish()); }
#endif

private:
    struct Free {
        void operator()(bitcask_bulk* bulk) const noexcept { bitcask_bulk_free(bulk); }
    };
    std::unique_ptr<bitcask_bulk, Free> bulk_;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
