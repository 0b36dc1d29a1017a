/// \file
/// libbitcask for C++17 and later: header-only over bitcask.h. Include this file and link with -lbitcask.
///
///     bitcask::Store db("people");
///     db.put("user:1", "Ada");
///     if (auto value = db.get("user:1")) std::cout << value->view() << '\n';
///     for (const auto& [key, value] : db.prefix("user:")) std::cout << key << '\n';
///     db.close();
///
/// **Errors.** Every call that can fail exists twice: `name` throws an exception derived from bitcask::Error, and
/// `try_name` is noexcept in spirit and returns a bitcask::Result (std::expected where the standard library has it). Compiled
/// with -fno-exceptions only the second kind is there, and the library is complete with it. A missing key is no error.
///
/// **Ownership.** Store, Batch, BulkLoader, Transaction, Snapshot, Iterator, Value and Values own what they stand for, can be moved and not
/// copied, and may outlive each other in any order: after the store is closed what it made fails with `Status::closed`,
/// and its values stay readable. What was not committed or finished is discarded. Destructors never throw. What is handed in is copied, or only read during the call.
///
/// **Threads.** A Store may be used by any number of threads at once, and closed by one of them meanwhile (moving and destroying
/// it are for one thread), and so may a Snapshot. A Batch, BulkLoader, Transaction or Iterator is for one thread at a time. A Value never
/// changes.
///
/// **fork.** In a child process a parent's objects fail with `Status::forked` and touch nothing.
#ifndef BITCASK_HPP
#define BITCASK_HPP

#include "bitcask/async.hpp"
#include "bitcask/batch.hpp"
#include "bitcask/bulk_loader.hpp"
#include "bitcask/bytes.hpp"
#include "bitcask/durations.hpp"
#include "bitcask/errors.hpp"
#include "bitcask/expiry.hpp"
#include "bitcask/iterator.hpp"
#include "bitcask/key_changes.hpp"
#include "bitcask/merge.hpp"
#include "bitcask/open_report.hpp"
#include "bitcask/options.hpp"
#include "bitcask/progress.hpp"
#include "bitcask/reads.hpp"
#include "bitcask/result.hpp"
#include "bitcask/snapshot.hpp"
#include "bitcask/store.hpp"
#include "bitcask/store_writes.hpp"
#include "bitcask/transaction.hpp"
#include "bitcask/value.hpp"
#include "bitcask/values.hpp"
#include "bitcask/writes.hpp"

#endif
