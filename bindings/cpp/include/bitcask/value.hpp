/// \file
/// Value: what was read, kept where it is.
#ifndef BITCASK_VALUE_HPP
#define BITCASK_VALUE_HPP

#include "config.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#if BITCASK_HAS_SPAN
#include <span>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// A value that was read. It is not a copy where that can be avoided: the bytes stay readable as long as this object
/// lives, whatever is written meanwhile and after the store was closed; it keeps nobody from writing. May be read by
/// several threads at once.
///
/// Can be moved and not copied; str() makes a copy. A moved-from value is empty.
class Value {
public:
    /// An empty value.
    Value() noexcept = default;

    /// Takes over a value of the C interface.
    explicit Value(bitcask_value* value) noexcept : value_(value) {
        const std::uint8_t* data = nullptr;
        if (bitcask_value_bytes(value, &data, &size_) == BITCASK_OK) data_ = static_cast<const char*>(static_cast<const void*>(data));
    }

    Value(Value&& other) noexcept
        : value_(std::exchange(other.value_, nullptr)), data_(std::exchange(other.data_, "")), size_(std::exchange(other.size_, 0)) {}

    Value& operator=(Value&& other) noexcept {
        Value moved(std::move(other));
        std::swap(value_, moved.value_);
        std::swap(data_, moved.data_);
        std::swap(size_, moved.size_);
        return *this;
    }

    ~Value() { bitcask_value_free(value_); }

    /// Never nullptr. Not ended by a zero.
    const char* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// The bytes, as long as this object lives: hold the Value, not only its view.
    std::string_view view() const& noexcept { return {data_, size_}; }
    operator std::string_view() const& noexcept { return view(); }
    std::string_view view() const&& = delete;
    operator std::string_view() const&& = delete;

    /// A copy.
    std::string str() const { return std::string(data_, size_); }

#if BITCASK_HAS_SPAN
    std::span<const std::byte> bytes() const& noexcept { return std::as_bytes(std::span(data_, size_)); }
    std::span<const std::byte> bytes() const&& = delete;
#endif

    friend bool operator==(const Value& a, std::string_view b) noexcept { return a.view() == b; }
    friend bool operator!=(const Value& a, std::string_view b) noexcept { return a.view() != b; }
    friend bool operator==(const Value& a, const Value& b) noexcept { return a.view() == b.view(); }
    friend bool operator!=(const Value& a, const Value& b) noexcept { return a.view() != b.view(); }

private:
    bitcask_value* value_ = nullptr;
    const char* data_ = "";
    std::size_t size_ = 0;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
