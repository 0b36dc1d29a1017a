// Reads of stores, snapshots, batches and transactions, and iterators.
#ifndef CONFORMANCE_READS_HPP
#define CONFORMANCE_READS_HPP

#include "runner.hpp"

/// A read that stores and snapshots have, or nothing if the name is of none.
template <class Of>
std::optional<Items> Runner::read(const Op& op, const Text& name, const Of& of) {
    if (name == "get" || name == "hold") {
        const auto key = lend(op.argument(0));
        auto value = overwrite(CALL(of, get(key)));
        if (!value) return failed(value.error());
        if (!*value) return Items{word("NOT_FOUND")};
        if (name == "get") return Items{Item{'b', (*value)->str(), ""}};
        values_.insert_or_assign(op.of("v"), std::move(**value));
        return Items{word("OK")};
    }
    if (name == "get_into") {
        const auto key = lend(op.argument(0));
        std::vector<char> buffer(op.number(1));
        const auto len = overwrite(CALL(of, get_into(key, buffer.data(), buffer.size())));
        if (!len) return failed(len.error());
        if (!*len) return Items{word("NOT_FOUND")};
        if (**len > buffer.size()) return Items{word("BUFFER_TOO_SMALL"), word(std::to_string(**len))};
        return Items{Item{'b', Text(buffer.data(), **len), ""}};
    }
    if (name == "value_size") {
        const auto key = lend(op.argument(0));
        const auto size = overwrite(CALL(of, value_size(key)));
        if (!size) return failed(size.error());
        return Items{word(*size ? std::to_string(**size) : "NOT_FOUND")};
    }
    if (name == "multi_get" || name == "multi_filled") return multi_get(op, name == "multi_filled", of);
    if (name == "first" || name == "last") {
        auto record = name == "first" ? CALL(of, first()) : CALL(of, last());
        if (!record) return failed(record.error());
        if (!*record) return Items{word("NOT_FOUND")};
        return Items{Item{'p', (*record)->key, (*record)->value.str()}};
    }
    if (name == "count_range") {
        const auto options = iter_options(op);
        return number(CALL(of, count(options)));
    }
    if (name == "contains") {
        const auto key = lend(op.argument(0));
        return yes_no(overwrite(CALL(of, contains(key))));
    }
    if (name == "len") return number(CALL(of, size()));
    if (name == "iter" || name == "count") return read_all(op, name == "count", of);
    if (name == "filled") {
        const auto prefix = bytes_of(op.argument(1));
        if (!prefix) return problem("no prefix");
        std::uint64_t same_values = 0;
        for (std::uint32_t i = 0; i < op.number(0); i++) {
            lent_.clear();
            const auto key = lend_bytes(filled_key(*prefix, i));
            const auto value = overwrite(CALL(of, get(key)));
            if (!value) return failed(value.error());
            same_values += *value && (*value)->view() == generated(i, op.number(2));
        }
        return Items{word(std::to_string(same_values))};
    }
    return std::nullopt;
}

/// `multi_get` and `multi_filled`: the values of a new object, and those of one that is used again, which must agree.
template <class Of>
Items Runner::multi_get(const Op& op, bool filled, const Of& of) {
    const auto prefix = filled ? bytes_of(op.argument(1)) : Text();
    if (!prefix) return problem("no prefix");
    const std::size_t count = filled ? op.number(0) : op.arguments.size();
    const auto lend_keys = [&] {
        std::vector<bitcask::Bytes> keys;
        for (std::size_t i = 0; i < count; i++) {
            keys.push_back(filled ? lend_bytes(filled_key(*prefix, static_cast<std::uint32_t>(i))) : lend(op.argument(i)));
        }
        return keys;
    };
    auto keys = lend_keys();
    const auto values = overwrite(CALL(of, multi_get(keys)));
    keys = lend_keys();
    const auto again = overwrite(CALL(of, multi_get_into(keys, again_)));
    if (values.has_value() != again.has_value()) return problem("the forms of the call differ");
    if (!values) return again_.empty() ? failed(values.error()) : problem("values in spite of a failure");
    if (values->size() != again_.size() || !std::equal(values->begin(), values->end(), again_.begin())) return problem("the forms of the call differ");
    std::uint64_t same_values = 0;
    Items items;
    for (std::size_t i = 0; i < values->size(); i++) {
        const auto value = (*values)[i];
        if (filled) same_values += value && *value == generated(i, op.number(2));
        else items.push_back(value ? Item{'b', Text(*value), ""} : word("NOT_FOUND"));
    }
    if (filled) return {word(std::to_string(same_values))};
    return items.empty() ? Items{word("none")} : items;
}

inline Items Runner::random_keys(const Op& op, const bitcask::Store& db) {
    std::set<Text> seen;
    for (std::size_t i = 0; i < op.number(0); i++) {
        const auto key = CALL(db, random_key());
        if (!key) return failed(key.error());
        if (!*key) return {word("NOT_FOUND")};
        seen.insert(**key);
    }
    for (const Text& key : seen) {
        if (!CALL(db, contains(key)).value_or(false)) return problem("a random key is not there");
    }
    return {word(std::to_string(seen.size()))};
}

inline bitcask::IterOptions Runner::iter_options(const Op& op) {
    bitcask::IterOptions options;
    for (const Text& token : op.options) {
        const std::size_t equals = token.find('=');
        const Text key = token.substr(0, equals), value = token.substr(equals + 1);
        if (key == "prefix") options.prefix(lend(value));
        else if (key == "ge") options.start(lend(value));
        else if (key == "gt") options.start_after(lend(value));
        else if (key == "le") options.end(lend(value));
        else if (key == "lt") options.end_before(lend(value));
        else if (key == "reverse") options.reverse(value == "yes");
        else if (key == "limit") options.limit(std::strtoull(value.c_str(), nullptr, 10));
        else if (key == "keys_only") options.keys_only(value == "yes");
        else if (key != "of" && key != "snapshot" && key != "batch" && key != "txn") malformed_ = token;
    }
    overwrite(0);
    return options;
}

/// `iter` and `count`, by the usual loop.
template <class Of>
Items Runner::read_all(const Op& op, bool count, const Of& of) {
    const auto options = iter_options(op);
    auto records = CALL(of, range(options));
    if (!records) return failed(records.error());
    const bool reverse = op.yes("reverse"), keys_only = op.yes("keys_only");
    std::uint64_t n = 0;
    Text last;
    Items items;
#if BITCASK_HAS_EXCEPTIONS
    try {
#endif
        for (const auto& record : *records) {
            if (n++ > 0 && (reverse ? record.key >= last : record.key <= last)) return problem("wrong order");
            last = record.key;
            if (!count) items.push_back(item(record, keys_only));
        }
#if BITCASK_HAS_EXCEPTIONS
    } catch (const bitcask::Error& error) {
        return failed(error.failure());
    }
#else
    if (records->failure()) return failed(*records->failure());
#endif
    if (count) return {word(std::to_string(n))};
    return items.empty() ? Items{word("none")} : items;
}

inline Items Runner::run_iterator(const Op& op) {
    if (op.name == "iter_open") {
        const auto options = iter_options(op);
        auto made = [&]() -> std::optional<Result<bitcask::Iterator>> {
            if (const Text* name = option(op.options, "snapshot")) {
                const auto of = snapshots_.find(*name);
                if (of != snapshots_.end()) return CALL(of->second, range(options));
            } else if (const Text* batch = option(op.options, "batch")) {
                const auto of = batches_.find(*batch);
                if (of != batches_.end()) return CALL(of->second, range(options));
            } else if (const Text* transaction = option(op.options, "txn")) {
                const auto of = transactions_.find(*transaction);
                if (of != transactions_.end()) return CALL(of->second, range(options));
            } else if (const auto* store = store_of(op)) {
                return CALL(*store, range(options));
            }
            return std::nullopt;
        }();
        if (!made) return problem("nothing of that name");
        if (!*made) return failed(made->error());
        iterators_.insert_or_assign(op.of("it"), Cursor{**std::move(made), op.yes("keys_only")});
        return {word("OK")};
    }
    const auto found = iterators_.find(op.of("it"));
    if (found == iterators_.end()) return problem("no such iterator");
    bitcask::Iterator& iterator = found->second.iterator;
    if (op.name == "iter_next") {
        Items items;
        for (std::size_t i = 0; i < op.number(0); i++) {
            const auto record = CALL(iterator, next());
            if (!record) return failed(record.error());
            if (!*record) break;
            items.push_back(item(**record, found->second.keys_only));
        }
        return items.empty() ? Items{word("none")} : items;
    }
    if (op.name == "iter_seek") {
        const auto key = lend(op.argument(0));
        return done(overwrite(CALL(iterator, seek(key))));
    }
    if (op.name == "iter_skip_damaged") return done(CALL(iterator, skip_damaged()));
    if (op.name == "iter_rewind") return done(CALL(iterator, rewind()));
    if (op.name != "iter_free") return problem("unknown operation");
    iterators_.erase(found);
    return {word("OK")};
}

#endif
