/// \file
/// Snapshot: the store at one moment.
#ifndef BITCASK_SNAPSHOT_HPP
#define BITCASK_SNAPSHOT_HPP

#include "config.hpp"
#include "reads.hpp"
#include "result.hpp"

#include <cstdint>
#include <memory>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

namespace detail {
/// The functions of the C interface that read a snapshot.
struct SnapshotCalls {
    static constexpr auto get = bitcask_snapshot_get;
    static constexpr auto get_into = bitcask_snapshot_get_into;
    static constexpr auto contains = bitcask_snapshot_contains;
    static constexpr auto value_size = bitcask_snapshot_value_size;
    static constexpr auto multi_get_packed = bitcask_snapshot_multi_get_packed;
    static constexpr auto first = bitcask_snapshot_first;
    static constexpr auto last = bitcask_snapshot_last;
    static constexpr auto count = bitcask_snapshot_count;
    static constexpr auto len = bitcask_snapshot_len;
    static constexpr auto iter_new = bitcask_snapshot_iter_new;
};
} // namespace detail

/// The store at the moment when Store::snapshot() made this, whatever is written meanwhile. It reads as a Store does:
///
///     const auto before = db.snapshot();
///     db.put("k", "new");
///     before.get("k"); // what it was
///
/// Any number of threads may use one at once, and any number may live; they keep nobody from writing. What is overwritten while one lives
/// costs memory (the key and about 150 bytes) until it is destroyed. Iterators made from it live by themselves.
///
/// Can be moved and not copied. May outlive the store, and fails with Status::closed then; a moved-from one fails with null_argument.
class Snapshot : public Reads<Snapshot, detail::SnapshotCalls> {
public:
    /// Takes over a snapshot of the C interface.
    explicit Snapshot(bitcask_snapshot* snapshot) noexcept : snapshot_(snapshot) {}

    /// The sequence number of the last commit that it shows.
    Result<std::uint64_t> try_seq() const {
        bitcask_error* error = nullptr;
        std::uint64_t seq = 0;
        const std::int32_t status = bitcask_snapshot_seq(handle(), &seq, &error);
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(status, error));
        return seq;
    }

#if BITCASK_HAS_EXCEPTIONS
    std::uint64_t seq() const { return detail::unwrap(try_seq()); }
#endif

    /// The C interface's handle, nullptr if it was moved from. It stays this object's.
    const bitcask_snapshot* handle() const noexcept { return snapshot_.get(); }

private:
    struct Free {
        void operator()(bitcask_snapshot* snapshot) const noexcept { bitcask_snapshot_free(snapshot); }
    };
    std::unique_ptr<bitcask_snapshot, Free> snapshot_;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
