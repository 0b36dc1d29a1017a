/// \file
/// Durations as the C interface takes them.
#ifndef BITCASK_DURATIONS_HPP
#define BITCASK_DURATIONS_HPP

#include "config.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bitcask {
inline namespace BITCASK_NAMESPACE {
namespace detail {

/// Whole milliseconds, of which a part of one counts as one; none for a negative time, and at most what T holds. By way of a floating-point number, which no
/// duration overflows.
template <class T, class Rep, class Period>
T milliseconds(std::chrono::duration<Rep, Period> time) {
    const double count = std::ceil(std::chrono::duration<double, std::milli>(time).count());
    if (!(count > 0)) return 0;
    return count < 9e18 ? static_cast<T>(count) : std::numeric_limits<T>::max();
}

} // namespace detail
} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
