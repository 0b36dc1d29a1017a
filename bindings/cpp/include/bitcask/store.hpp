/// \file
/// Store: open, close, reads and writes, and the makers of batches and iterators.
#ifndef BITCASK_STORE_HPP
#define BITCASK_STORE_HPP

#include "batch.hpp"
#include "bytes.hpp"
#include "config.hpp"
#include "iterator.hpp"
#include "options.hpp"
#include "result.hpp"
#include "value.hpp"
#include "values.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// A store in figures, at one moment.
struct Stats {
    /// Keys that are there.
    std::uint64_t keys = 0;
    /// Data files.
    std::uint64_t files = 0;
    /// Bytes of log in the data files, without preallocated space.
    std::uint64_t data_bytes = 0;
    /// Bytes of memory that the index holds.
    std::uint64_t index_bytes = 0;
    /// Sequence number of the last commit.
    std::uint64_t last_seq = 0;
    /// Damaged places that were found at open, and the bytes in them.
    std::uint64_t damaged_places = 0, damaged_bytes = 0;
    /// Data files that are read through a memory map: none with IoKind::file, and fewer than all where the system would not map one.
    std::uint64_t mapped_files = 0;
    /// Appends are copied into mapped space at the moment, and not written by system calls.
    bool mapped_appends = false;
};

/// An open store. Any number of threads may use it at once. Can be moved and not copied; share it by reference or in a
/// std::shared_ptr.
///
/// Every call fails with `closed` on a closed, moved-from or default-made store, and with `forked` in a child process.
/// Those that take a key fail with `key_empty` and `key_too_large`.
class Store {
public:
    /// A closed store.
    Store() noexcept = default;

    /// Opens the store in a directory, creating it if the options say so, and recovers what is there.
    ///
    /// Fails with locked (open for writing elsewhere, or in this process), no_store, corrupted (see Options::on_damage),
    /// unsupported_version, unsupported_feature, foreign_file, invalid_argument, io, disk_full.
    static Result<Store> try_open(const std::filesystem::path& path, const Options& options = {}) {
#ifdef _WIN32
        const auto text = path.u8string();
        const std::string bytes(text.begin(), text.end());
#else
        const std::string& bytes = path.native();
#endif
        if (bytes.find('\0') != std::string::npos) {
            Failure failure;
            failure.status = Status::invalid_argument;
            failure.message = "invalid argument: the path has a zero byte in it";
            return detail::Unexpected(std::move(failure));
        }
        bitcask_error* error = nullptr;
        bitcask_db* db = nullptr;
        Options::Native native;
        std::int32_t status = options.native(native, &error);
        if (status == BITCASK_OK) status = bitcask_open(bytes.c_str(), native.get(), &db, &error);
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(status, error));
        return Store(db);
    }

    Store(Store&& other) noexcept : db_(other.release()) {}

    /// Closes what was open here, as the destructor does.
    Store& operator=(Store&& other) noexcept {
        if (this != &other) {
            bitcask_db* old = db_.exchange(other.release());
            if (old != nullptr) bitcask_close(old, nullptr);
        }
        return *this;
    }

    /// Closes the store if it is open. A failure can't be told here: call close().
    ~Store() {
        if (bitcask_db* db = release()) bitcask_close(db, nullptr);
    }

    /// Whether close() was not called yet.
    bool is_open() const noexcept { return handle() != nullptr; }
    explicit operator bool() const noexcept { return is_open(); }

    /// Syncs, closes and unlocks. Calls under way in other threads end first. Fails with closed the second time, or with the
    /// failure of the last sync; the store is closed all the same.
    Result<void> try_close() {
        bitcask_error* error = nullptr;
        bitcask_db* db = release();
        return detail::done(db, bitcask_close(db, &error), error);
    }

    /// Stores a value under a key, replacing any other. Both are copied.
    ///
    /// Fails with value_too_large, read_only, io or disk_full (the write did not happen; later ones may work), writes_stopped.
    Result<void> try_put(Bytes key, Bytes value, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        const auto flags = static_cast<std::uint32_t>(how);
        return detail::done(db, bitcask_put(db, key.data(), key.size(), value.data(), value.size(), flags, &error), error);
    }

    /// Removes a key and tells whether it was there. Removing a missing key writes nothing. Fails as try_put.
    Result<bool> try_erase(Bytes key, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool existed = false;
        const std::int32_t status =
            bitcask_delete(db, key.data(), key.size(), static_cast<std::uint32_t>(how), &existed, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return existed;
    }

    /// The value of a key, or nothing. Fails with corrupted if the record is damaged, io.
    Result<std::optional<Value>> try_get(Bytes key) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_value* value = nullptr;
        const std::int32_t status = bitcask_get(db, key.data(), key.size(), &value, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<Value>();
        if (status != BITCASK_OK) return failed(db, status, error);
        return std::optional<Value>(Value(value));
    }

    /// Copies a value into the caller's buffer and gives its length, or nothing if there is no such key. If the length is
    /// greater than the buffer's, what the buffer holds is unspecified: make it larger and ask again. Fails as try_get.
    Result<std::optional<std::size_t>> try_get_into(Bytes key, void* buffer, std::size_t capacity) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::size_t len = 0;
        const std::int32_t status =
            bitcask_get_into(db, key.data(), key.size(), static_cast<std::uint8_t*>(buffer), capacity, &len, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<std::size_t>();
        if (status != BITCASK_OK && status != BITCASK_BUFFER_TOO_SMALL) return failed(db, status, error);
        return std::optional<std::size_t>(len);
    }

    /// Whether a key is there. Reads no value. Fails as try_get.
    Result<bool> try_contains(Bytes key) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        const std::int32_t status = bitcask_contains(db, key.data(), key.size(), &error);
        if (status != BITCASK_OK && status != BITCASK_NOT_FOUND) return failed(db, status, error);
        return status == BITCASK_OK;
    }

    /// The length of a value in bytes, or nothing if there is no such key. Reads no value, and so finds no damage in it. Fails as try_get.
    Result<std::optional<std::uint64_t>> try_value_size(Bytes key) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t size = 0;
        const std::int32_t status = bitcask_value_size(db, key.data(), key.size(), &size, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<std::uint64_t>();
        if (status != BITCASK_OK) return failed(db, status, error);
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
        bitcask_db* db = handle();
        return detail::done(db, values.find(db, keys, &error), error);
    }

    /// The record with the least key, or nothing in an empty store. An index without order (Index::hash) reads all keys for this.
    /// Fails with corrupted if the record is damaged, io.
    Result<std::optional<OwnedRecord>> try_first() const { return edge(bitcask_first); }

    /// The record with the greatest key; else as try_first.
    Result<std::optional<OwnedRecord>> try_last() const { return edge(bitcask_last); }

    /// How many records an iterator with these options would give now. Reads no values, and no keys where the index keeps them; in O(1)
    /// without bounds and prefix. Fails with io and corrupted where the index keeps no keys.
    Result<std::uint64_t> try_count(const IterOptions& options = {}) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t records = 0;
        IterOptions::Native native;
        std::int32_t status = options.native(native, &error);
        if (status == BITCASK_OK) status = bitcask_count(db, native.get(), &records, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return records;
    }

    /// A key at random, each with the same chance, or nothing in an empty store. Fails with corrupted if the key that was picked is
    /// damaged, io.
    Result<std::optional<std::string>> try_random_key() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_value* key = nullptr;
        const std::int32_t status = bitcask_random_key(db, &key, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<std::string>();
        if (status != BITCASK_OK) return failed(db, status, error);
        return std::optional<std::string>(Value(key).str());
    }

    /// The number of keys, in O(1).
    Result<std::uint64_t> try_size() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t keys = 0;
        const std::int32_t status = bitcask_len(db, &keys, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return keys;
    }

    /// Brings everything acknowledged so far to stable storage. Fails with writes_stopped after a sync that failed, now or
    /// earlier; read_only.
    Result<void> try_sync() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        return detail::done(db, bitcask_sync(db, &error), error);
    }

    Result<Stats> try_stats() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t figures[BITCASK_STAT_COUNT] = {};
        std::size_t known = 0;
        const std::int32_t status = bitcask_stats(db, figures, BITCASK_STAT_COUNT, &known, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        Stats stats;
        stats.keys = figures[BITCASK_STAT_KEYS];
        stats.files = figures[BITCASK_STAT_FILES];
        stats.data_bytes = figures[BITCASK_STAT_DATA_BYTES];
        stats.index_bytes = figures[BITCASK_STAT_INDEX_BYTES];
        stats.last_seq = figures[BITCASK_STAT_LAST_SEQ];
        stats.damaged_places = figures[BITCASK_STAT_DAMAGED_PLACES];
        stats.damaged_bytes = figures[BITCASK_STAT_DAMAGED_BYTES];
        stats.mapped_files = figures[BITCASK_STAT_MAPPED_FILES];
        stats.mapped_appends = figures[BITCASK_STAT_MAPPED_APPENDS] != 0;
        return stats;
    }

    /// An empty batch.
    Result<Batch> try_batch() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_batch* batch = nullptr;
        const std::int32_t status = bitcask_batch_new(db, &batch, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return Batch(batch);
    }

    /// An iterator over the store as it is now. With an index without order (Index::hash), which reads the keys from the log and sorts
    /// them, fails with io, corrupted, and unsupported beyond Options::sort_budget.
    Result<Iterator> try_range(const IterOptions& options = {}) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_iter* iter = nullptr;
        IterOptions::Native native;
        std::int32_t status = options.native(native, &error);
        if (status == BITCASK_OK) status = bitcask_iter_new(db, native.get(), &iter, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return Iterator(iter);
    }

#if BITCASK_HAS_EXCEPTIONS
    /// As try_open().
    explicit Store(const std::filesystem::path& path, const Options& options = {}) : Store(detail::unwrap(try_open(path, options))) {}

    // Each as its namesake above.
    static Store open(const std::filesystem::path& path, const Options& options = {}) { return Store(path, options); }
    void close() { detail::unwrap(try_close()); }
    void put(Bytes key, Bytes value, Write how = Write::standard) { detail::unwrap(try_put(key, value, how)); }
    bool erase(Bytes key, Write how = Write::standard) { return detail::unwrap(try_erase(key, how)); }
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
    std::optional<std::string> random_key() const { return detail::unwrap(try_random_key()); }
    std::uint64_t size() const { return detail::unwrap(try_size()); }
    bool empty() const { return size() == 0; }
    void sync() { detail::unwrap(try_sync()); }
    Stats stats() const { return detail::unwrap(try_stats()); }
    Batch batch() { return detail::unwrap(try_batch()); }
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

    /// The C interface's handle, nullptr if closed. It stays this object's.
    bitcask_db* handle() const noexcept { return db_.load(std::memory_order_relaxed); }

private:
    explicit Store(bitcask_db* db) noexcept : db_(db) {}

    bitcask_db* release() noexcept { return db_.exchange(nullptr); }

    /// The record that bitcask_first or bitcask_last gives.
    template <class Call>
    Result<std::optional<OwnedRecord>> edge(Call call) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_value* value = nullptr;
        bitcask_entry entry{};
        const std::int32_t status = call(db, &value, &entry, &error);
        if (status == BITCASK_NOT_FOUND) return std::optional<OwnedRecord>();
        if (status != BITCASK_OK) return failed(db, status, error);
        Value owned(value); // before the key's copy, which may throw
        return std::optional<OwnedRecord>(OwnedRecord{std::string(Bytes(entry.key, entry.key_len).view()), std::move(owned)});
    }

    static detail::Unexpected failed(const bitcask_db* db, std::int32_t status, bitcask_error* error) {
        return detail::Unexpected(detail::take_failure(db, status, error));
    }

    /// Atomic, because one thread may close while others read it. A stale handle is an error to the library and no danger.
    std::atomic<bitcask_db*> db_{nullptr};
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
