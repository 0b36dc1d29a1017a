/// \file
/// Bytes: how keys and values are handed in.
#ifndef BITCASK_BYTES_HPP
#define BITCASK_BYTES_HPP

#include "config.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>
#if BITCASK_HAS_SPAN
#include <span>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {
namespace detail {

template <class T>
constexpr bool is_byte = std::is_same_v<T, std::byte> || std::is_same_v<T, unsigned char> || std::is_same_v<T, char>;

/// The element type of a contiguous container, found by its data() and size().
template <class C>
using element_t = std::remove_cv_t<std::remove_pointer_t<decltype(std::data(std::declval<const C&>()))>>;

template <class C, class = void>
constexpr bool is_byte_container = false;
template <class C>
constexpr bool is_byte_container<C, std::void_t<element_t<C>, decltype(std::size(std::declval<const C&>()))>> =
    is_byte<element_t<C>>;

} // namespace detail

/// A view of somebody's bytes, for parameters: made of anything that converts to std::string_view, and of contiguous
/// containers and spans of std::byte, unsigned char or char. Any bytes are allowed in keys and values, zeros too; but a char
/// pointer or literal ends at its first zero, as everywhere.
///
/// It owns nothing: do not keep it.
class Bytes {
public:
    constexpr Bytes() noexcept = default;

    template <class T, std::enable_if_t<std::is_convertible_v<const T&, std::string_view>, int> = 0>
    constexpr Bytes(const T& text) : Bytes(static_cast<std::string_view>(text)) {}

    constexpr Bytes(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}

    template <class C, std::enable_if_t<detail::is_byte_container<C> && !std::is_convertible_v<const C&, std::string_view>, int> = 0>
    constexpr Bytes(const C& container) noexcept : data_(std::data(container)), size_(std::size(container)) {}

    constexpr Bytes(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}

    Bytes(std::nullptr_t) = delete;

    const std::uint8_t* data() const noexcept { return static_cast<const std::uint8_t*>(data_); }
    constexpr std::size_t size() const noexcept { return size_; }
    std::string_view view() const noexcept { return {static_cast<const char*>(data_), size_}; }

private:
    const void* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
