/// \file
/// Reads: what a store and a snapshot can be asked, written once.
#ifndef BITCASK_READS_HPP
#define BITCASK_READS_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "iterator.hpp"
#include "options.hpp"
#include "result.hpp"
#include "value.hpp"
#include "values.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// The reads of a Store, which show it as it is, and of a Snapshot, which show it as it was: the base of both. Any number of threads
/// may use them at once. Those that take a key fail with `key_empty` and `key_too_large`.
///
/// `Calls` names the functions of the C interface, `Of` gives their handle.
template <class Of, class Calls>
class Reads {
public:
    /// The value of a key, or nothing. Fails with corrupted if the record is damaged, io.
    Result<std::optional<Value>> try_get(Bytes key) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        bitcask_value* value = nullptr;
        const std::int32_t status = Calls::get(of, key.data(), key.size(), &value, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<Value>();
        if (status != BITCASK_OK) return failed(of, status, error);
        return std::optional<Value>(Value(value));
    }

    /// Copies a value into the caller's buffer and gives its length, or nothing if there is no such key. If the length is
    /// greater than the buffer's, what the buffer holds is unspecified: make it larger and ask again. Fails as try_get.
    Result<std::optional<std::size_t>> try_get_into(Bytes key, void* buffer, std::size_t capacity) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        std::size_t len = 0;
        const std::int32_t status =
            Calls::get_into(of, key.data(), key.size(), static_cast<std::uint8_t*>(buffer), capacity, &len, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<std::size_t>();
        if (status != BITCASK_OK && status != BITCASK_BUFFER_TOO_SMALL) return failed(of, status, error);
        return std::optional<std::size_t>(len);
    }

    /// Whether a key is there. Reads no value. Fails as try_get.
    Result<bool> try_contains(Bytes key) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        const std::int32_t status = Calls::contains(of, key.data(), key.size(), &error);
        if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) return failed(of, status, error);
        return status == BITCASK_OK;
    }

    /// The length of a value in bytes, or nothing if there is no such key. Reads no value, and so finds no damage in it. Fails as try_get.
    Result<std::optional<std::uint64_t>> try_value_size(Bytes key) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        std::uint64_t size = 0;
        const std::int32_t status = Calls::value_size(of, key.data(), key.size(), &size, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<std::uint64_t>();
        if (status != BITCASK_OK) return failed(of, status, error);
        return std::optional<std::uint64_t>(size);
    }

    /// The values of many keys as of one moment, with one call: faster than one by one. `keys` is a range of anything that Bytes is made
    /// of, such as a vector or a span of std::string_view; a key may be given twice. Keys that are not there are no failure. Fails as try_get,
    /// with the failure of the first key that has one: then there are no values at all.
    template <class Keys>
    Result<Values> try_multi_get(Keys&& keys) const {
        Values values;
        if (auto found = try_multi_get_into(keys, values); !found) return detail::Unexpected(std::move(found).error());
        return values;
    }
    Result<Values> try_multi_get(std::initializer_list<Bytes> keys) const {
        return try_multi_get<std::initializer_list<Bytes>&>(keys);
    }

    /// As try_multi_get, into an object whose memory is used again. After a failure it has no values. The keys may be values in it.
    template <class Keys>
    Result<void> try_multi_get_into(Keys&& keys, Values& values) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        return detail::done(of, values.find(Calls::multi_get_packed, of, keys, &error), error);
    }

    /// The record with the least key, or nothing in an empty store. An index without order (Index::hash) reads all keys for this.
    /// Fails with corrupted if the record is damaged, io.
    Result<std::optional<OwnedRecord>> try_first() const { return edge(Calls::first); }

    /// The record with the greatest key; else as try_first.
    Result<std::optional<OwnedRecord>> try_last() const { return edge(Calls::last); }

    /// How many records an iterator with these options would give now. Reads no values, and no keys where the index keeps them; in O(1)
    /// without bounds and prefix. Fails with io and corrupted where the index keeps no keys.
    Result<std::uint64_t> try_count(const IterOptions& options = {}) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        std::uint64_t records = 0;
        const std::int32_t status = detail::call_with(options, Calls::count, of, &records, &error);
        if (status != BITCASK_OK) return failed(of, status, error);
        return records;
    }

    /// The number of keys, in O(1).
    Result<std::uint64_t> try_size() const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        std::uint64_t keys = 0;
        const std::int32_t status = Calls::len(of, &keys, &error);
        if (status != BITCASK_OK) return failed(of, status, error);
        return keys;
    }

    /// An iterator over the store as it is now, or as it was for the snapshot. With an index without order (Index::hash), which reads the
    /// keys from the log and sorts them, fails with io, corrupted, and unsupported beyond Options::sort_budget.
    Result<Iterator> try_range(const IterOptions& options = {}) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        bitcask_iter* iter = nullptr;
        const std::int32_t status = detail::call_with(options, Calls::iter_new, of, &iter, &error);
        if (status != BITCASK_OK) return failed(of, status, error);
        return Iterator(iter);
    }

    /// All keys in order. Takes the memory of all of them.
    Result<std::vector<std::string>> try_list_keys() const {
        return try_fold_keys(std::vector<std::string>(), [](auto keys, std::string_view key) {
            keys.emplace_back(key);
            return keys;
        });
    }

    /// Goes through the records that the options say, as of one moment and in their order: calls `f` with what it gave for the record before (`init`
    /// for the first), the record's key and its value, and gives what it gave last. Both views are lent for the call. As std::accumulate over
    /// try_range(), whose failures it has, and those of Iterator::try_next.
    template <class T, class F>
    Result<T> try_fold(T init, F f, const IterOptions& options = {}) const {
        auto records = try_range(options);
        if (!records) return detail::Unexpected(std::move(records).error());
        for (;;) {
            auto record = records->try_next();
            if (!record) return detail::Unexpected(std::move(record).error());
            if (!*record) return init;
            init = f(std::move(init), (*record)->key, (*record)->value);
        }
    }

    /// try_fold() over keys alone; values are not read.
    template <class T, class F>
    Result<T> try_fold_keys(T init, F f, IterOptions options = {}) const {
        options.keys_only();
        return try_fold(
            std::move(init), [&f](T so_far, std::string_view key, std::string_view) { return f(std::move(so_far), key); }, options);
    }

    /// Whether there are no keys.
    Result<bool> try_empty() const {
        const auto keys = try_size();
        if (!keys) return detail::Unexpected(keys.error());
        return *keys == 0;
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    std::optional<Value> get(Bytes key) const { return detail::unwrap(try_get(key)); }
    std::optional<std::size_t> get_into(Bytes key, void* buffer, std::size_t capacity) const {
        return detail::unwrap(try_get_into(key, buffer, capacity));
    }
    bool contains(Bytes key) const { return detail::unwrap(try_contains(key)); }
    std::optional<std::uint64_t> value_size(Bytes key) const { return detail::unwrap(try_value_size(key)); }
    template <class Keys>
    Values multi_get(Keys&& keys) const {
        return detail::unwrap(try_multi_get(keys));
    }
    Values multi_get(std::initializer_list<Bytes> keys) const { return detail::unwrap(try_multi_get(keys)); }
    template <class Keys>
    void multi_get_into(Keys&& keys, Values& values) const {
        detail::unwrap(try_multi_get_into(keys, values));
    }
    std::optional<OwnedRecord> first() const { return detail::unwrap(try_first()); }
    std::optional<OwnedRecord> last() const { return detail::unwrap(try_last()); }
    std::uint64_t count(const IterOptions& options = {}) const { return detail::unwrap(try_count(options)); }
    std::uint64_t size() const { return detail::unwrap(try_size()); }
    bool empty() const { return detail::unwrap(try_empty()); }
    std::vector<std::string> list_keys() const { return detail::unwrap(try_list_keys()); }
    template <class T, class F>
    T fold(T init, F f, const IterOptions& options = {}) const {
        return detail::unwrap(try_fold(std::move(init), std::move(f), options));
    }
    template <class T, class F>
    T fold_keys(T init, F f, const IterOptions& options = {}) const {
        return detail::unwrap(try_fold_keys(std::move(init), std::move(f), options));
    }
    Iterator range(const IterOptions& options) const { return detail::unwrap(try_range(options)); }
    /// All records, ascending.
    Iterator all() const { return range(IterOptions()); }
    /// The records whose keys begin with these bytes, ascending.
    Iterator prefix(Bytes bytes) const { return range(IterOptions().prefix(bytes)); }
#endif

#if BITCASK_HAS_SPAN
    Result<std::optional<std::size_t>> try_get_into(Bytes key, std::span<std::byte> buffer) const {
        return try_get_into(key, buffer.data(), buffer.size());
    }
#if BITCASK_HAS_EXCEPTIONS
    std::optional<std::size_t> get_into(Bytes key, std::span<std::byte> buffer) const {
        return get_into(key, buffer.data(), buffer.size());
    }
#endif
#endif

protected:
    Reads() noexcept = default;
    ~Reads() = default;

private:
    auto* handle() const noexcept { return static_cast<const Of*>(this)->handle(); }

    /// The record that the C interface's first or last gives.
    template <class Call>
    Result<std::optional<OwnedRecord>> edge(Call call) const {
        bitcask_error* error = nullptr;
        auto* of = handle();
        bitcask_value* value = nullptr;
        bitcask_entry entry{};
        const std::int32_t status = call(of, &value, &entry, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<OwnedRecord>();
        if (status != BITCASK_OK) return failed(of, status, error);
        Value owned(value); // before the key's copy, which may throw
        return std::optional<OwnedRecord>(OwnedRecord{std::string(Bytes(entry.key, entry.key_len).view()), std::move(owned)});
    }

    template <class Handle>
    static detail::Unexpected failed(const Handle* of, std::int32_t status, bitcask_error* error) {
        return detail::Unexpected(detail::take_failure(of, status, error));
    }
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
