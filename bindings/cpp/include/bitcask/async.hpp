/// \file
/// Queued writes: how the outcome gets from the C interface's callback to a C++ one, or into a future.
#ifndef BITCASK_ASYNC_HPP
#define BITCASK_ASYNC_HPP

#include "config.hpp"
#include "result.hpp"

#include <cstdint>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>
#if BITCASK_HAS_EXCEPTIONS
#include <exception>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// What an erase came to. True if the key was there.
struct Erased {
    /// Whether the key was there.
    bool existed = false;
    /// The commit's sequence number, for Store::wait_durable(). If the key was not there, nothing was written, and it is that of the last
    /// commit before, on which that rests.
    std::uint64_t seq = 0;

    explicit operator bool() const noexcept { return existed; }
};

namespace detail {

/// Whether an F can be told a Result<T>.
template <class F, class T>
constexpr bool is_callback = std::is_invocable_v<std::decay_t<F>&, Result<T>>;

inline void set_outcome(std::uint64_t& to, std::uint64_t seq, bool) noexcept { to = seq; }
inline void set_outcome(Erased& to, std::uint64_t seq, bool existed) noexcept { to = Erased{existed, seq}; }

/// The C interface's callback: calls the F that user_data is, and ends its life. What an F throws ends the program: nobody could catch it.
template <class T, class F>
void tell(void* user_data, std::int32_t status, std::uint64_t seq, bool existed, const bitcask_error* error) noexcept {
    const std::unique_ptr<F> callback(static_cast<F*>(user_data));
    if (status != BITCASK_OK) {
        (*callback)(Result<T>(Unexpected(read_failure(status, error))));
    } else {
        T outcome{};
        set_outcome(outcome, seq, existed);
        (*callback)(Result<T>(outcome));
    }
}

/// Queues a write by `call`, which takes the C interface's last three arguments. If it could be, the callback is not the caller's any more.
template <class T, class F, class Of, class Call>
Result<void> hand_over(std::unique_ptr<F>& callback, const Of* of, const Call& call) {
    bitcask_error* error = nullptr;
    const std::int32_t status = call(&tell<T, F>, callback.get(), &error);
    if (status == BITCASK_OK) static_cast<void>(callback.release()); // it may be gone by now
    return done(of, status, error);
}

template <class T, class F, class Of, class Call>
Result<void> queue(F&& callback, const Of* of, const Call& call) {
    auto owned = std::make_unique<std::decay_t<F>>(std::forward<F>(callback));
    return hand_over<T>(owned, of, call);
}

/// As queue, and the callback gets the failure of the call too.
template <class T, class F, class Of, class Call>
void queue_always(F callback, const Of* of, const Call& call) {
    auto owned = std::make_unique<F>(std::move(callback));
    if (auto queued = hand_over<T>(owned, of, call); !queued) (*owned)(Result<T>(Unexpected(std::move(queued).error())));
}

template <class T, class Of, class Call>
std::future<Result<T>> queue_result(const Of* of, const Call& call) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    queue_always<T>([promise = std::move(promise)](Result<T> outcome) mutable { promise.set_value(std::move(outcome)); }, of, call);
    return future;
}

#if BITCASK_HAS_EXCEPTIONS
inline std::exception_ptr exception_of(Failure failure) {
    try {
        raise(std::move(failure));
    } catch (...) {
        return std::current_exception();
    }
}

template <class T, class Of, class Call>
std::future<T> queue_value(const Of* of, const Call& call) {
    std::promise<T> promise;
    auto future = promise.get_future();
    auto set = [promise = std::move(promise)](Result<T> outcome) mutable {
        if (outcome) promise.set_value(*outcome);
        else promise.set_exception(exception_of(std::move(outcome).error()));
    };
    queue_always<T>(std::move(set), of, call);
    return future;
}
#endif

} // namespace detail

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
