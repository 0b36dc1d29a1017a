/// \file
/// Iterator: the records of a store at one moment, or with the writes of a batch or transaction made.
#ifndef BITCASK_ITERATOR_HPP
#define BITCASK_ITERATOR_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "result.hpp"

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// One record. The bytes are lent by the Iterator, from the file where that is mapped, and live until its next step, seek() or rewind(), or until it
/// is destroyed; what is written meanwhile, and closing the store, leaves them what they are. Copy what is to be kept.
struct Record {
    std::string_view key;
    /// Empty if the options say keys only.
    std::string_view value;
};

/// The records of a store as it was when this was made, whatever is written meanwhile. Made by all(), prefix() and range() of a Store,
/// Snapshot, Batch or Transaction. For one thread at a time; it keeps nobody from writing.
///
/// A range of its own, to be gone through once: `for (const auto& [key, value] : db.all())`. Or step by step with
/// next(), seek() and rewind(). Records are fetched page by page: when the store was closed, those of
/// the page at hand may still come before Status::closed does.
///
/// In a loop, a failure is thrown; without exceptions it ends the loop, and failure() tells it.
class Iterator {
public:
    class iterator;
    using value_type = Record;

    /// Takes over an iterator of the C interface.
    explicit Iterator(bitcask_iter* iter) noexcept : iter_(iter) {}

    Iterator(Iterator&& other) noexcept
        : iter_(std::move(other.iter_)), page_(std::exchange(other.page_, {})), record_(std::exchange(other.record_, {})),
          failure_(std::exchange(other.failure_, {})) {}
    Iterator& operator=(Iterator&& other) noexcept {
        Iterator moved(std::move(other));
        std::swap(iter_, moved.iter_);
        std::swap(page_, moved.page_);
        std::swap(record_, moved.record_);
        std::swap(failure_, moved.failure_);
        return *this;
    }

    /// The next record, or nothing at the end. Fails with corrupted at a damaged record, closed, forked, io; it then stays where it is.
    /// skip_damaged() passes a damaged record.
    Result<std::optional<Record>> try_next() {
        if (page_.at == page_.count) {
            if (auto fetched = fetch(); !fetched) return detail::Unexpected(std::move(fetched).error());
        }
        if (page_.count == 0) return std::optional<Record>();
        const bitcask_entry& entry = page_.entries[page_.at++];
        return std::optional<Record>(Record{view(entry.key, entry.key_len), view(entry.value, entry.value_len)});
    }

    /// Goes to the first key of the range that is at or above `key`; in reverse at or below. Any bytes. Fails with closed, forked.
    Result<void> try_seek(Bytes key) {
        bitcask_error* error = nullptr;
        forget();
        return detail::done(bitcask_iter_seek(iter_.get(), key.data(), key.size(), &error), error);
    }

    /// Goes back to the beginning of the range; in reverse to its end. Fails with closed, forked.
    Result<void> try_rewind() {
        bitcask_error* error = nullptr;
        forget();
        return detail::done(bitcask_iter_rewind(iter_.get(), &error), error);
    }

    /// Passes the record at which the last step failed with corrupted, so that it can go on behind it. Does nothing otherwise. Fails with closed,
    /// forked.
    Result<void> try_skip_damaged() {
        bitcask_error* error = nullptr;
        failure_.reset();
        return detail::done(bitcask_iter_skip_damaged(iter_.get(), &error), error);
    }

    /// What ended a loop early, if anything did. Only without exceptions.
    const std::optional<Failure>& failure() const noexcept { return failure_; }

#if BITCASK_HAS_EXCEPTIONS
    std::optional<Record> next() { return detail::unwrap(try_next()); }
    void seek(Bytes key) { detail::unwrap(try_seek(key)); }
    void rewind() { detail::unwrap(try_rewind()); }
    void skip_damaged() { detail::unwrap(try_skip_damaged()); }
#endif

    /// The record that comes next: there is one position, which all iterators of this object share.
    iterator begin();
    iterator end() noexcept;

private:
    struct Free {
        void operator()(bitcask_iter* iter) const noexcept { bitcask_iter_free(iter); }
    };

    /// What was fetched last. The bytes are lent by the C interface's iterator until it is called again.
    struct Page {
        const bitcask_entry* entries = nullptr;
        std::size_t count = 0, at = 0;
        /// How many records to ask for next. Grows, so that a look at one record does not read a thousand.
        std::size_t next = 16;
    };

    static constexpr std::size_t max_page_records = 1024, max_page_bytes = 256 * 1024;

    static std::string_view view(const std::uint8_t* data, std::size_t len) noexcept {
        return {static_cast<const char*>(static_cast<const void*>(data)), len};
    }

    void forget() noexcept {
        page_ = Page{};
        failure_.reset();
    }

    Result<void> fetch() {
        bitcask_error* error = nullptr;
        const std::size_t wanted = page_.next;
        page_ = Page{};
        const std::int32_t status =
            bitcask_iter_next_page(iter_.get(), wanted, max_page_bytes, &page_.entries, &page_.count, &error);
        page_.next = wanted * 4 < max_page_records ? wanted * 4 : max_page_records;
        return detail::done(status, error);
    }

    /// One step of a loop. False at its end.
    bool advance() {
        auto next = try_next();
        if (!next) {
#if BITCASK_HAS_EXCEPTIONS
            raise(std::move(next).error());
#else
            failure_ = std::move(next).error();
            return false;
#endif
        }
        if (!*next) return false;
        record_ = **next;
        return true;
    }

    std::unique_ptr<bitcask_iter, Free> iter_;
    Page page_;
    Record record_;
    std::optional<Failure> failure_;
};

/// An input iterator (single pass). All of one Iterator are at the same position; a record's bytes live until its next step.
class Iterator::iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Record;
    using difference_type = std::ptrdiff_t;
    using pointer = const Record*;
    using reference = const Record&;

    iterator() noexcept = default;

    reference operator*() const noexcept { return of_->record_; }
    pointer operator->() const noexcept { return &of_->record_; }

    iterator& operator++() {
        if (!of_->advance()) of_ = nullptr;
        return *this;
    }

    /// There is nothing to return: the step ends the life of the bytes of the record before it.
    void operator++(int) { ++*this; }

    friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.of_ == b.of_; }
    friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.of_ != b.of_; }

private:
    friend class Iterator;
    explicit iterator(Iterator* of) noexcept : of_(of) {}
    Iterator* of_ = nullptr;
};

inline Iterator::iterator Iterator::begin() { return advance() ? iterator(this) : iterator(); }
inline Iterator::iterator Iterator::end() noexcept { return iterator(); }

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
