/// \file
/// What can go wrong: statuses, failures with their details, and the exceptions that carry them.
#ifndef BITCASK_ERRORS_HPP
#define BITCASK_ERRORS_HPP

#include "config.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#if BITCASK_HAS_EXCEPTIONS
#include <memory>
#include <stdexcept>
#endif

namespace bitcask {
inline namespace BITCASK_NAMESPACE {

/// Outcomes of calls: the numbers of bitcask.h, which never change. A later library may know more.
enum class Status : std::int32_t {
    ok = BITCASK_OK,
    not_found = BITCASK_NOT_FOUND,
    invalid_argument = BITCASK_INVALID_ARGUMENT,
    null_argument = BITCASK_NULL_ARGUMENT,
    key_empty = BITCASK_KEY_EMPTY,
    key_too_large = BITCASK_KEY_TOO_LARGE,
    value_too_large = BITCASK_VALUE_TOO_LARGE,
    buffer_too_small = BITCASK_BUFFER_TOO_SMALL,
    closed = BITCASK_CLOSED,
    invalid_handle = BITCASK_INVALID_HANDLE,
    forked = BITCASK_FORKED,
    batch_finished = BITCASK_BATCH_FINISHED,
    conflict = BITCASK_CONFLICT,
    transaction_finished = BITCASK_TRANSACTION_FINISHED,
    locked = BITCASK_LOCKED,
    no_store = BITCASK_NO_STORE,
    read_only = BITCASK_READ_ONLY,
    cancelled = BITCASK_CANCELLED,
    stale = BITCASK_STALE,
    io = BITCASK_IO,
    disk_full = BITCASK_DISK_FULL,
    writes_stopped = BITCASK_WRITES_STOPPED,
    corrupted = BITCASK_CORRUPTED,
    unsupported_version = BITCASK_UNSUPPORTED_VERSION,
    unsupported_feature = BITCASK_UNSUPPORTED_FEATURE,
    foreign_file = BITCASK_FOREIGN_FILE,
    unsupported = BITCASK_UNSUPPORTED,
    internal = BITCASK_INTERNAL,
};

/// The name that the status has in every language, such as "KEY_EMPTY". Static storage.
inline const char* name(Status status) noexcept { return bitcask_status_name(static_cast<std::int32_t>(status)); }

/// The library's version, such as "0.1.0". Static storage.
inline const char* version() noexcept { return bitcask_version(); }

/// Why a call failed. A plain value.
struct Failure {
    /// What kind of failure it is; never `ok` or `not_found`.
    Status status = Status::internal;
    /// The operating system's error number (errno), 0 if no system call failed.
    int os_error = 0;
    /// The file or directory concerned, as the operating system takes it; empty if there is none.
    std::string path;
    /// Where in that file, if that has a meaning.
    std::optional<std::uint64_t> offset;
    /// What failed, where, and what can be done, in English. For people: programs look at the status.
    std::string message;
};

namespace detail {

/// What an error of the C interface says that is only lent: it is not freed.
inline Failure read_failure(std::int32_t status, const bitcask_error* error) {
    Failure failure;
    failure.status = static_cast<Status>(status);
    if (error == nullptr) { // all handles are taken
        failure.message = bitcask_status_name(status);
        return failure;
    }
    failure.os_error = bitcask_error_os_error(error);
    failure.path = bitcask_error_path(error);
    failure.message = bitcask_error_message(error);
    const std::int64_t offset = bitcask_error_offset(error);
    if (offset >= 0) failure.offset = static_cast<std::uint64_t>(offset);
    return failure;
}

/// Takes over an error of the C interface.
inline Failure take_failure(std::int32_t status, bitcask_error* error) {
    struct Freed {
        ~Freed() { bitcask_error_free(error); }
        bitcask_error* error;
    } freed{error}; // also if a copy throws
    return read_failure(status, error);
}

/// As above for a call on a store. To its user a store that was closed, or moved from, is a closed store.
inline Failure take_failure(const bitcask_db* db, std::int32_t status, bitcask_error* error) {
    Failure failure = take_failure(status, error);
    if (db == nullptr || status == BITCASK_INVALID_HANDLE) {
        failure = Failure{};
        failure.status = Status::closed;
        failure.message = "the store is closed";
    }
    return failure;
}

/// As above for a call on anything else.
template <class Of>
Failure take_failure(const Of*, std::int32_t status, bitcask_error* error) {
    return take_failure(status, error);
}

} // namespace detail

#if BITCASK_HAS_EXCEPTIONS

/// Base of all exceptions of this library. `what()` is the failure's message. Copying never throws.
class Error : public std::runtime_error {
public:
    explicit Error(Failure failure)
        : std::runtime_error(failure.message), failure_(std::make_shared<const Failure>(std::move(failure))) {}

    Status status() const noexcept { return failure_->status; }
    /// errno, or 0.
    int os_error() const noexcept { return failure_->os_error; }
    const std::string& path() const noexcept { return failure_->path; }
    std::optional<std::uint64_t> offset() const noexcept { return failure_->offset; }
    const Failure& failure() const noexcept { return *failure_; }

private:
    std::shared_ptr<const Failure> failure_;
};

/// An argument or option is out of range.
class InvalidArgumentError : public Error { using Error::Error; };
/// Keys have at least one byte.
class KeyEmptyError : public InvalidArgumentError { using InvalidArgumentError::InvalidArgumentError; };
/// The key is longer than BITCASK_MAX_KEY_LEN.
class KeyTooLargeError : public InvalidArgumentError { using InvalidArgumentError::InvalidArgumentError; };
/// The value is longer than BITCASK_MAX_VALUE_LEN.
class ValueTooLargeError : public InvalidArgumentError { using InvalidArgumentError::InvalidArgumentError; };
/// The store was closed.
class ClosedError : public Error { using Error::Error; };
/// The store belongs to a parent process; this one must open it itself.
class ForkedError : public Error { using Error::Error; };
/// The batch was committed already.
class BatchFinishedError : public Error { using Error::Error; };
/// Another commit changed what the transaction had read. It wrote nothing and is over; begin a new one.
class ConflictError : public Error { using Error::Error; };
/// The transaction was committed already, or ended by a conflict.
class TransactionFinishedError : public Error { using Error::Error; };
/// The store is open for writing elsewhere, or in this process.
class LockedError : public Error { using Error::Error; };
/// There is no store there.
class NoStoreError : public Error { using Error::Error; };
/// The store was opened for reading only.
class ReadOnlyError : public Error { using Error::Error; };
/// The callback that is told of the progress of an opening or a merge stopped it.
class CancelledError : public Error { using Error::Error; };
/// A reader knows of a record that the writer in another process took back; refreshing forgets it.
class StaleError : public Error { using Error::Error; };
/// An operating-system call failed; os_error() tells how. Nothing that was acknowledged is lost.
class IoError : public Error { using Error::Error; };
/// The disk or a quota is full.
class DiskFullError : public IoError { using IoError::IoError; };
/// The store stopped writing after a failure; it can be read; reopen it to write.
class WritesStoppedError : public Error { using Error::Error; };
/// Damage on disk.
class CorruptedError : public Error { using Error::Error; };
/// The files can't be used by this release: base of the next three.
class FormatError : public Error { using Error::Error; };
/// A newer version of the format.
class UnsupportedVersionError : public FormatError { using FormatError::FormatError; };
/// A feature that this release lacks.
class UnsupportedFeatureError : public FormatError { using FormatError::FormatError; };
/// A file of another store is in the directory.
class ForeignFileError : public FormatError { using FormatError::FormatError; };
/// The index kind can't do this.
class UnsupportedError : public Error { using Error::Error; };
/// A bug in the library was caught; please report it.
class InternalError : public Error { using Error::Error; };

/// Throws the exception that stands for a failure. Statuses that this header does not know become an Error.
[[noreturn]] inline void raise(Failure failure) {
    switch (failure.status) {
    case Status::invalid_argument:
    case Status::null_argument:
    case Status::buffer_too_small: throw InvalidArgumentError(std::move(failure));
    case Status::key_empty: throw KeyEmptyError(std::move(failure));
    case Status::key_too_large: throw KeyTooLargeError(std::move(failure));
    case Status::value_too_large: throw ValueTooLargeError(std::move(failure));
    case Status::closed:
    case Status::invalid_handle: throw ClosedError(std::move(failure));
    case Status::forked: throw ForkedError(std::move(failure));
    case Status::batch_finished: throw BatchFinishedError(std::move(failure));
    case Status::conflict: throw ConflictError(std::move(failure));
    case Status::transaction_finished: throw TransactionFinishedError(std::move(failure));
    case Status::locked: throw LockedError(std::move(failure));
    case Status::no_store: throw NoStoreError(std::move(failure));
    case Status::read_only: throw ReadOnlyError(std::move(failure));
    case Status::cancelled: throw CancelledError(std::move(failure));
    case Status::stale: throw StaleError(std::move(failure));
    case Status::io: throw IoError(std::move(failure));
    case Status::disk_full: throw DiskFullError(std::move(failure));
    case Status::writes_stopped: throw WritesStoppedError(std::move(failure));
    case Status::corrupted: throw CorruptedError(std::move(failure));
    case Status::unsupported_version: throw UnsupportedVersionError(std::move(failure));
    case Status::unsupported_feature: throw UnsupportedFeatureError(std::move(failure));
    case Status::foreign_file: throw ForeignFileError(std::move(failure));
    case Status::unsupported: throw UnsupportedError(std::move(failure));
    case Status::internal: throw InternalError(std::move(failure));
    case Status::ok:
    case Status::not_found: break;
    }
    throw Error(std::move(failure));
}

#endif // BITCASK_HAS_EXCEPTIONS

} // namespace BITCASK_NAMESPACE
} // namespace bitcask

#endif
