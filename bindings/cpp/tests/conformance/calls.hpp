// Calls of the binding, with exceptions or by the try_ functions, what they come to as results, and what a case is run under.
#ifndef CONFORMANCE_CALLS_HPP
#define CONFORMANCE_CALLS_HPP

#include <bitcask.hpp>

#include "language.hpp"

#include <future>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using bitcask::Result;
using bitcask::Status;

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

/// What a queued write will come to: a future that can be asked again.
template <class T>
using Outcome = std::shared_future<T>;
#define QUEUE(object, call) (object).call

template <class T>
Result<T> awaited(const std::shared_future<T>& outcome) {
    return caught([&]() -> T { return outcome.get(); });
}
#else
#define CALL(object, call) (object).try_##call

template <class T>
using Outcome = std::shared_future<Result<T>>;
#define QUEUE(object, call) (object).try_##call

template <class T>
Result<T> awaited(const std::shared_future<Result<T>>& outcome) {
    return outcome.get();
}
#endif

inline Items failed(const bitcask::Failure& failure) {
    if (failure.message.empty()) return problem("a failure without a message");
    return {word(bitcask::name(failure.status))};
}

template <class T>
Items done(const Result<T>& result) {
    return result ? Items{word("OK")} : failed(result.error());
}

inline Items yes_no(const Result<bool>& result) { return result ? Items{word(*result ? "yes" : "no")} : failed(result.error()); }

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
inline std::vector<Named<bitcask::Index>> known_kinds() {
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

#endif
