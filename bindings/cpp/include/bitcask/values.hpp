/// \file
/// Values: what was read for many keys at once. OwnedRecord: a record that is nobody else's.
#ifndef BITCASK_VALUES_HPP
#define BITCASK_VALUES_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "value.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

template <class Of, class Calls>
class Reads;

/// The values of many keys as of one moment, in the order in which the keys were given to Store::multi_get():
///
///     const auto values = db.multi_get({"a", "b", "c"});
///     for (std::optional<std::string_view> value : values) ...
///     if (values[1]) std::cout << *values[1];
///
/// The bytes are this object's own: they stay what they are, whatever is written, also after the store is closed, until it is moved
/// from, destroyed, or used for another call. For one thread at a time while it is used for a call; then threads may share it.
///
/// Used again with Store::multi_get_into(), for any store, it keeps its memory, so that in the long run nothing is allocated.
class Values {
public:
    class iterator;
    using value_type = std::optional<std::string_view>;
    using const_iterator = iterator;

    /// No values.
    Values() noexcept = default;

    Values(Values&& other) noexcept
        : values_(std::move(other.values_)), lookups_(std::exchange(other.lookups_, nullptr)), size_(std::exchange(other.size_, 0)),
          keys_(std::move(other.keys_)), lens_(std::move(other.lens_)) {}
    Values& operator=(Values&& other) noexcept {
        Values moved(std::move(other));
        std::swap(values_, moved.values_);
        std::swap(lookups_, moved.lookups_);
        std::swap(size_, moved.size_);
        std::swap(keys_, moved.keys_);
        std::swap(lens_, moved.lens_);
        return *this;
    }

    /// How many keys were asked for.
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// The value of the i-th key; nothing if the key is not in the store, which is not the same as an empty value. REQUIRES: i < size().
    std::optional<std::string_view> operator[](std::size_t i) const& noexcept {
        const bitcask_lookup& found = lookups_[i];
        if (found.status != BITCASK_OK) return std::nullopt;
        return std::string_view(static_cast<const char*>(static_cast<const void*>(found.data)), found.len);
    }
    /// Its view would outlive the bytes: hold the Values.
    std::optional<std::string_view> operator[](std::size_t i) const&& = delete;

    iterator begin() const noexcept;
    iterator end() const noexcept;

private:
    template <class, class>
    friend class Reads;

    struct Free {
        void operator()(bitcask_values* values) const noexcept { bitcask_values_free(values); }
    };

    /// Replaces the values by those of these keys. The keys are copied one behind the other first, so that a range may make them up
    /// as it goes, and so that they may be values that were found before.
    template <class Call, class Of, class Keys>
    std::int32_t find(Call multi_get_packed, Of* of, Keys&& keys, bitcask_error** error) {
        keys_.clear();
        lens_.clear();
        for (const auto& key : keys) {
            const Bytes bytes(key);
            if (bytes.size() != 0) keys_.append(bytes.view());
            lens_.push_back(bytes.size());
        }
        if (!values_) values_.reset(bitcask_values_new());
        lookups_ = nullptr;
        size_ = 0;
        const Bytes packed(keys_);
        const std::int32_t status =
            multi_get_packed(of, packed.data(), packed.size(), lens_.data(), lens_.size(), values_.get(), &lookups_, error);
        if (status == BITCASK_OK) size_ = lens_.size();
        return status;
    }

    std::unique_ptr<bitcask_values, Free> values_;
    const bitcask_lookup* lookups_ = nullptr;
    std::size_t size_ = 0;
    /// The keys of the call, and their lengths: kept for their memory.
    std::string keys_;
    std::vector<std::size_t> lens_;
};

/// Goes through Values as often as one likes. What it refers to is made up on the spot.
class Values::iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using iterator_concept = std::forward_iterator_tag;
    using value_type = std::optional<std::string_view>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = value_type;

    iterator() noexcept = default;

    reference operator*() const noexcept { return (*of_)[at_]; }

    iterator& operator++() noexcept {
        ++at_;
        return *this;
    }
    iterator operator++(int) noexcept {
        iterator before = *this;
        ++at_;
        return before;
    }

    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.at_ == b.at_; }
    friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.at_ != b.at_; }

private:
    friend class Values;
    iterator(const Values* of, std::size_t at) noexcept : of_(of), at_(at) {}
    const Values* of_ = nullptr;
    std::size_t at_ = 0;
};

inline Values::iterator Values::begin() const noexcept { return iterator(this, 0); }
inline Values::iterator Values::end() const noexcept { return iterator(this, size_); }

/// A record that belongs to whoever holds it, unlike a Record. The value is pinned as by Store::get().
struct OwnedRecord {
    std::string key;
    Value value;
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
