/// \file
/// Writes: what a batch and a transaction can be given before they are committed, written once.
#ifndef BITCASK_WRITES_HPP
#define BITCASK_WRITES_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "durations.hpp"
#include "expiry.hpp"
#include "iterator.hpp"
#include "options.hpp"
#include "result.hpp"
#include "value.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// A state of a Batch or a Transaction that it can be taken back to. A number: it owns nothing, and belongs to the one that gave it.
enum class Savepoint : std::uint64_t {};

/// Writes that are collected until a commit, and reads that see them: the base of Batch and Transaction. For one thread at a time.
///
/// Every call but size() fails with batch_finished, or transaction_finished, after the commit, and with closed, forked. Those that take
/// a key fail with key_empty and key_too_large.
///
/// `Calls` names the functions of the C interface, `Of` is the derived class.
template <class Of, class Calls>
class Writes {
public:
    /// Adds a put. Key and value are copied. Fails with value_too_large.
    Result<void> try_put(Bytes key, Bytes value) {
        bitcask_error* error = nullptr;
        return detail::done(Calls::put(handle(), key.data(), key.size(), value.data(), value.size(), &error), error);
    }

    /// Adds a put of a key that counts as absent after so much time from this call on; no time at all is a delete. See Expiry.
    template <class Rep, class Period>
    Result<void> try_put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl) {
        bitcask_error* error = nullptr;
        return detail::done(
            Calls::put_ttl(handle(), key.data(), key.size(), value.data(), value.size(), detail::milliseconds<std::uint64_t>(ttl), &error), error);
    }

    /// Puts the value that a key has now once more, to expire so much time from this call on, and tells whether the key is there. No time at all
    /// deletes it. A transaction's commit rests on the key; of a batch, what others write until the commit is overwritten. Fails as try_get.
    template <class Rep, class Period>
    Result<bool> try_expire(Bytes key, std::chrono::duration<Rep, Period> ttl) {
        bitcask_error* error = nullptr;
        bool found = false;
        const std::int32_t status = Calls::expire(handle(), key.data(), key.size(), detail::milliseconds<std::uint64_t>(ttl), &found, &error);
        return detail::made(found, handle(), status, error);
    }

    /// Puts the value that a key has now once more, without an expiry of its own, and tells whether it had one. As try_expire.
    Result<bool> try_persist(Bytes key) {
        bitcask_error* error = nullptr;
        bool had = false;
        const std::int32_t status = Calls::persist(handle(), key.data(), key.size(), &had, &error);
        return detail::made(had, handle(), status, error);
    }

    /// How long a key is left with these writes made; nothing if there is no such key. A transaction counts from the time on at which it began.
    Result<std::optional<Ttl>> try_ttl(Bytes key) const {
        bitcask_error* error = nullptr;
        std::uint64_t left = 0;
        const std::int32_t status = Calls::ttl(handle(), key.data(), key.size(), &left, &error);
        return detail::ttl_of(left, handle(), status, error);
    }

    /// Adds a delete; the key need not exist.
    Result<void> try_erase(Bytes key) {
        bitcask_error* error = nullptr;
        return detail::done(Calls::erase(handle(), key.data(), key.size(), &error), error);
    }

    /// Deletes all keys from `start` on and before `end`, or to the last without it: those that were put here so far, and those that are in
    /// the store at the commit. Keys that are put afterwards stay. Both may be any bytes; an empty start is the first key. The commit finds
    /// the keys and deletes them one by one, which takes memory for all of them for a moment; with Index::hash it reads all keys of
    /// the store for it.
    Result<void> try_erase_range(Bytes start, std::optional<Bytes> end = std::nullopt) {
        bitcask_error* error = nullptr;
        const std::uint8_t none = 0;
        const std::uint8_t* last = !end ? nullptr : end->data() != nullptr ? end->data() : &none;
        return detail::done(
            Calls::erase_range(handle(), start.data(), start.size(), last, end ? end->size() : 0, &error), error);
    }

    /// Deletes all keys that begin with these bytes, as try_erase_range. None: all keys of the store.
    Result<void> try_erase_prefix(Bytes bytes) {
        bitcask_error* error = nullptr;
        return detail::done(Calls::erase_prefix(handle(), bytes.data(), bytes.size(), &error), error);
    }

    /// Marks the present state of the writes.
    Result<Savepoint> try_savepoint() {
        bitcask_error* error = nullptr;
        std::uint64_t number = 0;
        const std::int32_t status = Calls::savepoint(handle(), &number, &error);
        return detail::made(static_cast<Savepoint>(number), handle(), status, error);
    }

    /// Takes back all writes since a savepoint. It can be rolled back to again; later ones are gone. Fails with invalid_argument if there
    /// is no such savepoint (any more).
    Result<void> try_rollback_to(Savepoint savepoint) {
        bitcask_error* error = nullptr;
        return detail::done(Calls::rollback_to(handle(), static_cast<std::uint64_t>(savepoint), &error), error);
    }

    /// Forgets a savepoint and later ones, and keeps all writes. Fails as try_rollback_to.
    Result<void> try_release(Savepoint savepoint) {
        bitcask_error* error = nullptr;
        return detail::done(Calls::release(handle(), static_cast<std::uint64_t>(savepoint), &error), error);
    }

    /// The value that a key has with these writes made: the own write, or else what is below. See the derived class. Fails with
    /// corrupted if the record is damaged, io.
    Result<std::optional<Value>> try_get(Bytes key) const { return read(Calls::get, key); }

    /// An iterator over all that is below with these writes made; later writes change nothing of it. Fails as Reads::try_range.
    Result<Iterator> try_range(const IterOptions& options = {}) const {
        bitcask_error* error = nullptr;
        bitcask_iter* iter = nullptr;
        const std::int32_t status = detail::call_with(options, Calls::iter_new, handle(), &iter, &error);
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(status, error));
        return Iterator(iter);
    }

    /// The number of different keys written so far, without those that ranges delete; 0 after the commit. Fails with closed, forked.
    Result<std::size_t> try_size() const {
        bitcask_error* error = nullptr;
        std::size_t len = 0;
        const std::int32_t status = Calls::len(handle(), &len, &error);
        return detail::made(len, handle(), status, error);
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    Of& put(Bytes key, Bytes value) { return self(try_put(key, value)); }
    template <class Rep, class Period>
    Of& put_with_ttl(Bytes key, Bytes value, std::chrono::duration<Rep, Period> ttl) {
        return self(try_put_with_ttl(key, value, ttl));
    }
    template <class Rep, class Period>
    bool expire(Bytes key, std::chrono::duration<Rep, Period> ttl) {
        return detail::unwrap(try_expire(key, ttl));
    }
    bool persist(Bytes key) { return detail::unwrap(try_persist(key)); }
    std::optional<Ttl> ttl(Bytes key) const { return detail::unwrap(try_ttl(key)); }
    Of& erase(Bytes key) { return self(try_erase(key)); }
    Of& erase_range(Bytes start, std::optional<Bytes> end = std::nullopt) { return self(try_erase_range(start, end)); }
    Of& erase_prefix(Bytes bytes) { return self(try_erase_prefix(bytes)); }
    Savepoint savepoint() { return detail::unwrap(try_savepoint()); }
    void rollback_to(Savepoint savepoint) { detail::unwrap(try_rollback_to(savepoint)); }
    void release(Savepoint savepoint) { detail::unwrap(try_release(savepoint)); }
    std::optional<Value> get(Bytes key) const { return detail::unwrap(try_get(key)); }
    Iterator range(const IterOptions& options) const { return detail::unwrap(try_range(options)); }
    /// All records, ascending.
    Iterator all() const { return range(IterOptions()); }
    /// The records whose keys begin with these bytes, ascending.
    Iterator prefix(Bytes bytes) const { return range(IterOptions().prefix(bytes)); }
    std::size_t size() const { return detail::unwrap(try_size()); }
#endif

protected:
    using Handle = typename Calls::Handle;

    explicit Writes(Handle* handle) noexcept : handle_(handle) {}
    Writes(Writes&&) noexcept = default;
    Writes& operator=(Writes&&) noexcept = default;
    ~Writes() = default;

    Handle* handle() const noexcept { return handle_.get(); }

    /// What one of the C interface's gets gives.
    template <class Call>
    Result<std::optional<Value>> read(Call call, Bytes key) const {
        bitcask_error* error = nullptr;
        bitcask_value* value = nullptr;
        const std::int32_t status = call(handle(), key.data(), key.size(), &value, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<Value>();
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(status, error));
        return std::optional<Value>(Value(value));
    }

#if BITCASK_HAS_EXCEPTIONS
    Of& self(Result<void>&& result) {
        detail::unwrap(std::move(result));
        return static_cast<Of&>(*this);
    }
#endif

private:
    struct Free {
        void operator()(Handle* handle) const noexcept { Calls::free(handle); }
    };
    std::unique_ptr<Handle, Free> handle_;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
