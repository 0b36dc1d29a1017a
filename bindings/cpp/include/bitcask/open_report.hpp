/// \file
/// OpenReport: what opening a store found and did.
#ifndef BITCASK_OPEN_REPORT_HPP
#define BITCASK_OPEN_REPORT_HPP

#include "config.hpp"
#include "result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// A place in a file that holds no valid record where one should be.
struct Damage {
    std::filesystem::path path;
    std::uint64_t offset = 0;
    /// Bytes up to the next valid record, or to the end of the file.
    std::uint64_t length = 0;
    /// What is wrong.
    std::string what;
};

/// A torn tail that opening cut off, as a power cut leaves it behind the last sync.
struct TornTail {
    std::filesystem::path path;
    /// Where the log ends now, and how many bytes were behind it.
    std::uint64_t offset = 0, length = 0;
    /// A copy of the bytes, if valid records were among them.
    std::optional<std::filesystem::path> kept_as;
};

/// A hint that could not be used, which only took longer, and why.
struct UnusableHint {
    std::filesystem::path path;
    std::string what;
};

/// What opening found and did.
struct OpenReport {
    /// Data files found, and of these those whose index entries came from a hint, at least in part.
    std::uint64_t files = 0, files_from_hint = 0;
    /// Records read from hints, and from data files.
    std::uint64_t hint_records = 0, scanned_records = 0;
    /// The index was saved: it had all commits up to this one, and only what follows was read.
    std::optional<std::uint64_t> index_from;
    /// Why a saved index that was there was not used.
    std::optional<std::string> unusable_index;
    /// Sequence number of the last commit found.
    std::uint64_t last_seq = 0;
    /// The data file that new records go to; nothing if the store is opened for reading only.
    std::optional<std::uint32_t> active_file;
    /// Damage. Reading a key that is hit fails with corrupted.
    std::vector<Damage> damage;
    /// Torn tails that were cut off (or, opened for reading only, left out).
    std::vector<TornTail> torn;
    /// Hints that could not be used.
    std::vector<UnusableHint> unusable_hints;
};

namespace detail {

struct FreeOpenReport {
    void operator()(bitcask_open_report* report) const noexcept { bitcask_open_report_free(report); }
};

/// Reads the C interface's report.
inline OpenReport read_open_report(const bitcask_open_report* made) {
    OpenReport report;
    std::uint64_t figures[BITCASK_OPEN_COUNT] = {};
    std::size_t known = 0;
    bitcask_open_report_figures(made, figures, BITCASK_OPEN_COUNT, &known);
    report.files = figures[BITCASK_OPEN_FILES];
    report.files_from_hint = figures[BITCASK_OPEN_FILES_FROM_HINT];
    report.hint_records = figures[BITCASK_OPEN_HINT_RECORDS];
    report.scanned_records = figures[BITCASK_OPEN_SCANNED_RECORDS];
    if (figures[BITCASK_OPEN_INDEX_USED] != 0) report.index_from = figures[BITCASK_OPEN_INDEX_SEQ];
    if (const std::string why = bitcask_open_report_unusable_index(made); !why.empty()) report.unusable_index = why;
    report.last_seq = figures[BITCASK_OPEN_LAST_SEQ];
    if (figures[BITCASK_OPEN_ACTIVE_FILE] != 0) report.active_file = static_cast<std::uint32_t>(figures[BITCASK_OPEN_ACTIVE_FILE]);
    const auto finding = [made](std::int32_t which, std::uint64_t i) {
        bitcask_finding found = {};
        bitcask_open_report_finding(made, which, static_cast<std::size_t>(i), &found);
        return found;
    };
    for (std::uint64_t i = 0; i < figures[BITCASK_OPEN_DAMAGED_PLACES]; i++) {
        const bitcask_finding found = finding(BITCASK_OPEN_DAMAGE, i);
        report.damage.push_back({found.path, found.offset, found.len, found.text});
    }
    for (std::uint64_t i = 0; i < figures[BITCASK_OPEN_TORN_TAILS]; i++) {
        const bitcask_finding found = finding(BITCASK_OPEN_TORN_TAIL, i);
        report.torn.push_back({found.path, found.offset, found.len, std::nullopt});
        if (*found.text != '\0') report.torn.back().kept_as = found.text;
    }
    for (std::uint64_t i = 0; i < figures[BITCASK_OPEN_UNUSABLE_HINTS]; i++) {
        const bitcask_finding found = finding(BITCASK_OPEN_UNUSABLE_HINT, i);
        report.unusable_hints.push_back({found.path, found.text});
    }
    return report;
}

} // namespace detail
} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
