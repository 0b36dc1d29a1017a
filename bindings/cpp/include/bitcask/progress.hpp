/// \file
/// Progress of an opening, and the way of any progress to the callback that is told of it.
#ifndef BITCASK_PROGRESS_HPP
#define BITCASK_PROGRESS_HPP

#include "config.hpp"

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>
#if BITCASK_HAS_EXCEPTIONS
#include <exception>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// What an opening is about. A later library may know more.
enum class OpenPhase : std::int32_t {
    /// Hints and data files are read into the index.
    read = BITCASK_OPEN_READ,
    /// All was read; what is left is short.
    finish = BITCASK_OPEN_FINISH,
};

/// How far an opening is.
struct OpenProgress {
    OpenPhase phase = OpenPhase::read;
    /// Bytes of data files that are in the index by now, and that there are.
    std::uint64_t bytes_done = 0, bytes_total = 0;
    /// Records read so far.
    std::uint64_t records = 0;
};

namespace detail {

/// One call's way from the C interface's callback to the C++ one, and back for what that throws.
template <class Progress>
class ProgressCall {
public:
    using Callback = std::function<bool(const Progress&)>;

    explicit ProgressCall(const Callback& callback) noexcept : callback_(callback) {}

    /// What the C interface's callback is to return.
    std::int32_t ask(const Progress& progress) noexcept {
#if BITCASK_HAS_EXCEPTIONS
        try {
            return callback_(progress) ? 0 : 1;
        } catch (...) {
            thrown_ = std::current_exception();
            return 1;
        }
#else
        return callback_(progress) ? 0 : 1;
#endif
    }

    /// Throws again what the callback threw, if it did.
    void rethrow() const {
#if BITCASK_HAS_EXCEPTIONS
        if (thrown_) std::rethrow_exception(thrown_);
#endif
    }

private:
    const Callback& callback_;
#if BITCASK_HAS_EXCEPTIONS
    std::exception_ptr thrown_;
#endif
};

using OpenProgressCall = ProgressCall<OpenProgress>;

inline std::int32_t tell_of_opening(
    void* call, std::int32_t phase, std::uint64_t done, std::uint64_t total, std::uint64_t records) noexcept {
    return static_cast<OpenProgressCall*>(call)->ask(OpenProgress{static_cast<OpenPhase>(phase), done, total, records});
}

/// The callback as one that says whether to go on: one that returns nothing always does.
template <class Progress, class Callback>
typename ProgressCall<Progress>::Callback asking(Callback callback) {
    if constexpr (std::is_void_v<std::invoke_result_t<Callback&, const Progress&>>) {
        return [callback = std::move(callback)](const Progress& progress) mutable {
            callback(progress);
            return true;
        };
    } else {
        return callback;
    }
}

} // namespace detail

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
