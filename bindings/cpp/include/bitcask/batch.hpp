/// \file
/// Batch: writes that take effect together.
#ifndef BITCASK_BATCH_HPP
#define BITCASK_BATCH_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "options.hpp"
#include "result.hpp"

#include <cstddef>
#include <memory>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// Writes that take effect together or not at all: no reader, and nobody who opens the store after a crash, sees a
/// part. Made by Store::batch(). Nothing reaches the store before commit(); a batch that is destroyed without it is
/// discarded. A key that is written twice keeps its last write.
///
/// For one thread at a time. May outlive the store, and fails with Status::closed then.
class Batch {
public:
    /// Takes over a batch of the C interface.
    explicit Batch(bitcask_batch* batch) noexcept : batch_(batch) {}

    /// Adds a put. Key and value are copied. Fails with batch_finished, key_empty, key_too_large, value_too_large, closed, forked.
    Result<void> try_put(Bytes key, Bytes value) {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_batch_put(batch_.get(), key.data(), key.size(), value.data(), value.size(), &error), error);
    }

    /// Adds a delete; the key need not exist. Fails as try_put.
    Result<void> try_erase(Bytes key) {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_batch_delete(batch_.get(), key.data(), key.size(), &error), error);
    }

    /// Forgets all writes added so far. Fails with batch_finished, closed, forked.
    Result<void> try_clear() {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_batch_clear(batch_.get(), &error), error);
    }

    /// The number of different keys written so far; 0 after a commit. Fails with closed, forked.
    Result<std::size_t> try_size() const {
        bitcask_error* error = nullptr;
        std::size_t len = 0;
        const std::int32_t status = bitcask_batch_len(batch_.get(), &len, &error);
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(status, error));
        return len;
    }

    /// Makes all writes. Fails with batch_finished the second time, else as Store::try_put. After a failure nothing was written, and
    /// it may be tried again unless the store is closed or stopped writing.
    Result<void> try_commit(Write how = Write::standard) {
        bitcask_error* error = nullptr;
        return detail::done(bitcask_batch_commit(batch_.get(), static_cast<std::uint32_t>(how), &error), error);
    }

#if BITCASK_HAS_EXCEPTIONS
    Batch& put(Bytes key, Bytes value) {
        detail::unwrap(try_put(key, value));
        return *this;
    }
    Batch& erase(Bytes key) {
        detail::unwrap(try_erase(key));
        return *this;
    }
    void clear() { detail::unwrap(try_clear()); }
    std::size_t size() const { return detail::unwrap(try_size()); }
    void commit(Write how = Write::standard) { detail::unwrap(try_commit(how)); }
#endif

private:
    struct Free {
        void operator()(bitcask_batch* batch) const noexcept { bitcask_batch_free(batch); }
    };
    std::unique_ptr<bitcask_batch, Free> batch_;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
