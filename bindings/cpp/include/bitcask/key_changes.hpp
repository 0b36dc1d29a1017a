/// \file
/// KeyChanges: changes of one key that depend on what it was.
#ifndef BITCASK_KEY_CHANGES_HPP
#define BITCASK_KEY_CHANGES_HPP

#include "bytes.hpp"
#include "config.hpp"
#include "options.hpp"
#include "result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// The changes of one key that are atomic whoever else writes: a base of Store, which `Of` is. They fail as Store::try_put and Store::try_get.
template <class Of>
class KeyChanges {
public:
    /// Replaces a key's value if it is what is expected, and tells whether it was. std::nullopt is "not there", for both. The new value has no
    /// expiry, unless with Write::keep_expiry.
    Result<bool> try_compare_and_swap(Bytes key, std::optional<Bytes> expected, std::optional<Bytes> desired, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool swapped = false;
        const Bytes old_bytes = expected.value_or(Bytes()), new_bytes = desired.value_or(Bytes());
        const std::int32_t status = bitcask_compare_and_swap(
            db, key.data(), key.size(), expected.has_value(), old_bytes.data(), old_bytes.size(), desired.has_value(), new_bytes.data(),
            new_bytes.size(), static_cast<std::uint32_t>(how), &swapped, &error);
        return detail::made(swapped, db, status, error);
    }

    /// Stores a value if the key is not there, and tells whether it did.
    Result<bool> try_put_if_absent(Bytes key, Bytes value, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        bool stored = false;
        const std::int32_t status = bitcask_put_if_absent(db, key.data(), key.size(), value.data(), value.size(),
                                                          static_cast<std::uint32_t>(how), &stored, &error);
        return detail::made(stored, db, status, error);
    }

    /// Adds to a counter, and gives what it was before: a value of 8 bytes, a signed number with its lowest byte first. A key that is not
    /// there counts as 0. Fails with invalid_argument if the value is not of 8 bytes, or the sum is beyond 64 bits: then nothing is changed.
    Result<std::int64_t> try_fetch_add(Bytes key, std::int64_t delta, Write how = Write::standard) {
        bitcask_error* error = nullptr;
        bitcask_db* db = handle();
        std::int64_t before = 0;
        const std::int32_t status =
            bitcask_fetch_add(db, key.data(), key.size(), delta, static_cast<std::uint32_t>(how), &before, &error);
        return detail::made(before, db, status, error);
    }

    /// Replaces a key's value by what `change` makes of it, and gives that: from a std::optional<std::string_view>, whose bytes live as long as the
    /// call, something that a std::optional<std::string> is made of. std::nullopt is "not there", for both. `change` is called again if
    /// another writer changed the key meanwhile, so it should have no effects of its own. It runs in this thread, without locks, and may use the
    /// store; what it throws leaves the key alone and comes out of here. A key that expires goes on to do so when it would have.
    template <class Change>
    Result<std::optional<std::string>> try_update(Bytes key, Change&& change, Write how = Write::standard) {
        for (;;) {
            auto present = static_cast<const Of*>(this)->try_get(key);
            if (!present) return detail::Unexpected(std::move(present).error());
            std::optional<std::string_view> before;
            if (*present) before = (*present)->view();
            std::optional<std::string> after = change(before);
            const auto swapped = try_compare_and_swap(key, before, after, how | Write::keep_expiry);
            if (!swapped) return detail::Unexpected(swapped.error());
            if (*swapped) return after;
        }
    }

#if BITCASK_HAS_EXCEPTIONS
    // Each as its namesake above.
    bool compare_and_swap(Bytes key, std::optional<Bytes> expected, std::optional<Bytes> desired, Write how = Write::standard) {
        return detail::unwrap(try_compare_and_swap(key, expected, desired, how));
    }
    bool put_if_absent(Bytes key, Bytes value, Write how = Write::standard) { return detail::unwrap(try_put_if_absent(key, value, how)); }
    std::int64_t fetch_add(Bytes key, std::int64_t delta, Write how = Write::standard) {
        return detail::unwrap(try_fetch_add(key, delta, how));
    }
    template <class Change>
    std::optional<std::string> update(Bytes key, Change&& change, Write how = Write::standard) {
        return detail::unwrap(try_update(key, change, how));
    }
#endif

protected:
    KeyChanges() noexcept = default;
    ~KeyChanges() = default;

private:
    bitcask_db* handle() const noexcept { return static_cast<const Of*>(this)->handle(); }
};

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
