/// \file
/// Result<T>: a value or a Failure, what the `try_` functions return.
#ifndef BITCASK_RESULT_HPP
#define BITCASK_RESULT_HPP

#include "config.hpp"
#include "errors.hpp"

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#if BITCASK_HAS_EXPECTED
#include <expected>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

#if BITCASK_HAS_EXPECTED

/// A value, or why there is none.
template <class T>
using Result = std::expected<T, Failure>;

namespace detail {
using Unexpected = std::unexpected<Failure>;
}

#else

namespace detail {
struct Unexpected {
    explicit Unexpected(Failure why) : failure(std::move(why)) {}
    Failure failure;
};
} // namespace detail

/// A value, or why there is none: the part of std::expected that this library and most programs need. It becomes
/// an alias of std::expected where the standard library has that.
template <class T>
class [[nodiscard]] Result {
public:
    using value_type = T;
    using error_type = Failure;

    template <class U = T, std::enable_if_t<std::is_convertible_v<U&&, T> && !std::is_same_v<std::decay_t<U>, Result>, int> = 0>
    Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
    Result(detail::Unexpected why) : state_(std::in_place_index<1>, std::move(why.failure)) {}

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// REQUIRES: has_value().
    T& operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
    T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() noexcept { return std::get_if<0>(&state_); }
    const T* operator->() const noexcept { return std::get_if<0>(&state_); }

    /// REQUIRES: !has_value().
    const Failure& error() const& noexcept { return *std::get_if<1>(&state_); }
    Failure& error() & noexcept { return *std::get_if<1>(&state_); }
    Failure&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

    template <class U>
    T value_or(U&& other) const& {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }
    template <class U>
    T value_or(U&& other) && {
        return has_value() ? *std::move(*this) : static_cast<T>(std::forward<U>(other));
    }

private:
    std::variant<T, Failure> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;
    using error_type = Failure;

    Result() noexcept = default;
    Result(detail::Unexpected why) : failure_(std::move(why.failure)) {}

    bool has_value() const noexcept { return !failure_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    void operator*() const noexcept {}

    /// REQUIRES: !has_value().
    const Failure& error() const& noexcept { return *failure_; }
    Failure& error() & noexcept { return *failure_; }
    Failure&& error() && noexcept { return std::move(*failure_); }

private:
    std::optional<Failure> failure_;
};

#endif // BITCASK_HAS_EXPECTED

namespace detail {

/// OK, or the failure.
inline Result<void> done(std::int32_t status, bitcask_error* error) {
    if (status == BITCASK_OK) return {};
    return Unexpected(take_failure(status, error));
}

template <class Of>
Result<void> done(const Of* of, std::int32_t status, bitcask_error* error) {
    if (status == BITCASK_OK) return {};
    return Unexpected(take_failure(of, status, error));
}

/// What a call gave, or the failure.
template <class T, class Of>
Result<T> made(T value, const Of* of, std::int32_t status, bitcask_error* error) {
    if (status == BITCASK_OK) return value;
    return Unexpected(take_failure(of, status, error));
}

#if BITCASK_HAS_EXCEPTIONS
/// The value, or the failure as an exception.
template <class T>
T unwrap(Result<T>&& result) {
    if (!result) raise(std::move(result).error());
    return *std::move(result);
}
#endif

} // namespace detail

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
