// Opening with the store options of a case, and damaging the files.
#ifndef CONFORMANCE_OPEN_HPP
#define CONFORMANCE_OPEN_HPP

#include "merge.hpp"
#include "runner.hpp"

/// What a callback has seen of an opening.
struct Watch {
    int calls = 0;
    std::uint64_t bytes = 0, records = 0;
    bool fell = false;

    void see(const bitcask::OpenProgress& progress) {
        calls++;
        fell = fell || progress.bytes_done < bytes || progress.records < records || progress.bytes_done > progress.bytes_total;
        bytes = progress.bytes_done;
        records = progress.records;
    }
};

inline Items Runner::open(const Op& op, const Tokens& chosen) {
    bitcask::Options options;
    bitcask::MergePolicy policy;
    options.index(combination_.kind.kind).io(combination_.io.kind).background_merge(false);
    Text dir = "store";
    std::optional<std::uint64_t> every, limit;
    bool watched = false;
    Watch watch;
    for (const Text& token : chosen) {
        const std::size_t equals = token.find('=');
        const Text key = token.substr(0, equals), value = token.substr(equals + 1);
        const bool yes = value == "yes";
        const std::uint64_t n = std::strtoull(value.c_str(), nullptr, 10);
        if (key == "dir") dir = value;
        else if (key == "index") {
            const auto kind = value == "next" ? std::optional(combination_.next_kind) : by_name(kinds, value);
            if (!kind) return problem("unknown index kind " + value);
            options.index(*kind);
        } else if (key == "io") {
            const auto kind = by_name(io_kinds, value);
            if (!kind) return problem("unknown I/O kind " + value);
            options.io(*kind);
        } else if (key == "sort_budget") options.sort_budget(n);
        else if (key == "index_budget") options.index_budget(n);
        else if (key == "durability") {
            options.durability(value == "none"     ? bitcask::Durability::none
                               : value == "always" ? bitcask::Durability::always
                                                   : bitcask::Durability::interval);
        } else if (key == "interval_ms") every = n;
        else if (key == "interval_bytes") limit = n;
        else if (key == "max_file_size") options.max_file_size(n);
        else if (key == "expiry_ms") options.expiry(std::chrono::milliseconds(n));
        else if (key == "create") options.create_if_missing(yes);
        else if (key == "read_only") options.read_only(yes);
        else if (key == "verify") options.verify_checksums(yes);
        else if (key == "on_damage") options.on_damage(value == "serve" ? bitcask::OnDamage::serve : bitcask::OnDamage::refuse);
        else if (key == "checkpoint_bytes") options.checkpoint_bytes(n);
        else if (key == "progress" && value == "watch") {
            watched = true;
            options.progress([&watch](const bitcask::OpenProgress& progress) { watch.see(progress); });
        } else if (key == "progress" && value == "cancel") options.progress([](const bitcask::OpenProgress&) { return false; });
        else if (set_policy(policy, key, n)) options.merge(policy);
        else return problem("unknown option " + key);
    }
    if (every.has_value() != limit.has_value()) return problem("interval_ms and interval_bytes go together");
    if (every) options.sync_interval(std::chrono::milliseconds(*every), *limit);
    bitcask::Store maker; // open is a static function
    auto store = CALL(maker, open(root_ / dir, options));
    if (watched && (watch.calls == 0 || watch.fell)) return problem("nobody was told of the progress, or it went back or too far");
    if (!store) return failed(store.error());
    stores_.insert_or_assign(op.of("db"), Open{*std::move(store), chosen});
    return {word("OK")};
}

inline Items Runner::reopen(const Op& op, Open& open_store) {
    Tokens options = op.options;
    for (const Text& old : open_store.options) {
        const Text key = old.substr(0, old.find('='));
        const bool replaced = option(op.options, key) || (option(op.options, "durability") && key.compare(0, 9, "interval_") == 0);
        if (!replaced && key != "progress") options.push_back(old);
    }
    open_store.closed = true;
    if (auto closed = CALL(open_store.store, close()); !closed) return failed(closed.error());
    return open(op, options);
}

inline Items Runner::flip(const Op& op) {
    const auto wanted = bytes_of(op.argument(0));
    if (!wanted) return problem("no bytes");
    const Text* dir = option(op.options, "dir");
    const fs::path store = root_ / (dir ? *dir : "store");
    std::uint64_t places = 0;
    for (int id = 1; id <= 64; id++) {
        std::fstream file(store / (std::to_string(id) + ".data"), std::ios::in | std::ios::out | std::ios::binary);
        if (!file) continue;
        std::ostringstream all;
        all << file.rdbuf();
        const Text contents = all.str();
        for (std::size_t at = contents.find(*wanted); at != Text::npos; at = contents.find(*wanted, at + 1)) {
            file.clear();
            file.seekp(static_cast<std::streamoff>(at));
            file.put(static_cast<char>(contents[at] ^ 1));
            places++;
        }
    }
    return {word(std::to_string(places))};
}

#endif
