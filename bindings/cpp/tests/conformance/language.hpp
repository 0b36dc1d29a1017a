// The language of the conformance cases, which the README of tests/conformance/ defines: reading cases, bytes, and comparing results. Knows no
// binding.
#ifndef CONFORMANCE_LANGUAGE_HPP
#define CONFORMANCE_LANGUAGE_HPP

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

using Text = std::string;
using Tokens = std::vector<Text>;

/// Part of a result: a word, bytes, or a pair of bytes.
struct Item {
    char kind;
    Text a, b;
};
using Items = std::vector<Item>;

inline Item word(Text text) { return {'w', std::move(text), ""}; }

/// A problem with the case, as a result that no case expects.
inline Items problem(const Text& text) { return {word("<" + text + ">")}; }

inline const Text* option(const Tokens& options, const Text& name) {
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

inline Text generated(std::uint64_t seed, std::size_t len) {
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
inline std::optional<Text> bytes_of(const Text& token) {
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

inline std::vector<Case> read_cases(const fs::path& dir) {
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

inline bool same(const Item& item, const Text& token) {
    if (item.kind == 'w') return item.a == token;
    const std::size_t equals = token.find('=');
    if ((item.kind == 'p') != (equals != Text::npos)) return false;
    return bytes_of(token.substr(0, equals)) == item.a && (item.kind == 'b' || bytes_of(token.substr(equals + 1)) == item.b);
}

inline Text shown(const Text& data) {
    Text out = data.empty() ? "-" : "";
    char digits[3];
    for (std::size_t i = 0; i < data.size() && i < 32; i++) {
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(data[i])));
        out += digits;
    }
    return data.size() > 32 ? out + "...(" + std::to_string(data.size()) + " bytes)" : out;
}

inline Text shown(const Items& items) {
    Text out;
    for (const Item& item : items) {
        out += (item.kind == 'w' ? item.a : shown(item.a)) + (item.kind == 'p' ? "=" + shown(item.b) : "") + " ";
    }
    return out.substr(0, 300);
}

#endif
