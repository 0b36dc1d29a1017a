// Runs the conformance cases of tests/conformance/ through the C++ binding. Their language is defined in the README there; this file
// knows that language and this binding, and no case. Usage: conformance [--quick] CASES_DIR SCRATCH_DIR
//
// Compiled with -fno-exceptions it runs them through the try_ functions.
#include <bitcask.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <vector>

namespace fs = std::filesystem;
using bitcask::Result;
using bitcask::Status;

// ---- The language ----

using Text = std::string;
using Tokens = std::vector<Text>;

/// Part of a result: a word, bytes, or a pair of bytes.
struct Item {
    char kind;
    Text a, b;
};
using Items = std::vector<Item>;

Item word(Text text) { return {'w', std::move(text), ""}; }

/// A problem with the case, as a result that no case expects.
Items problem(const Text& text) { return {word("<" + text + ">")}; }

const Text* option(const Tokens& options, const Text& name) {
    static Text found;
    for (const Text& token : options) {
        if (token.compare(0, name.size() + 1, name + "=") == 0) return &(found = token.substr(name.size() + 1));
    }
    return nullptr;
}

struct Op {
    int line = 0;
    Text text, name, object;
    Tokens arguments, options, expected;

    Text of(const char* otherwise) const { return object.empty() ? otherwise : object; }
    Text store() const {
        const Text* named = option(options, "of");
        return named ? *named : "db";
    }
    bool yes(const Text& name_of_option) const {
        const Text* value = option(options, name_of_option);
        return value && *value == "yes";
    }
    Text argument(std::size_t i) const { return i < arguments.size() ? arguments[i] : "missing"; }
    std::size_t number(std::size_t i) const { return std::strtoull(argument(i).c_str(), nullptr, 10); }
};

struct Case {
    Text file, name;
    Tokens options;
    std::vector<Op> ops;

    bool has(const Text& flag) const { return std::count(options.begin(), options.end(), flag) > 0; }
};

Text generated(std::uint64_t seed, std::size_t len) {
    const std::size_t period = 65521;
    Text out(std::min(len, period), '\0');
    for (char& c : out) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        c = static_cast<char>(static_cast<unsigned char>(seed >> 56));
    }
    out.reserve(len);
    while (out.size() < len) out.append(out, 0, std::min(period, len - out.size()));
    return out;
}

/// The bytes that a token stands for, or nothing.
std::optional<Text> bytes_of(const Text& token) {
    if (token == "-") return Text();
    Text out, part;
    std::istringstream parts(token);
    while (std::getline(parts, part, '+')) {
        unsigned byte = 0;
        unsigned long long seed = 0, count = 0;
        if (std::sscanf(part.c_str(), "rep:%2x*%llu", &byte, &count) == 2) {
            out.append(count, static_cast<char>(byte));
        } else if (std::sscanf(part.c_str(), "gen:%llu*%llu", &seed, &count) == 2) {
            out += generated(seed, count);
        } else if (part.size() % 2 == 0 && part.find_first_not_of("0123456789abcdef") == Text::npos) {
            for (std::size_t i = 0; i < part.size(); i += 2) out += static_cast<char>(std::stoul(part.substr(i, 2), nullptr, 16));
        } else {
            return std::nullopt;
        }
    }
    return token.empty() ? std::nullopt : std::optional<Text>(out);
}

std::vector<Case> read_cases(const fs::path& dir) {
    std::set<fs::path> files;
    for (const auto& entry : fs::directory_iterator(dir)) {
        if (entry.path().extension() == ".case") files.insert(entry.path());
    }
    std::vector<Case> cases;
    for (const auto& path : files) {
        std::ifstream in(path);
        Text line;
        for (int number = 1; std::getline(in, line); number++) {
            if (line.empty() || line[0] == '#') continue;
            std::istringstream split(line);
            Tokens tokens;
            for (Text token; split >> token;) tokens.push_back(token);
            if (tokens[0] == "case") {
                cases.push_back({path.filename().string(), tokens[1], Tokens(tokens.begin() + 2, tokens.end()), {}});
                continue;
            }
            Op op;
            op.line = number;
            op.text = line.substr(0, std::min<std::size_t>(line.find(" ->"), 200));
            const std::size_t at = tokens[0].find('@');
            op.name = tokens[0].substr(0, at);
            if (at != Text::npos) op.object = tokens[0].substr(at + 1);
            const auto arrow = std::find(tokens.begin(), tokens.end(), "->");
            for (auto t = tokens.begin() + 1; t < arrow; ++t) {
                (t->find('=') == Text::npos ? op.arguments : op.options).push_back(*t);
            }
            const Tokens results(arrow == tokens.end() ? arrow : arrow + 1, tokens.end());
            for (const Text& token : results) {
                const Text language = token.substr(0, token.find('='));
                if (language != "rust" && language != "c" && language != "cpp" && language != "python" && language != "go") {
                    op.expected.push_back(token);
                }
            }
            if (const Text* own = option(results, "cpp")) op.expected = {*own};
            cases.back().ops.push_back(op);
        }
    }
    return cases;
}

bool same(const Item& item, const Text& token) {
    if (item.kind == 'w') return item.a == token;
    const std::size_t equals = token.find('=');
    if ((item.kind == 'p') != (equals != Text::npos)) return false;
    return bytes_of(token.substr(0, equals)) == item.a && (item.kind == 'b' || bytes_of(token.substr(equals + 1)) == item.b);
}

Text shown(const Text& data) {
    Text out = data.empty() ? "-" : "";
    char digits[3];
    for (std::size_t i = 0; i < data.size() && i < 32; i++) {
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(data[i])));
        out += digits;
    }
    return data.size() > 32 ? out + "...(" + std::to_string(data.size()) + " bytes)" : out;
}

Text shown(const Items& items) {
    Text out;
    for (const Item& item : items) {
        out += (item.kind == 'w' ? item.a : shown(item.a)) + (item.kind == 'p' ? "=" + shown(item.b) : "") + " ";
    }
    return out.substr(0, 300);
}

// ---- Calls ----

#if BITCASK_HAS_EXCEPTIONS
/// Runs the throwing function, or where there are no exceptions its try_ namesake: CALL(db, put(key, value)).
#define CALL(object, call) caught([&]() -> decltype(auto) { return (object).call; })

template <class F, class R = decltype(std::declval<F>()()), class T = std::conditional_t<std::is_reference_v<R>, void, R>>
Result<T> caught(F call) {
    try {
        if constexpr (std::is_void_v<T>) {
            call();
            return {};
        } else {
            return call();
        }
    } catch (const bitcask::Error& error) {
        return bitcask::detail::Unexpected(error.failure());
    }
}
#else
#define CALL(object, call) (object).try_##call
#endif

Items failed(const bitcask::Failure& failure) {
    if (failure.message.empty()) return problem("a failure without a message");
    return {word(bitcask::name(failure.status))};
}

template <class T>
Items done(const Result<T>& result) {
    return result ? Items{word("OK")} : failed(result.error());
}

Items yes_no(const Result<bool>& result) { return result ? Items{word(*result ? "yes" : "no")} : failed(result.error()); }

template <class T>
Items number(const Result<T>& result) {
    return result ? Items{word(std::to_string(*result))} : failed(result.error());
}

template <class E>
struct Named {
    const char* name;
    E kind;
};

constexpr Named<bitcask::Index> kinds[] = {
    {"btree", bitcask::Index::btree},
    {"hash", bitcask::Index::hash},
    {"art", bitcask::Index::art},
    {"skiplist", bitcask::Index::skiplist},
    {"bptree", bitcask::Index::bptree},
};
constexpr Named<bitcask::IoKind> io_kinds[] = {{"mmap", bitcask::IoKind::mmap}, {"file", bitcask::IoKind::file}};

template <class E, std::size_t N>
std::optional<E> by_name(const Named<E> (&list)[N], const Text& name) {
    for (const auto& named : list) {
        if (name == named.name) return named.kind;
    }
    return std::nullopt;
}

/// The kinds that the library has, by asking it, in the order above.
std::vector<Named<bitcask::Index>> known_kinds() {
    std::vector<Named<bitcask::Index>> known;
    bitcask_options* options = bitcask_options_new();
    for (const auto& named : kinds) {
        if (bitcask_options_set_index(options, static_cast<std::int32_t>(named.kind), nullptr) == BITCASK_OK) known.push_back(named);
    }
    bitcask_options_free(options);
    return known;
}

/// What a case is run under.
struct Combination {
    Named<bitcask::Index> kind;
    bitcask::Index next_kind;
    Named<bitcask::IoKind> io;

    bool runs(const Case& c) const {
        const auto allows = [&](const char* name, const char* own) {
            const Text* only = option(c.options, name);
            return !only || *only == own;
        };
        return allows("index", kind.name) && allows("io", io.name) && !(c.has("ordered") && kind.kind == bitcask::Index::hash);
    }
};

class Runner {
public:
    Runner(fs::path root, const Combination& combination, bool reuse) : root_(std::move(root)), combination_(combination), reuse_(reuse) {}

    /// The line that tells of the first failure, or nothing.
    Text run(const Case& c) {
        for (const Op& op : c.ops) {
            Items got = malformed_.empty() ? run(op) : Items();
            if (!malformed_.empty()) got = problem(malformed_ + " stands for no bytes");
            bool good = got.size() == op.expected.size();
            for (std::size_t i = 0; good && i < got.size(); i++) good = same(got[i], op.expected[i]);
            if (!good) return where(c, op.line) + op.text + ": got " + shown(got) + expected(op);
        }
        return "";
    }

    /// Frees what the case left open, children first.
    Text finish(const Case& c) {
        iterators_.clear();
        batches_.clear();
        values_.clear();
        Text failure;
        for (auto& entry : stores_) {
            if (entry.second.closed) continue;
            if (auto closed = CALL(entry.second.store, close()); !closed) failure = where(c, 0) + "close at the end: " + closed.error().message;
        }
        stores_.clear();
        return failure;
    }

private:
    struct Open {
        bitcask::Store store;
        Tokens options;
        bool closed = false;
    };
    struct Cursor {
        bitcask::Iterator iterator;
        bool keys_only;
    };

    Text where(const Case& c, int line) const {
        return c.file + ":" + std::to_string(line) + ": " + c.name + " [" + combination_.kind.name + " " + combination_.io.name + "]: ";
    }

    static Text expected(const Op& op) {
        Text out = ", expected";
        for (const Text& token : op.expected) out += " " + token.substr(0, 80);
        return out.substr(0, 300);
    }

    /// The bytes of a token, in a buffer that overwrite() changes as soon as the call has returned.
    bitcask::Bytes lend(const Text& token) {
        auto bytes = bytes_of(token);
        if (!bytes) malformed_ = token;
        return lend_bytes(bytes ? std::move(*bytes) : Text());
    }
    bitcask::Bytes lend_bytes(Text bytes) {
        lent_.push_back(std::make_unique<Text>(std::move(bytes)));
        return bitcask::Bytes(*lent_.back());
    }
    template <class T>
    T overwrite(T result) {
        if (reuse_) {
            for (auto& buffer : lent_) std::fill(buffer->begin(), buffer->end(), '\xaa');
        } else {
            lent_.clear();
        }
        return result;
    }

    Items run(const Op& op) {
        lent_.clear();
        if (op.name == "open") return open(op, op.options);
        if (op.name == "flip") return flip(op);
        if (op.name.compare(0, 6, "batch_") == 0) return run_batch(op);
        if (op.name.compare(0, 5, "iter_") == 0) return run_iterator(op);
        if (op.name == "held" || op.name == "release") {
            const auto value = values_.find(op.of("v"));
            if (value == values_.end()) return problem("no such value");
            if (op.name == "held") return {Item{'b', value->second.str(), ""}};
            values_.erase(value);
            return {word("OK")};
        }
        const auto found = stores_.find(op.name == "hold" ? op.store() : op.of("db"));
        if (found == stores_.end()) return problem("no such store");
        return run_store(op, found->second);
    }

    Items run_store(const Op& op, Open& open_store) {
        bitcask::Store& db = open_store.store;
        const Text& name = op.name;
        if (name == "close") {
            open_store.closed = true;
            return done(CALL(db, close()));
        }
        if (name == "reopen") {
            Tokens options = op.options;
            for (const Text& old : open_store.options) {
                const Text key = old.substr(0, old.find('='));
                const bool replaced = option(op.options, key) || (option(op.options, "durability") && key.compare(0, 9, "interval_") == 0);
                if (!replaced) options.push_back(old);
            }
            open_store.closed = true;
            if (auto closed = CALL(db, close()); !closed) return failed(closed.error());
            return open(op, options);
        }
        if (name == "put" || name == "put_sync") {
            const auto key = lend(op.argument(0)), value = lend(op.argument(1));
            if (name == "put") return done(overwrite(CALL(db, put(key, value))));
            return done(overwrite(CALL(db, put(key, value, bitcask::Write::sync))));
        }
        if (name == "get" || name == "hold") {
            const auto key = lend(op.argument(0));
            auto value = overwrite(CALL(db, get(key)));
            if (!value) return failed(value.error());
            if (!*value) return {word("NOT_FOUND")};
            if (name == "get") return {Item{'b', (*value)->str(), ""}};
            values_.insert_or_assign(op.of("v"), std::move(**value));
            return {word("OK")};
        }
        if (name == "get_into") {
            const auto key = lend(op.argument(0));
            std::vector<char> buffer(op.number(1));
            const auto len = overwrite(CALL(db, get_into(key, buffer.data(), buffer.size())));
            if (!len) return failed(len.error());
            if (!*len) return {word("NOT_FOUND")};
            if (**len > buffer.size()) return {word("BUFFER_TOO_SMALL"), word(std::to_string(**len))};
            return {Item{'b', Text(buffer.data(), **len), ""}};
        }
        if (name == "value_size") {
            const auto key = lend(op.argument(0));
            const auto size = overwrite(CALL(db, value_size(key)));
            if (!size) return failed(size.error());
            return {word(*size ? std::to_string(**size) : "NOT_FOUND")};
        }
        if (name == "multi_get" || name == "multi_filled") return multi_get(op, db);
        if (name == "first" || name == "last") {
            auto record = name == "first" ? CALL(db, first()) : CALL(db, last());
            if (!record) return failed(record.error());
            if (!*record) return {word("NOT_FOUND")};
            return {Item{'p', (*record)->key, (*record)->value.str()}};
        }
        if (name == "count_range") {
            const auto options = iter_options(op);
            return number(CALL(db, count(options)));
        }
        if (name == "random_key") return random_keys(op, db);
        if (name == "contains") {
            const auto key = lend(op.argument(0));
            return yes_no(overwrite(CALL(db, contains(key))));
        }
        if (name == "delete" || name == "delete_sync") {
            const auto key = lend(op.argument(0));
            return yes_no(overwrite(CALL(db, erase(key, name == "delete" ? bitcask::Write::standard : bitcask::Write::sync))));
        }
        if (name == "len") return number(CALL(db, size()));
        if (name == "sync") return done(CALL(db, sync()));
        if (name == "stat") {
            const auto stats = CALL(db, stats());
            if (!stats) return failed(stats.error());
            const std::map<Text, std::uint64_t> figures = {
                {"keys", stats->keys},
                {"files", stats->files},
                {"data_bytes", stats->data_bytes},
                {"index_bytes", stats->index_bytes},
                {"last_seq", stats->last_seq},
                {"damaged_places", stats->damaged_places},
                {"damaged_bytes", stats->damaged_bytes},
                {"mapped_files", stats->mapped_files},
            };
            const auto figure = figures.find(op.argument(0));
            return figure == figures.end() ? problem("unknown figure") : Items{word(std::to_string(figure->second))};
        }
        if (name == "iter" || name == "count") return read_all(op, db);
        if (name == "fill" || name == "filled") return fill(op, [&](bitcask::Bytes k, bitcask::Bytes v) { return CALL(db, put(k, v)); }, &db);
        return problem("unknown operation");
    }

    Items open(const Op& op, const Tokens& chosen) {
        bitcask::Options options;
        options.index(combination_.kind.kind).io(combination_.io.kind);
        Text dir = "store";
        std::optional<std::uint64_t> every, limit;
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
            else if (key == "create") options.create_if_missing(yes);
            else if (key == "read_only") options.read_only(yes);
            else if (key == "verify") options.verify_checksums(yes);
            else if (key == "on_damage") options.on_damage(value == "serve" ? bitcask::OnDamage::serve : bitcask::OnDamage::refuse);
            else return problem("unknown option " + key);
        }
        if (every.has_value() != limit.has_value()) return problem("interval_ms and interval_bytes go together");
        if (every) options.sync_interval(std::chrono::milliseconds(*every), *limit);
        bitcask::Store maker; // open is a static function
        auto store = CALL(maker, open(root_ / dir, options));
        if (!store) return failed(store.error());
        stores_.insert_or_assign(op.of("db"), Open{*std::move(store), chosen});
        return {word("OK")};
    }

    /// The i-th key of `fill`.
    static Text filled_key(Text prefix, std::uint32_t i) {
        for (int shift = 24; shift >= 0; shift -= 8) prefix += static_cast<char>(static_cast<unsigned char>(i >> shift));
        return prefix;
    }

    /// `multi_get` and `multi_filled`: the values of a new object, and those of one that is used again, which must agree.
    Items multi_get(const Op& op, const bitcask::Store& db) {
        const bool filled = op.name == "multi_filled";
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
        const auto values = overwrite(CALL(db, multi_get(keys)));
        keys = lend_keys();
        const auto again = overwrite(CALL(db, multi_get_into(keys, again_)));
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

    static Items random_keys(const Op& op, const bitcask::Store& db) {
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

    bitcask::IterOptions iter_options(const Op& op) {
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
            else if (key != "of") malformed_ = token;
        }
        overwrite(0);
        return options;
    }

    Result<bitcask::Iterator> range(const Op& op, const bitcask::Store& db) {
        const auto options = iter_options(op);
        return CALL(db, range(options));
    }

    static Item item(const bitcask::Record& record, bool keys_only) {
        if (keys_only && record.value.empty()) return {'b', Text(record.key), ""};
        return {'p', Text(record.key), Text(record.value)};
    }

    /// `iter` and `count`, by the usual loop.
    Items read_all(const Op& op, const bitcask::Store& db) {
        auto records = range(op, db);
        if (!records) return failed(records.error());
        const bool count = op.name == "count", reverse = op.yes("reverse"), keys_only = op.yes("keys_only");
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

    /// `fill`, `filled` and `batch_fill`.
    template <class Put>
    Items fill(const Op& op, Put put, const bitcask::Store* db) {
        const auto prefix = bytes_of(op.argument(1));
        if (!prefix) return problem("no prefix");
        std::uint64_t same_values = 0;
        for (std::uint32_t i = 0; i < op.number(0); i++) {
            lent_.clear();
            const auto key = lend_bytes(filled_key(*prefix, i));
            if (op.name == "filled") {
                const auto value = overwrite(CALL(*db, get(key)));
                if (!value) return failed(value.error());
                same_values += *value && (*value)->view() == generated(i, op.number(2));
            } else {
                const auto value = lend_bytes(generated(i, op.number(2)));
                if (auto made = overwrite(put(key, value)); !made) return failed(made.error());
            }
        }
        return {word(op.name == "filled" ? std::to_string(same_values) : "OK")};
    }

    Items run_batch(const Op& op) {
        if (op.name == "batch_new") {
            const auto store = stores_.find(op.store());
            if (store == stores_.end()) return problem("no such store");
            auto made = CALL(store->second.store, batch());
            if (!made) return failed(made.error());
            batches_.insert_or_assign(op.of("b"), *std::move(made));
            return {word("OK")};
        }
        const auto found = batches_.find(op.of("b"));
        if (found == batches_.end()) return problem("no such batch");
        bitcask::Batch& batch = found->second;
        const auto put = [&](bitcask::Bytes k, bitcask::Bytes v) { return CALL(batch, put(k, v)); };
        if (op.name == "batch_put") {
            const auto key = lend(op.argument(0)), value = lend(op.argument(1));
            return done(overwrite(put(key, value)));
        }
        if (op.name == "batch_delete") {
            const auto key = lend(op.argument(0));
            return done(overwrite(CALL(batch, erase(key))));
        }
        if (op.name == "batch_len") return number(CALL(batch, size()));
        if (op.name == "batch_clear") return done(CALL(batch, clear()));
        if (op.name == "batch_commit") return done(CALL(batch, commit()));
        if (op.name == "batch_commit_sync") return done(CALL(batch, commit(bitcask::Write::sync)));
        if (op.name == "batch_fill") return fill(op, put, nullptr);
        if (op.name != "batch_free") return problem("unknown operation");
        batches_.erase(found);
        return {word("OK")};
    }

    Items run_iterator(const Op& op) {
        if (op.name == "iter_open") {
            const auto store = stores_.find(op.store());
            if (store == stores_.end()) return problem("no such store");
            auto made = range(op, store->second.store);
            if (!made) return failed(made.error());
            iterators_.insert_or_assign(op.of("it"), Cursor{*std::move(made), op.yes("keys_only")});
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
        if (op.name == "iter_rewind") return done(CALL(iterator, rewind()));
        if (op.name != "iter_free") return problem("unknown operation");
        iterators_.erase(found);
        return {word("OK")};
    }

    Items flip(const Op& op) {
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

    fs::path root_;
    Combination combination_;
    bool reuse_;
    Text malformed_;
    std::vector<std::unique_ptr<Text>> lent_;
    std::map<Text, Open> stores_;
    std::map<Text, bitcask::Batch> batches_;
    std::map<Text, Cursor> iterators_;
    std::map<Text, bitcask::Value> values_;
    bitcask::Values again_;
};

int main(int argc, char** argv) {
    // For slow tools: without the large cases, and each index kind with one I/O kind, in turn.
    const bool quick = argc > 1 && Text(argv[1]) == "--quick";
    if (argc != (quick ? 4 : 3)) {
        std::cerr << "usage: conformance [--quick] CASES_DIR SCRATCH_DIR (which must not exist)\n";
        return 2;
    }
    const fs::path root = argv[argc - 1];
    int passed = 0, failures = 0;
    std::vector<Combination> combinations;
    const auto known = known_kinds();
    for (std::size_t i = 0; i < known.size(); i++) {
        for (std::size_t j = 0; j < std::size(io_kinds); j++) {
            if (!quick || i % std::size(io_kinds) == j)
                combinations.push_back({known[i], known[(i + 1) % known.size()].kind, io_kinds[j]});
        }
    }
    for (const Case& c : read_cases(argv[argc - 2])) {
        for (const Combination& combination : combinations) {
            if ((c.has("large") && quick) || !combination.runs(c)) continue;
            fs::create_directory(root);
            Runner runner(root, combination, c.has("reuse"));
            Text failure = runner.run(c);
            const Text end = runner.finish(c);
            if (failure.empty()) failure = end;
            fs::remove_all(root);
            if (failure.empty()) passed++;
            else failures++, std::cout << failure << std::endl;
        }
    }
    std::cout << passed << " passed, " << failures << " failed" << std::endl;
    return failures > 0 || passed == 0;
}
