/// \file
/// Expiry: keys that count as absent from some time on.
#ifndef BITCASK_EXPIRY_HPP
#define BITCASK_EXPIRY_HPP

#include "async.hpp"
#include "bytes.hpp"
#include "config.hpp"
#include "durations.hpp"
#include "options.hpp"
#include "result.hpp"

#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <type_traits>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// How long a key is left.
struct Ttl {
    /// Nothing: the key does not expire.
    std::optional<std::chrono::milliseconds> left;

    bool expires() const noexcept { return left.has_value(); }
};

namespace detail {

/// What the C interface's ttl calls say; nothing where there is no such key.
template <class Of>
Result<std::optional<Ttl>> ttl_of(std::uint64_t milliseconds, const Of* of, std::int32_t status, bitcask_error* error) {
    if (status == BITCASK_NOT_FOUND) return std::optional<Ttl>();
    if (status != BITCASK_OK) return Unexpected(take_failure(of, status, error));
    Ttl ttl;
    // One that is too long for it is the longest there is.
    constexpr auto longest = static_cast<std::uint64_t>(std::chrono::milliseconds::max().count());
    if (milliseconds != BITCASK_NO_EXPIRY) {
        ttl.left = std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds < longest ? milliseconds : longest));
    }
    return std::optional<Ttl>(ttl);
}

} // namespace detail

/// The part of a Store that is about keys that expire. What has expired is absent for every call at once, and never uncovers an older value; snapshots,
/// iterators and transactions go by the time at which they began. Only size() counts it, until it is swept. Times are those of the system's
/// clock: if it jumps, that changes what has expired, and nothing else.
///
/// A time to live is any duration; a part of a millisecond counts as one, what is beyond the range of times is for ever, and no time at all, or a negative
/// one, is a delete instead.
template <class Of>
class Expiry {
public:
    /// As StoreWrites::try_put, whose number it gives; the key counts as absent after so much time from now on. A later put without it has no expiry;
    /// fetch_add and update keep it.
    template <class Rep, class Period>
    Result<std::uint64_t> try_put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t seq = 0;
        const std::int32_t status =
            bitcask_put_seq_ttl(db, key.data(), key.size(), value.data(), value.size(), detail::milliseconds<std::uint64_t>(ttl),
                                static_cast<std::uint32_t>(how), &seq, &error);
        return detail::made(seq, db, status, error);
    }

    /// As KeyChanges::try_compare_and_swap to a new value, with a time to live: so a lock is prolonged by who holds it.
    template <class Rep, class Period>
    Result<bool> try_compare_and_swap_with_ttl(
        Bytes key, std::optional<Bytes> expected, Bytes desired, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool swapped = false;
        const Bytes old_bytes = expected.value_or(Bytes());
        const std::int32_t status = bitcask_compare_and_swap_ttl(
            db, key.data(), key.size(), expected.has_value(), old_bytes.data(), old_bytes.size(), desired.data(), desired.size(),
            detail::milliseconds<std::uint64_t>(ttl), static_cast<std::uint32_t>(how), &swapped, &error);
        return detail::made(swapped, db, status, error);
    }

    /// As KeyChanges::try_fetch_add; the counter has this time to live from now on, in place of its expiry.
    template <class Rep, class Period>
    Result<std::int64_t> try_fetch_add_with_ttl(
        Bytes key, std::int64_t delta, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::int64_t before = 0;
        const std::int32_t status = bitcask_fetch_add_ttl(db, key.data(), key.size(), delta, detail::milliseconds<std::uint64_t>(ttl),
                                                          static_cast<std::uint32_t>(how), &before, &error);
        return detail::made(before, db, status, error);
    }

    /// As KeyChanges::try_put_if_absent with a time to live: so a lock that nobody keeps for ever.
    template <class Rep, class Period>
    Result<bool> try_put_if_absent_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool stored = false;
        const std::int32_t status =
            bitcask_put_if_absent_ttl(db, key.data(), key.size(), value.data(), value.size(), detail::milliseconds<std::uint64_t>(ttl),
                                      static_cast<std::uint32_t>(how), &stored, &error);
        return detail::made(stored, db, status, error);
    }

    /// As StoreWrites::try_put_async with a time to live, which counts from this call on.
    template <class Rep, class Period, class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    Result<void> try_put_with_ttl_async(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, F&& callback, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue<std::uint64_t>(std::forward<F>(callback), db, put_call(db, key, value, ttl, how));
    }
    /// As above; the future gets the outcome, also where the call fails at once.
    template <class Rep, class Period>
    std::future<Result<std::uint64_t>> try_put_with_ttl_async(
        Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_result<std::uint64_t>(db, put_call(db, key, value, ttl, how));
    }

    /// Has a key expire so much time from now on, in place of when it would have, and tells whether it is there. The record is written anew, with its
    /// value. Fails as KeyChanges::try_compare_and_swap.
    template <class Rep, class Period>
    Result<bool> try_expire(Bytes key, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool found = false;
        const std::int32_t status = bitcask_expire(db, key.data(), key.size(), detail::milliseconds<std::uint64_t>(ttl),
                                                   static_cast<std::uint32_t>(how), &found, &error);
        return detail::made(found, db, status, error);
    }

    /// Takes away a key's own expiry, and tells whether it had one. Fails as try_expire.
    Result<bool> try_persist(Bytes key, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool had = false;
        const std::int32_t status = bitcask_persist(db, key.data(), key.size(), static_cast<std::uint32_t>(how), &had, &error);
        return detail::made(had, db, status, error);
    }

    /// How long a key is left, by its own expiry or Options::expiry; nothing if there is no such key. Reads no value. Fails as Reads::try_get.
    Result<std::optional<Ttl>> try_ttl(Bytes key) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t left = 0;
        const std::int32_t status = bitcask_ttl(db, key.data(), key.size(), &left, &error);
        return detail::ttl_of(left, db, status, error);
    }

    /// Deletes what has expired by now, and tells how many keys that were. Nothing needs it but size() and the disk: a merge can give back only
    /// what is deleted, and begins with a sweep of its own. Writes go on beside it, and a key that is written meanwhile stays. It looks at the
    /// header of every record, unless nothing can have expired since the last one. Fails as StoreWrites::try_erase; what was swept until then
    /// stays so.
    Result<std::uint64_t> try_sweep_expired() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t keys = 0;
        const std::int32_t status = bitcask_sweep_expired(db, &keys, &error);
        return detail::made(keys, db, status, error);
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    template <class Rep, class Period>
    std::uint64_t put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        return detail::unwrap(try_put_with_ttl(key, value, ttl, how));
    }
    template <class Rep, class Period>
    bool compare_and_swap_with_ttl(
        Bytes key, std::optional<Bytes> expected, Bytes desired, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        return detail::unwrap(try_compare_and_swap_with_ttl(key, expected, desired, ttl, how));
    }
    template <class Rep, class Period>
    std::int64_t fetch_add_with_ttl(Bytes key, std::int64_t delta, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        return detail::unwrap(try_fetch_add_with_ttl(key, delta, ttl, how));
    }
    template <class Rep, class Period>
    bool put_if_absent_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        return detail::unwrap(try_put_if_absent_with_ttl(key, value, ttl, how));
    }
    template <class Rep, class Period, class F, std::enable_if_t<detail::is_callback<F, std::uint64_t>, int> = 0>
    void put_with_ttl_async(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, F&& callback, Write how = Write::standard) {
        detail::unwrap(try_put_with_ttl_async(key, value, ttl, std::forward<F>(callback), how));
    }
    template <class Rep, class Period>
    std::future<std::uint64_t> put_with_ttl_async(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        bitcask_db* db = handle();
        return detail::queue_value<std::uint64_t>(db, put_call(db, key, value, ttl, how));
    }
    template <class Rep, class Period>
    bool expire(Bytes key, std::chrono::duration<Rep, Period> ttl, Write how = Write::standard) {
        return detail::unwrap(try_expire(key, ttl, how));
    }
    bool persist(Bytes key, Write how = Write::standard) { return detail::unwrap(try_persist(key, how)); }
    std::optional<Ttl> ttl(Bytes key) const { return detail::unwrap(try_ttl(key)); }
    std::uint64_t sweep_expired() { return detail::unwrap(try_sweep_expired()); }
#endif

protected:
    Expiry() noexcept = default;
    ~Expiry() = default;

private:
    bitcask_db* handle() const noexcept { return static_cast<const Of*>(this)->handle(); }

    template <class Rep, class Period>
    static auto put_call(bitcask_db* db, Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl, Write how) {
        return [=](bitcask_write_callback callback, void* user_data, bitcask_error** error) {
            return bitcask_put_ttl_async(db, key.data(), key.size(), value.data(), value.size(), detail::milliseconds<std::uint64_t>(ttl),
                                         static_cast<std::uint32_t>(how), callback, user_data, error);
        };
    }
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
