// Merges and the figures of data files.
#ifndef CONFORMANCE_MERGE_HPP
#define CONFORMANCE_MERGE_HPP

#include "runner.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <tuple>

/// Sets what an option says of a merge's policy. False if it is another's.
inline bool set_policy(bitcask::MergePolicy& policy, const Text& key, std::uint64_t n) {
    if (key == "frag_merge_trigger") policy.frag_merge_trigger(static_cast<std::uint32_t>(n));
    else if (key == "frag_threshold") policy.frag_threshold(static_cast<std::uint32_t>(n));
    else if (key == "dead_bytes_merge_trigger") policy.dead_bytes_merge_trigger(n);
    else if (key == "dead_bytes_threshold") policy.dead_bytes_threshold(n);
    else if (key == "small_file_threshold") policy.small_file_threshold(n);
    else return false;
    return true;
}

inline Items Runner::merge(const Op& op, bitcask::Store& db) {
    bitcask::MergeOptions options;
    for (const Text& token : op.options) {
        const std::size_t equals = token.find('=');
        const Text key = token.substr(0, equals), value = token.substr(equals + 1);
        if (key == "files") {
            std::vector<std::uint32_t> ids;
            std::istringstream list(value);
            for (Text id; std::getline(list, id, ',');) ids.push_back(static_cast<std::uint32_t>(std::strtoul(id.c_str(), nullptr, 10)));
            options.files(std::move(ids));
        } else if (key == "everything") options.everything(value == "yes");
        else if (key == "bytes_per_second") options.bytes_per_second(std::strtoull(value.c_str(), nullptr, 10));
        else if (token == "progress=watch") options.progress([](const bitcask::MergeProgress&) {});
        else if (token == "progress=cancel") options.progress([](const bitcask::MergeProgress&) { return false; });
        else return problem("unknown option " + key);
    }
    const auto report = CALL(db, merge(options));
    return report ? Items{word(report->removed_files.empty() ? "no" : "yes")} : failed(report.error());
}

inline Items Runner::file_stat(const Op& op, const bitcask::Store& db) {
    const auto files = CALL(db, file_stats());
    if (!files) return failed(files.error());
    std::map<Text, std::uint64_t> sums = {{"merged", 0}, {"active", 0}, {"damaged", 0}, {"live_records", 0}, {"dead_records", 0},
                                          {"expired_records", 0}, {"tombstones", 0}};
    for (const bitcask::FileStats& file : *files) {
        sums["merged"] += file.merged;
        sums["active"] += file.active;
        sums["damaged"] += file.damaged;
        sums["live_records"] += file.live_records;
        sums["dead_records"] += file.dead_records;
        sums["expired_records"] += file.expired_records;
        sums["tombstones"] += file.tombstones;
    }
    const auto figure = sums.find(op.argument(0));
    return figure == sums.end() ? problem("unknown figure") : Items{word(std::to_string(figure->second))};
}

inline Items Runner::file_recount(const bitcask::Store& db) {
    const auto counted = CALL(db, recount());
    if (!counted) return failed(counted.error());
    const auto kept = CALL(db, file_stats());
    if (!kept) return failed(kept.error());
    // But for the length: a sync in the background may have marked the log meanwhile.
    const auto figures = [](const bitcask::FileStats& f) {
        return std::make_tuple(f.id, f.merged, f.active, f.damaged, f.created, f.live_records, f.live_bytes, f.dead_records, f.dead_bytes,
                               f.expired_records, f.expired_bytes, f.tombstones, f.tombstone_bytes, f.min_seq, f.max_seq);
    };
    const bool same = std::equal(counted->begin(), counted->end(), kept->begin(), kept->end(),
                                 [&](const auto& a, const auto& b) { return figures(a) == figures(b); });
    return {word(same ? "same" : "different")};
}

/// Operations on a store that concern its files; nothing for others.
inline std::optional<Items> Runner::run_merge(const Op& op, bitcask::Store& db) {
    if (op.name == "merge") return merge(op, db);
    if (op.name == "merge_needed") {
        const auto need = CALL(db, merge_needed());
        return need ? Items{word(need->has_value() ? "yes" : "no")} : failed(need.error());
    }
    if (op.name == "merge_pause") return done(CALL(db, pause_merge()));
    if (op.name == "merge_resume") return done(CALL(db, resume_merge()));
    if (op.name == "file_stat") return file_stat(op, db);
    if (op.name == "file_recount") return file_recount(db);
    return std::nullopt;
}

#endif
