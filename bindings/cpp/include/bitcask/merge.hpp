/// \file
/// Merges: when files are worth one, how it runs, what it did, and the data files in figures.
#ifndef BITCASK_MERGE_HPP
#define BITCASK_MERGE_HPP

#include "config.hpp"
#include "progress.hpp"
#include "result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// When data files are worth a merge, and which (Options::merge): one file beyond a trigger starts a merge, all files beyond a threshold join
/// it. The words and defaults are those of Riak's Bitcask. Shares are by bytes of a file's records, in percent; above 100 is never.
class MergePolicy {
public:
    /// Dead share from which on a file starts a merge. 60 unless it is set.
    MergePolicy& frag_merge_trigger(std::uint32_t percent) { return set(frag_merge_trigger_, percent); }
    /// Dead bytes from which on a file starts a merge. 512 MiB unless it is set.
    MergePolicy& dead_bytes_merge_trigger(std::uint64_t bytes) { return set(dead_bytes_merge_trigger_, bytes); }
    /// Dead share from which on a file joins a merge. 40 unless it is set.
    MergePolicy& frag_threshold(std::uint32_t percent) { return set(frag_threshold_, percent); }
    /// Dead bytes from which on a file joins a merge. 128 MiB unless it is set.
    MergePolicy& dead_bytes_threshold(std::uint64_t bytes) { return set(dead_bytes_threshold_, bytes); }
    /// Files shorter than this join a merge. 10 MiB unless it is set; 0 for none.
    MergePolicy& small_file_threshold(std::uint64_t bytes) { return set(small_file_threshold_, bytes); }
    /// Most bytes a second that merges in the background (Options::background_merge) read and write together. 0, the default, is without limit.
    MergePolicy& bytes_per_second(std::uint64_t bytes) { return set(bytes_per_second_, bytes); }
    /// The first and the last hour of the day (UTC, 0 to 23) in which merges should run, and those in the background do; over midnight if the last is the
    /// smaller one: from 22 to 4 is from 22:00 to 4:59. Any hour unless it is set.
    MergePolicy& window(int from_hour, int to_hour) { return set(window_, Window{from_hour, to_hour}); }

private:
    friend class Options;

    struct Window {
        int from_hour, to_hour;
    };

    template <class T>
    MergePolicy& set(std::optional<T>& place, T value) {
        place = value;
        return *this;
    }

    /// Sets what was chosen in the C interface's options, up to the first that is refused.
    std::int32_t apply(bitcask_options* o, bitcask_error** error) const {
        std::int32_t status = BITCASK_OK;
        const auto apply = [&status](const auto& place, auto&& setter) {
            if (place && status == BITCASK_OK) status = setter(*place);
        };
        apply(frag_merge_trigger_, [&](std::uint32_t v) { return bitcask_options_set_frag_merge_trigger(o, v, error); });
        apply(dead_bytes_merge_trigger_, [&](std::uint64_t v) { return bitcask_options_set_dead_bytes_merge_trigger(o, v, error); });
        apply(frag_threshold_, [&](std::uint32_t v) { return bitcask_options_set_frag_threshold(o, v, error); });
        apply(dead_bytes_threshold_, [&](std::uint64_t v) { return bitcask_options_set_dead_bytes_threshold(o, v, error); });
        apply(small_file_threshold_, [&](std::uint64_t v) { return bitcask_options_set_small_file_threshold(o, v, error); });
        apply(bytes_per_second_, [&](std::uint64_t v) { return bitcask_options_set_merge_bytes_per_second(o, v, error); });
        apply(window_, [&](Window v) { return bitcask_options_set_merge_window(o, v.from_hour, v.to_hour, error); });
        return status;
    }

    std::optional<std::uint32_t> frag_merge_trigger_, frag_threshold_;
    std::optional<std::uint64_t> dead_bytes_merge_trigger_, dead_bytes_threshold_, small_file_threshold_, bytes_per_second_;
    std::optional<Window> window_;
};

/// How far a merge is.
struct MergeProgress {
    /// Bytes of the data files that are merged; 0 while it sweeps what has expired and does not know yet.
    std::uint64_t bytes_total = 0;
    /// Bytes that were read. Files are read more than once: to be checked, and for what is alive in them; and copies are read back.
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_written = 0;
};

template <class Of>
class Merges;

/// How one merge runs. A plain value that can be copied; checked when it is used.
class MergeOptions {
public:
    /// Merges the data files with these numbers (FileStats::id) and no others, whatever the policy finds. If the log ends in one of them, it
    /// goes on in a new one.
    MergeOptions& files(std::vector<std::uint32_t> ids) {
        files_ = std::move(ids);
        return *this;
    }
    /// Merges all data files. The log goes on in a new one. Needs as much free space as the live records take.
    MergeOptions& everything(bool yes = true) {
        everything_ = yes;
        return *this;
    }
    /// Reads and writes at most so many bytes a second together; 0, the default, is without limit.
    MergeOptions& bytes_per_second(std::uint64_t bytes) {
        bytes_per_second_ = bytes;
        return *this;
    }
    /// Has `callback` told of the MergeProgress: when the merge begins, and then now and then, also while it is paused or slowed down. It returns
    /// whether to go on, or nothing to go on always. What it throws stops the merge too, and comes out of the call that merges; else one
    /// that was stopped fails with cancelled.
    ///
    /// It is called inside of the call that merges, by its thread, and may use the store; but another merge, or closing it, would wait for the
    /// merge, and fails with invalid_argument. If several threads merge with the same options at once, it must be for several threads.
    template <class Callback>
    MergeOptions& progress(Callback callback) {
        progress_ = detail::asking<MergeProgress>(std::move(callback));
        return *this;
    }

private:
    template <class Of>
    friend class Merges;

    struct Free {
        void operator()(bitcask_merge_options* options) const noexcept { bitcask_merge_options_free(options); }
    };
    using Native = std::unique_ptr<bitcask_merge_options, Free>;
    using Call = detail::ProgressCall<MergeProgress>;

    static std::int32_t tell(void* call, std::uint64_t total, std::uint64_t read, std::uint64_t written) noexcept {
        return static_cast<Call*>(call)->ask(MergeProgress{total, read, written});
    }

    std::int32_t native(Native& made, Call& progress, bitcask_error** error) const {
        made.reset(bitcask_merge_options_new());
        bitcask_merge_options* o = made.get();
        std::int32_t status = bitcask_merge_options_set_everything(o, everything_, error);
        if (status == BITCASK_OK) status = bitcask_merge_options_set_bytes_per_second(o, bytes_per_second_, error);
        if (files_ && status == BITCASK_OK) status = bitcask_merge_options_set_files(o, files_->data(), files_->size(), error);
        if (progress_ && status == BITCASK_OK) status = bitcask_merge_options_set_progress(o, tell, &progress, error);
        return status;
    }

    std::optional<std::vector<std::uint32_t>> files_;
    bool everything_ = false;
    std::uint64_t bytes_per_second_ = 0;
    Call::Callback progress_;
};

/// What a merge did.
struct MergeReport {
    struct Skipped {
        std::uint32_t id;
        std::string reason;
    };
    /// Data files that were merged and are gone, and those that were made of them.
    std::vector<std::uint32_t> removed_files, created_files;
    /// Data files that were to be merged and were not.
    std::vector<Skipped> skipped_files;
    /// Lengths of the removed and of the created files together.
    std::uint64_t removed_bytes = 0, created_bytes = 0;
    /// Live records that were copied, and of these those that were still the newest of their key when all were copied.
    std::uint64_t copied_records = 0, installed_records = 0;
    /// Overwritten and deleted records that are gone.
    std::uint64_t dropped_records = 0;
    /// Deletes that were copied, because something older may be left that they hide, and deletes that are gone.
    std::uint64_t copied_tombstones = 0, dropped_tombstones = 0;
    std::uint64_t bytes_read = 0, bytes_written = 0;
    /// Keys that had expired and were deleted before anything was merged.
    std::uint64_t swept_keys = 0;
};

/// What a merge in the background came to.
struct BackgroundMerge {
    /// When it ended.
    std::chrono::system_clock::time_point ended;
    /// What it did, or why it failed. Of a merge that failed all is as it was, but for files that were done already.
    Result<MergeReport> outcome;
};

/// Why a merge would be worth its while.
struct MergeNeed {
    /// What started it, in words.
    std::string reason;
    /// The data files that it would take.
    std::vector<std::uint32_t> files;
    /// Bytes that would be given back, about.
    std::uint64_t reclaimable_bytes = 0;
    /// Whether the hour is one at which merges should run, by MergePolicy::window.
    bool in_window = true;
};

/// A data file in figures, at one moment, exact but for damage of the file.
struct FileStats {
    std::uint32_t id = 0;
    /// It was written by a merge, and not as part of the log.
    bool merged = false;
    /// The log ends in it. False for all files of a store that is opened for reading only.
    bool active = false;
    /// Opening found damage in it. No merge takes it.
    bool damaged = false;
    std::chrono::system_clock::time_point created;
    /// Its length without reserved space.
    std::uint64_t bytes = 0;
    /// Puts that are the newest of their key, and bytes of these with their headers. What has expired counts until it is swept.
    std::uint64_t live_records = 0, live_bytes = 0;
    /// Puts that are not, and bytes of these.
    std::uint64_t dead_records = 0, dead_bytes = 0;
    /// Of the live ones those that have expired, by the clock that decides expiry, and bytes of these. No sweep has deleted them yet.
    std::uint64_t expired_records = 0, expired_bytes = 0;
    /// Deletes, and bytes of these.
    std::uint64_t tombstones = 0, tombstone_bytes = 0;
    /// Smallest and largest sequence number of its puts and deletes; 0 without any.
    std::uint64_t min_seq = 0, max_seq = 0;
};

/// The part of a Store that is about merges.
template <class Of>
class Merges {
public:
    /// Reclaims what is dead: copies what is alive out of some data files into new ones, and removes them. Reads and writes go on beside it.
    /// Returns when it is done, or at once if nothing is worth it. One merge of a store runs at a time; a second call waits for the first.
    ///
    /// A data file that has bytes which no record accounts for is left as it is, and told in the report.
    ///
    /// Fails with cancelled (by MergeOptions::progress), invalid_argument for a file that is not there or in such a callback, read_only, closed
    /// (also if the store is closed meanwhile), writes_stopped, corrupted, io, disk_full. The store is as it was then, but for files
    /// that are done already.
    Result<MergeReport> try_merge(const MergeOptions& options = {}) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_merge_report* made = nullptr;
        MergeOptions::Native native;
        MergeOptions::Call progress(options.progress_);
        std::int32_t status = options.native(native, progress, &error);
        if (status == BITCASK_OK) status = bitcask_merge(db, native.get(), &made, &error);
        const Freed<bitcask_merge_report> report(made);
        if (status == BITCASK_OK) return read(made);
        Failure failure = detail::take_failure(db, status, error);
        progress.rethrow();
        return detail::Unexpected(std::move(failure));
    }

    /// Whether, and why, a merge would be worth its while by the store's MergePolicy.
    Result<std::optional<MergeNeed>> try_merge_needed() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_merge_need* made = nullptr;
        const std::int32_t status = bitcask_merge_needed(db, &made, &error);
        const Freed<bitcask_merge_need> freed(made);
        if (status == BITCASK_NOT_FOUND) return std::optional<MergeNeed>();
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(db, status, error));
        MergeNeed need;
        std::uint64_t figures[BITCASK_MERGE_NEED_COUNT] = {};
        std::size_t known = 0, count = 0;
        const std::uint32_t* files = nullptr;
        bitcask_merge_need_figures(made, figures, BITCASK_MERGE_NEED_COUNT, &known);
        bitcask_merge_need_files(made, &files, &count);
        need.reason = bitcask_merge_need_reason(made);
        need.files.assign(files, files + count);
        need.reclaimable_bytes = figures[BITCASK_MERGE_NEED_RECLAIMABLE_BYTES];
        need.in_window = figures[BITCASK_MERGE_NEED_IN_WINDOW] != 0;
        return std::optional<MergeNeed>(std::move(need));
    }

    /// Whether a merge would be worth its while.
    Result<bool> try_needs_merge() const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        const std::int32_t status = bitcask_merge_needed(db, nullptr, &error);
        if (status == BITCASK_OK || status == BITCASK_NOT_FOUND) return status == BITCASK_OK;
        return detail::Unexpected(detail::take_failure(db, status, error));
    }

    /// What the last merge in the background came to (Options::background_merge); nothing before the first. How many there were is in Stats.
    Result<std::optional<BackgroundMerge>> try_last_background_merge() const {
        bitcask_error *error = nullptr, *failure = nullptr;
        bitcask_db* db = handle();
        bitcask_merge_report* made = nullptr;
        std::uint64_t ended = 0;
        const std::int32_t status = bitcask_last_background_merge(db, &ended, &made, &failure, &error);
        const Freed<bitcask_merge_report> freed(made);
        if (status == BITCASK_NOT_FOUND) return std::optional<BackgroundMerge>();
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(db, status, error));
        const std::chrono::system_clock::time_point at{std::chrono::milliseconds(static_cast<std::int64_t>(ended))};
        if (failure == nullptr) return std::optional<BackgroundMerge>(BackgroundMerge{at, read(made)});
        const std::int32_t why = bitcask_error_status(failure);
        return std::optional<BackgroundMerge>(BackgroundMerge{at, detail::Unexpected(detail::take_failure(why, failure))});
    }

    /// Makes merges wait where they are, those that come later too.
    Result<void> try_pause_merge() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        return detail::done(db, bitcask_pause_merge(db, &error), error);
    }

    /// Lets merges go on.
    Result<void> try_resume_merge() {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        return detail::done(db, bitcask_resume_merge(db, &error), error);
    }

    /// Figures of each data file as it is now, by ascending number. They are kept while the store is written; what is not, lengths of
    /// overwritten records and what has expired, is read from hints and data files by this call, beside writers. Only where the index had
    /// to be made anew does the next call count all files, while writers wait. Fails with io.
    Result<std::vector<FileStats>> try_file_stats() const { return files(bitcask_file_stats); }

    /// try_file_stats() counted anew: reads every record of every file, while writers wait. For checking.
    Result<std::vector<FileStats>> try_recount() const { return files(bitcask_recount); }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    MergeReport merge(const MergeOptions& options = {}) { return detail::unwrap(try_merge(options)); }
    std::optional<MergeNeed> merge_needed() const { return detail::unwrap(try_merge_needed()); }
    bool needs_merge() const { return detail::unwrap(try_needs_merge()); }
    std::optional<BackgroundMerge> last_background_merge() const { return detail::unwrap(try_last_background_merge()); }
    void pause_merge() { detail::unwrap(try_pause_merge()); }
    void resume_merge() { detail::unwrap(try_resume_merge()); }
    std::vector<FileStats> file_stats() const { return detail::unwrap(try_file_stats()); }
    std::vector<FileStats> recount() const { return detail::unwrap(try_recount()); }
#endif

protected:
    Merges() noexcept = default;
    ~Merges() = default;

private:
    struct Free {
        void operator()(bitcask_merge_report* report) const noexcept { bitcask_merge_report_free(report); }
        void operator()(bitcask_merge_need* need) const noexcept { bitcask_merge_need_free(need); }
        void operator()(bitcask_files* files) const noexcept { bitcask_files_free(files); }
    };
    /// Frees a report of the C interface, also if a copy of what it tells throws.
    template <class Told>
    using Freed = std::unique_ptr<Told, Free>;

    bitcask_db* handle() const noexcept { return static_cast<const Of*>(this)->handle(); }

    static MergeReport read(const bitcask_merge_report* made) {
        MergeReport report;
        std::uint64_t figures[BITCASK_MERGE_COUNT] = {};
        std::size_t known = 0;
        bitcask_merge_report_figures(made, figures, BITCASK_MERGE_COUNT, &known);
        report.removed_bytes = figures[BITCASK_MERGE_REMOVED_BYTES];
        report.created_bytes = figures[BITCASK_MERGE_CREATED_BYTES];
        report.copied_records = figures[BITCASK_MERGE_COPIED_RECORDS];
        report.installed_records = figures[BITCASK_MERGE_INSTALLED_RECORDS];
        report.dropped_records = figures[BITCASK_MERGE_DROPPED_RECORDS];
        report.copied_tombstones = figures[BITCASK_MERGE_COPIED_TOMBSTONES];
        report.dropped_tombstones = figures[BITCASK_MERGE_DROPPED_TOMBSTONES];
        report.bytes_read = figures[BITCASK_MERGE_BYTES_READ];
        report.bytes_written = figures[BITCASK_MERGE_BYTES_WRITTEN];
        report.swept_keys = figures[BITCASK_MERGE_SWEPT_KEYS];
        report.removed_files = list(made, BITCASK_MERGE_REMOVED_FILES);
        report.created_files = list(made, BITCASK_MERGE_CREATED_FILES);
        const auto skipped = list(made, BITCASK_MERGE_SKIPPED_FILES);
        for (std::size_t i = 0; i < skipped.size(); i++) {
            report.skipped_files.push_back({skipped[i], bitcask_merge_report_reason(made, i)});
        }
        return report;
    }

    static std::vector<std::uint32_t> list(const bitcask_merge_report* made, std::int32_t which) {
        const std::uint32_t* files = nullptr;
        std::size_t count = 0;
        bitcask_merge_report_files(made, which, &files, &count);
        return {files, files + count};
    }

    template <class Call>
    Result<std::vector<FileStats>> files(Call call) const {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bitcask_files* made = nullptr;
        std::size_t count = 0;
        const std::int32_t status = call(db, &made, &count, &error);
        const Freed<bitcask_files> freed(made);
        if (status != BITCASK_OK) return detail::Unexpected(detail::take_failure(db, status, error));
        std::vector<FileStats> all(count);
        for (std::size_t i = 0; i < count; i++) {
            std::uint64_t figures[BITCASK_FILE_COUNT] = {};
            std::size_t known = 0;
            bitcask_files_figures(made, i, figures, BITCASK_FILE_COUNT, &known);
            FileStats& file = all[i];
            file.id = static_cast<std::uint32_t>(figures[BITCASK_FILE_ID]);
            file.merged = figures[BITCASK_FILE_MERGED] != 0;
            file.active = figures[BITCASK_FILE_ACTIVE] != 0;
            file.damaged = figures[BITCASK_FILE_DAMAGED] != 0;
            file.created += std::chrono::milliseconds(static_cast<std::int64_t>(figures[BITCASK_FILE_CREATED_MS]));
            file.bytes = figures[BITCASK_FILE_BYTES];
            file.live_records = figures[BITCASK_FILE_LIVE_RECORDS];
            file.live_bytes = figures[BITCASK_FILE_LIVE_BYTES];
            file.dead_records = figures[BITCASK_FILE_DEAD_RECORDS];
            file.dead_bytes = figures[BITCASK_FILE_DEAD_BYTES];
            file.expired_records = figures[BITCASK_FILE_EXPIRED_RECORDS];
            file.expired_bytes = figures[BITCASK_FILE_EXPIRED_BYTES];
            file.tombstones = figures[BITCASK_FILE_TOMBSTONES];
            file.tombstone_bytes = figures[BITCASK_FILE_TOMBSTONE_BYTES];
            file.min_seq = figures[BITCASK_FILE_MIN_SEQ];
            file.max_seq = figures[BITCASK_FILE_MAX_SEQ];
        }
        return all;
    }
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
