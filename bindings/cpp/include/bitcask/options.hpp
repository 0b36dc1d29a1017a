/// \file
/// Options of opening, of one write, and of iterating. Plain values that can be copied; checked when they are used.
#ifndef BITCASK_OPTIONS_HPP
#define BITCASK_OPTIONS_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "durations.hpp"
#include "merge.hpp"
#include "progress.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// The kind of index. Any kind opens any directory.
enum class Index : std::int32_t {
    /// A B+tree in memory: range and prefix scans in key order, least memory of the ordered kinds. The default.
    btree = BITCASK_INDEX_BTREE,
    /// A hash table that keeps no keys: fewest bytes a key, fastest single reads; iteration sorts.
    hash = BITCASK_INDEX_HASH,
    /// An adaptive radix tree in memory: in key order, fastest single reads of the ordered kinds.
    art = BITCASK_INDEX_ART,
    /// A skip list in memory: in key order, and readers take no lock that a writer holds while it makes a change.
    skiplist = BITCASK_INDEX_SKIPLIST,
    /// A B+tree on disk with a bounded cache (Options::index_budget): in key order, for more keys than fit into memory.
    bptree = BITCASK_INDEX_BPTREE,
};

/// How data files are read. Writing is the same under both, and so are the files.
enum class IoKind : std::int32_t {
    /// Through memory maps: values are lent without a copy. An I/O error of the disk under a mapped page is the signal SIGBUS. The
    /// default where pointers have 64 bits.
    mmap = BITCASK_IO_MMAP,
    /// By pread: an I/O error is an error, and nothing is mapped. The default where pointers have 32 bits.
    file = BITCASK_IO_FILE,
};

/// When a write is on stable storage.
enum class Durability : std::int32_t {
    /// Acknowledged means in the page cache: survives the process, not a loss of power.
    none = BITCASK_DURABILITY_NONE,
    /// As none, and synced in the background every so often. The default.
    interval = BITCASK_DURABILITY_INTERVAL,
    /// Acknowledged means on stable storage. Concurrent writers share a sync.
    always = BITCASK_DURABILITY_ALWAYS,
};

/// What open does with damage whose keys are unknown.
enum class OnDamage : std::int32_t {
    /// Open fails with Status::corrupted. The default.
    refuse = BITCASK_ON_DAMAGE_REFUSE,
    /// Open succeeds and serves all that is undamaged.
    serve = BITCASK_ON_DAMAGE_SERVE,
};

/// How to make one write.
enum class Write : std::uint32_t {
    /// With the store's own durability.
    standard = BITCASK_WRITE_DEFAULT,
    /// Return only when this write is on stable storage.
    sync = BITCASK_WRITE_SYNC,
    /// For compare_and_swap: the new value expires when the one that it replaces would have. Other writes fail with invalid_argument.
    keep_expiry = BITCASK_WRITE_KEEP_EXPIRY,
};

/// Both.
constexpr Write operator|(Write a, Write b) noexcept {
    return static_cast<Write>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

class IterOptions;

namespace detail {

template <class Call, class Of, class Made>
std::int32_t call_with(const IterOptions& options, Call call, Of* of, Made* made, bitcask_error** error);

struct FreeOptions {
    void operator()(bitcask_options* options) const noexcept { bitcask_options_free(options); }
    void operator()(bitcask_iter_options* options) const noexcept { bitcask_iter_options_free(options); }
};

} // namespace detail

/// How to open a store:
///
///     bitcask::Store db("dir", bitcask::Options().index(bitcask::Index::hash).max_file_size(64 << 20));
///
/// What is not set is as the library has it.
class Options {
public:
    /// A kind that the library lacks is refused at open.
    Options& index(Index kind) { return set(index_, kind); }
    /// Where a file can't be mapped it is read; Stats::mapped_files tells. A store that is opened for reading only maps nothing.
    Options& io(IoKind kind) { return set(io_, kind); }
    /// Most bytes of memory that an iterator may take to sort keys, where the index has no order (Index::hash): 8 for each key of the
    /// store, and for each key in the iterator's range its length and 16 more. Beyond it making the iterator fails with unsupported.
    /// 1 GiB unless it is set.
    Options& sort_budget(std::uint64_t bytes) { return set(sort_budget_, bytes); }
    /// Bytes of memory that an index on disk (Index::bptree) may take for its cache: at least 1 MiB, 64 MiB unless it is set.
    Options& index_budget(std::uint64_t bytes) { return set(index_budget_, bytes); }
    /// Bytes of log after which the index is saved, so that an opening after a crash reads little of the log: Index::btree and
    /// Index::hash beside writers in the file index.checkpoint, not before the log has grown by an eighth of what saving it writes, and where
    /// that is 16 MiB or more in a pause of the writers, or after two seconds without one; Index::bptree in its own file. With each new data file
    /// that is looked at too. 0 saves it at close alone. The other kinds are not saved. 64 MiB unless it is set.
    Options& checkpoint_bytes(std::uint64_t bytes) { return set(checkpoint_bytes_, bytes); }
    Options& durability(Durability durability) { return set(durability_, durability); }
    /// Durability::interval with these limits: the longest time, and the most bytes of log, that acknowledged writes stay
    /// unsynced. Both at least 1. A negative time counts as 0, which is refused.
    Options& sync_interval(std::chrono::milliseconds every, std::uint64_t bytes) {
        durability_ = Durability::interval;
        return set(interval_, Interval{every.count() < 0 ? 0 : static_cast<std::uint64_t>(every.count()), bytes});
    }
    /// Length in bytes beyond which no further record goes into a data file: 4096 to 4294967296. A larger record gets a file of its own.
    Options& max_file_size(std::uint64_t bytes) { return set(max_file_size_, bytes); }
    /// Whether to create the directory and the store in it if missing. The parent directory must exist.
    Options& create_if_missing(bool yes) { return set(create_if_missing_, yes); }
    /// Opens without a lock and without changing anything, also beside a writer; shows what was there at open, or at the last
    /// Store::refresh().
    Options& read_only(bool yes) { return set(read_only_, yes); }
    /// Whether every read verifies the record's checksum.
    Options& verify_checksums(bool yes) { return set(verify_checksums_, yes); }
    Options& on_damage(OnDamage policy) { return set(on_damage_, policy); }
    /// Records count as absent so long after they were written, by the clock, unless they have an expiry of their own. Nothing of it is stored: it holds
    /// for this opening, for all that the store has. No time at all, or a negative one, is none, the default.
    template <class Rep, class Period>
    Options& expiry(std::chrono::duration<Rep, Period> age) {
        return set(expiry_, detail::milliseconds<std::uint64_t>(age));
    }
    /// When data files are worth a merge, and which.
    Options& merge(const MergePolicy& policy) {
        merge_ = policy;
        return *this;
    }
    /// Whether a thread of the store merges by itself what is worth it, if the store is opened for writing; Merges::try_last_background_merge tells what came of
    /// it. Yes unless it is set; with no, space is given back by merge() alone.
    Options& background_merge(bool yes) { return set(background_merge_, yes); }
    /// Has `callback` told of an opening's OpenProgress: when it begins, once in 8 MiB of data files, and when all was read. It returns
    /// whether to go on, or nothing to go on always. What it throws stops the opening too, and comes out of the call that opens; else one that was
    /// stopped fails with cancelled. It has changed nothing that an opening would not change, and leaves nothing locked.
    ///
    /// It is called inside of the call that opens, by its thread; if several threads open with the same options at once, it must be for
    /// several threads.
    template <class Callback>
    Options& progress(Callback callback) {
        progress_ = detail::asking<OpenProgress>(std::move(callback));
        return *this;
    }

private:
    friend class Store;

    struct Interval {
        std::uint64_t milliseconds, bytes;
    };

    template <class T>
    Options& set(std::optional<T>& place, T value) {
        place = value;
        return *this;
    }

    using Native = std::unique_ptr<bitcask_options, detail::FreeOptions>;

    /// Makes the C interface's options, or stops at the first that is refused.
    std::int32_t native(Native& made, detail::OpenProgressCall& progress, bitcask_error** error) const {
        made.reset(bitcask_options_new());
        bitcask_options* o = made.get();
        std::int32_t status = BITCASK_OK;
        const auto apply = [&status](const auto& place, auto&& setter) {
            if (place && status == BITCASK_OK) status = setter(*place);
        };
        apply(index_, [&](Index v) { return bitcask_options_set_index(o, static_cast<std::int32_t>(v), error); });
        apply(io_, [&](IoKind v) { return bitcask_options_set_io(o, static_cast<std::int32_t>(v), error); });
        apply(sort_budget_, [&](std::uint64_t v) { return bitcask_options_set_sort_budget(o, v, error); });
        apply(index_budget_, [&](std::uint64_t v) { return bitcask_options_set_index_budget(o, v, error); });
        apply(checkpoint_bytes_, [&](std::uint64_t v) { return bitcask_options_set_checkpoint_bytes(o, v, error); });
        apply(durability_, [&](Durability v) { return bitcask_options_set_durability(o, static_cast<std::int32_t>(v), error); });
        apply(interval_, [&](Interval v) { return bitcask_options_set_sync_interval(o, v.milliseconds, v.bytes, error); });
        apply(max_file_size_, [&](std::uint64_t v) { return bitcask_options_set_max_file_size(o, v, error); });
        apply(create_if_missing_, [&](bool v) { return bitcask_options_set_create_if_missing(o, v, error); });
        apply(read_only_, [&](bool v) { return bitcask_options_set_read_only(o, v, error); });
        apply(verify_checksums_, [&](bool v) { return bitcask_options_set_verify_checksums(o, v, error); });
        apply(on_damage_, [&](OnDamage v) { return bitcask_options_set_on_damage(o, static_cast<std::int32_t>(v), error); });
        apply(expiry_, [&](std::uint64_t v) { return bitcask_options_set_expiry(o, v, error); });
        apply(background_merge_, [&](bool v) { return bitcask_options_set_background_merge(o, v, error); });
        if (status == BITCASK_OK) status = merge_.apply(o, error);
        if (progress_ && status == BITCASK_OK) status = bitcask_options_set_progress(o, detail::tell_of_opening, &progress, error);
        return status;
    }

    std::optional<Index> index_;
    std::optional<IoKind> io_;
    std::optional<std::uint64_t> sort_budget_, index_budget_, checkpoint_bytes_, expiry_;
    std::optional<Durability> durability_;
    std::optional<Interval> interval_;
    std::optional<std::uint64_t> max_file_size_;
    std::optional<bool> create_if_missing_, read_only_, verify_checksums_, background_merge_;
    std::optional<OnDamage> on_damage_;
    MergePolicy merge_;
    detail::OpenProgressCall::Callback progress_;
};

/// What an iterator covers and how; all of it can be combined:
///
///     for (const auto& [key, value] : db.range(bitcask::IterOptions().start("a").end_before("c").reverse())) ...
///
/// Bounds are copied and need not be valid keys. The direction does not change which bound is which.
class IterOptions {
public:
    /// Only keys that begin with these bytes. None: all.
    IterOptions& prefix(Bytes bytes) {
        prefix_ = bytes.view();
        return *this;
    }
    /// Only keys at or above this one.
    IterOptions& start(Bytes key) { return bound(start_, key, true); }
    /// Only keys above this one.
    IterOptions& start_after(Bytes key) { return bound(start_, key, false); }
    /// Only keys at or below this one.
    IterOptions& end(Bytes key) { return bound(end_, key, true); }
    /// Only keys below this one.
    IterOptions& end_before(Bytes key) { return bound(end_, key, false); }
    /// Descending order.
    IterOptions& reverse(bool yes = true) {
        reverse_ = yes;
        return *this;
    }
    /// At most so many records, from each rewind or seek on.
    IterOptions& limit(std::uint64_t records) {
        limit_ = records;
        return *this;
    }
    /// Keys without values: values are never read, and are given as empty.
    IterOptions& keys_only(bool yes = true) {
        keys_only_ = yes;
        return *this;
    }

private:
    template <class Call, class Of, class Made>
    friend std::int32_t detail::call_with(const IterOptions& options, Call call, Of* of, Made* made, bitcask_error** error);

    struct Bound {
        std::string key;
        bool inclusive;
    };

    IterOptions& bound(std::optional<Bound>& place, Bytes key, bool inclusive) {
        place = Bound{std::string(key.view()), inclusive};
        return *this;
    }

    using Native = std::unique_ptr<bitcask_iter_options, detail::FreeOptions>;

    std::int32_t native(Native& made, bitcask_error** error) const {
        made.reset(bitcask_iter_options_new());
        bitcask_iter_options* o = made.get();
        const Bytes prefix(prefix_);
        std::int32_t status = bitcask_iter_options_set_prefix(o, prefix.data(), prefix.size(), error);
        if (start_ && status == BITCASK_OK) {
            const Bytes key(start_->key);
            status = bitcask_iter_options_set_start(o, key.data(), key.size(), start_->inclusive, error);
        }
        if (end_ && status == BITCASK_OK) {
            const Bytes key(end_->key);
            status = bitcask_iter_options_set_end(o, key.data(), key.size(), end_->inclusive, error);
        }
        if (limit_ && status == BITCASK_OK) status = bitcask_iter_options_set_limit(o, *limit_, error);
        if (status == BITCASK_OK) status = bitcask_iter_options_set_reverse(o, reverse_, error);
        if (status == BITCASK_OK) status = bitcask_iter_options_set_keys_only(o, keys_only_, error);
        return status;
    }

    std::string prefix_;
    std::optional<Bound> start_, end_;
    std::optional<std::uint64_t> limit_;
    bool reverse_ = false, keys_only_ = false;
};

namespace detail {
/// Calls a function of the C interface that goes by such options: one that makes an iterator, or counts.
template <class Call, class Of, class Made>
std::int32_t call_with(const IterOptions& options, Call call, Of* of, Made* made, bitcask_error** error) {
    IterOptions::Native native;
    const std::int32_t status = options.native(native, error);
    return status == BITCASK_OK ? call(of, native.get(), made, error) : status;
}
} // namespace detail

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
