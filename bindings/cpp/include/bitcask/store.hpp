/// \file
/// Store: open, close, figures, and the makers of batches, transactions, loads and snapshots. Its reads and writes are in its bases.
#ifndef BITCASK_STORE_HPP
#define BITCASK_STORE_HPP

#include "batch.hpp"
#include "bulk_loader.hpp"
#include "config.hpp"
#include "expiry.hpp"
#include "key_changes.hpp"
#include "merge.hpp"
#include "open_report.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "reads.hpp"
#include "result.hpp"
#include "snapshot.hpp"
#include "store_writes.hpp"
#include "transaction.hpp"
#include "value.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
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
    /// Merges in the background (Options::background_merge) that were completed since the opening, and those that failed.
    std::uint64_t background_merges = 0, background_merge_failures = 0;
    /// One runs.
    bool merging_in_background = false;
};

/// What Store::refresh() came to.
struct Refreshed {
    /// Puts and deletes that are shown now and were not before. Where all was loaded anew, all that were read for it.
    std::uint64_t records = 0;
    /// All was loaded anew, because files came or went or the writer took something back.
    bool reloaded = false;
    /// Sequence number of the last commit that is shown.
    std::uint64_t last_seq = 0;

    /// Whether anything may be shown that was not before.
    bool changed() const noexcept { return records > 0 || reloaded; }
};

namespace detail {
/// The functions of the C interface that read a store.
struct StoreCalls {
    static constexpr auto get = bitcask_get;
    static constexpr auto get_into = bitcask_get_into;
    static constexpr auto contains = bitcask_contains;
    static constexpr auto value_size = bitcask_value_size;
    static constexpr auto multi_get_packed = bitcask_multi_get_packed;
    static constexpr auto first = bitcask_first;
    static constexpr auto last = bitcask_last;
    static constexpr auto count = bitcask_count;
    static constexpr auto len = bitcask_len;
    static constexpr auto iter_new = bitcask_iter_new;
};
} // namespace detail

/// An open store. Any number of threads may use it at once. Can be moved and not copied; share it by reference or in a
/// std::shared_ptr. Its reads are in Reads, its writes in StoreWrites, KeyChanges and Expiry, what
/// concerns its files in Merges.
///
/// Every call fails with `closed` on a closed, moved-from or default-made store, and with `forked` in a child process.
/// Those that take a key fail with `key_empty` and `key_too_large`.
class Store : public Reads<Store, detail::StoreCalls>, public StoreWrites<Store>, public KeyChanges<Store>,
              public Expiry<Store>,
              public Merges<Store> {
public:
    /// A closed store.
    Store() noexcept = default;

    /// Opens the store in a directory, creating it if the options say so, and recovers what is there.
    ///
    /// Fails with locked (open for writing elsewhere, or in this process), no_store, corrupted (see Options::on_damage),
    /// unsupported_version, unsupported_feature, foreign_file, invalid_argument, io, disk_full, cancelled (by Options::progress).
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
        detail::OpenProgressCall progress(options.progress_);
        std::int32_t status = options.native(native, progress, &error);
        if (status == BITCASK_OK) status = bitcask_open(bytes.c_str(), native.get(), &db, &error);
        if (status == BITCASK_OK) return Store(db);
        Failure failure = detail::take_failure(status, error);
        progress.rethrow();
        return detail::Unexpected(std::move(failure));
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
        stats.background_merges = figures[BITCASK_STAT_BACKGROUND_MERGES];
        stats.background_merge_failures = figures[BITCASK_STAT_BACKGROUND_MERGE_FAILURES];
        stats.merging_in_background = figures[BITCASK_STAT_MERGING_IN_BACKGROUND] != 0;
        return stats;
    }

    /// What opening found and did.
    Result<OpenReport> try_open_report() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_open_report* made = nullptr;
        const std::int32_t status = bitcask_report_of_opening(db, &made, &error);
        const std::unique_ptr<bitcask_open_report, detail::FreeOpenReport> report(made);
        if (status != BITCASK_OK) return failed(db, status, error);
        return detail::read_open_report(made);
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

    /// Begins to load many pairs at once. Fails with read_only.
    Result<BulkLoader> try_bulk_loader(const BulkOptions& options = {}) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_bulk* bulk = nullptr;
        const std::int32_t status = bitcask_bulk_new(db, options.flags_, &bulk, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return BulkLoader(bulk);
    }

    /// Begins a transaction, which reads the store as it is now.
    Result<Transaction> try_transaction() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_txn* transaction = nullptr;
        const std::int32_t status = bitcask_txn_new(db, &transaction, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return Transaction(transaction);
    }

    /// A snapshot of the store as it is now, in O(1).
    Result<Snapshot> try_snapshot() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_snapshot* snapshot = nullptr;
        const std::int32_t status = bitcask_snapshot_new(db, &snapshot, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        return Snapshot(snapshot);
    }

    /// Catches up with the writer in another process, if this was opened for reading only (Options::read_only): what was acknowledged there before
    /// this call is shown from now on, each commit whole. Tells what is new.
    ///
    /// What is new is read and nothing else; only where the writer took something back, or files came or went, all is loaded anew,
    /// beside what is shown until that is done. Iterators, snapshots and values go on showing what they showed. With nothing new it costs a
    /// few system calls. In a store that is open for writing it does nothing. Threads that refresh at once wait for each other; reads go
    /// on meanwhile.
    ///
    /// Fails with corrupted where the log is damaged (what was shown before still is), no_store if the directory has no data files any more, io.
    Result<Refreshed> try_refresh() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::uint64_t figures[BITCASK_REFRESH_COUNT] = {};
        std::size_t known = 0;
        const std::int32_t status = bitcask_refresh_figures(db, figures, BITCASK_REFRESH_COUNT, &known, &error);
        if (status != BITCASK_OK) return failed(db, status, error);
        Refreshed refreshed;
        refreshed.records = figures[BITCASK_REFRESH_RECORDS];
        refreshed.reloaded = figures[BITCASK_REFRESH_RELOADED] != 0;
        refreshed.last_seq = figures[BITCASK_REFRESH_LAST_SEQ];
        return refreshed;
    }

#if BITCASK_HAS_EXCEPTIONS
    /// As try_open().
    explicit Store(const std::filesystem::path& path, const Options& options = {}) : Store(detail::unwrap(try_open(path, options))) {}

    // Each as its namesake above.
    static Store open(const std::filesystem::path& path, const Options& options = {}) { return Store(path, options); }
    void close() { detail::unwrap(try_close()); }
    std::optional<std::string> random_key() const { return detail::unwrap(try_random_key()); }
    Stats stats() const { return detail::unwrap(try_stats()); }
    OpenReport open_report() const { return detail::unwrap(try_open_report()); }
    Batch batch() { return detail::unwrap(try_batch()); }
    BulkLoader bulk_loader(const BulkOptions& options = {}) { return detail::unwrap(try_bulk_loader(options)); }
    Transaction transaction() { return detail::unwrap(try_transaction()); }
    Snapshot snapshot() const { return detail::unwrap(try_snapshot()); }
    Refreshed refresh() { return detail::unwrap(try_refresh()); }
#endif

    /// The C interface's handle, nullptr if closed. It stays this object's.
    bitcask_db* handle() const noexcept { return db_.load(std::memory_order_relaxed); }

private:
    explicit Store(bitcask_db* db) noexcept : db_(db) {}

    bitcask_db* release() noexcept { return db_.exchange(nullptr); }

    static detail::Unexpected failed(const bitcask_db* db, std::int32_t status, bitcask_error* error) {
        return detail::Unexpected(detail::take_failure(db, status, error));
    }

    /// Atomic, because one thread may close while others read it. A stale handle is an error to the library and no danger.
    std::atomic<bitcask_db*> db_{nullptr};
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
