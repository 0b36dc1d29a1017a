// What the conformance cases can't say of snapshots, transactions, batches, loads, sequence numbers, queued writes, openings and merges, because it is
// C++: moves, lifetimes, callbacks and futures, what is thrown through a call, guards.
#include <bitcask.hpp>

#include "check.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace std::string_literals;
using bitcask::IterOptions;
using bitcask::Options;
using bitcask::Status;
using bitcask::Store;

template <class T>
constexpr bool is_move_only = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> && std::is_nothrow_move_constructible_v<T> &&
                              std::is_nothrow_move_assignable_v<T> && std::is_nothrow_destructible_v<T>;
static_assert(is_move_only<bitcask::Snapshot> && is_move_only<bitcask::Transaction> && is_move_only<bitcask::Batch>);
static_assert(is_move_only<bitcask::BulkLoader>);
static_assert(std::is_same_v<decltype(std::declval<Store&>().put("", "")), std::uint64_t>);
static_assert(std::is_same_v<decltype(std::declval<Store&>().put_async("", "")), std::future<std::uint64_t>>);
static_assert(std::is_same_v<decltype(std::declval<Store&>().erase_async("")), std::future<bitcask::Erased>>);
// An erase is no number: its seq must be named.
static_assert(!std::is_convertible_v<bitcask::Erased, std::uint64_t> && !std::is_convertible_v<bitcask::Erased, bool>);
// Where an erased key's outcome is wanted, nothing else is told, and a number is no callback.
static_assert(bitcask::detail::is_callback<void (*)(bitcask::Result<bitcask::Erased>), bitcask::Erased>);
static_assert(!bitcask::detail::is_callback<bitcask::Write, std::uint64_t> && !bitcask::detail::is_callback<int, std::uint64_t>);

namespace {

using Map = std::map<std::string, std::string>;

Map collect(bitcask::Iterator records) {
    Map map;
    for (const auto& [key, value] : records) map.emplace(key, value);
    return map;
}

template <class T>
bool is(const bitcask::Result<T>& result, Status status) {
    return !result && result.error().status == status && !result.error().message.empty();
}

// That a future's get() throws exactly this.
#define CHECK_FUTURE_THROWS(type, future) CHECK_THROWS(type, (future).get())

void numbers() {
    Dir dir;
    Store db(dir.path / "store", Options().durability(bitcask::Durability::none));
    CHECK(db.last_seq() == 0 && db.durable_seq() == 0);
    const std::uint64_t first = db.put("a", "1");
    const std::uint64_t second = db.put("b", "2");
    CHECK(first > 0 && second > first && db.last_seq() == second && db.durable_seq() < second);
    const auto missing = db.erase("c");
    CHECK(!missing && !missing.existed && missing.seq == second);
    const auto erased = db.erase("a");
    CHECK(erased && erased.existed && erased.seq > second);
    auto batch = db.batch();
    const std::uint64_t third = batch.put("d", "1").put("e", "1").commit();
    CHECK(third > erased.seq && db.last_seq() == third);
    CHECK(db.batch().commit() == third); // writes nothing

    db.wait_durable(second);
    CHECK(db.durable_seq() >= second);
    CHECK(db.wait_durable(third, 60s) && db.durable_seq() == third);
    const std::uint64_t fourth = db.put("f", "1", bitcask::Write::sync);
    CHECK(db.durable_seq() == fourth);

    // Limits of every type, none of which overflows.
    CHECK(db.wait_durable(fourth, 0s) && db.wait_durable(fourth, -5s) && db.wait_durable(fourth, 1ns));
    CHECK(db.wait_durable(fourth, std::chrono::hours::max()) && db.wait_durable(fourth, std::chrono::nanoseconds::min()));
    CHECK(db.wait_durable(fourth, std::chrono::duration<double>(std::numeric_limits<double>::infinity())));
    CHECK(db.wait_durable(fourth, std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())));
    const std::uint64_t fifth = db.put("g", "1");
    CHECK(db.wait_durable(fifth, std::chrono::hours::max()) && db.durable_seq() == fifth);

    CHECK_THROWS(bitcask::InvalidArgumentError, db.wait_durable(fifth + 1));
    CHECK_THROWS(bitcask::InvalidArgumentError, db.wait_durable(fifth + 1, 1s));
    Store reader(dir.path / "store", Options().read_only(true));
    CHECK_THROWS(bitcask::ReadOnlyError, reader.durable_seq());
    CHECK_THROWS(bitcask::ReadOnlyError, reader.wait_durable(1));
    CHECK(reader.last_seq() == fifth);
    Store none;
    CHECK_THROWS(bitcask::ClosedError, none.last_seq());
    CHECK_THROWS(bitcask::ClosedError, none.durable_seq());
    CHECK_THROWS(bitcask::ClosedError, none.wait_durable(1));
    CHECK_THROWS(bitcask::ClosedError, none.wait_durable(1, 1s));
}

// A callback's state that can't be copied, and tells when it is gone.
struct Guard {
    explicit Guard(int& gone) : gone_(&gone) {}
    Guard(Guard&& other) noexcept : gone_(std::exchange(other.gone_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
        if (gone_ != nullptr) ++*gone_;
    }
    int* gone_;
};

void queued_by_callback() {
    Dir dir;
    Store db(dir.path / "store");
    std::vector<std::uint64_t> seqs;
    std::vector<bool> existed;
    int failures = 0, gone = 0;
    {
        std::string key = "key", value = "value"; // copied before the call returns
        for (int i = 0; i < 100; i++) {
            db.put_async(key + std::to_string(i), value, [&, guard = Guard(gone), own = std::make_unique<int>(i)](bitcask::Result<std::uint64_t> outcome) {
                if (outcome && *own >= 0) seqs.push_back(*outcome);
                else failures++;
            });
        }
    }
    const auto on_erased = [&](const bitcask::Result<bitcask::Erased>& outcome) { existed.push_back(outcome && outcome->existed); };
    db.erase_async("key7", on_erased, bitcask::Write::sync);
    db.erase_async("none", on_erased);
    auto batch = db.batch();
    batch.put("x", "1").put("y", "2");
    std::uint64_t last = 0;
    batch.commit_async([&](auto outcome) { last = outcome ? *outcome : 0; });
    CHECK_THROWS(bitcask::BatchFinishedError, batch.commit_async([&](bitcask::Result<std::uint64_t>) { failures++; }));
    CHECK_THROWS(bitcask::KeyEmptyError, db.put_async("", "v", [&, guard = Guard(gone)](bitcask::Result<std::uint64_t>) { failures++; }));
    CHECK(is(db.try_erase_async("", on_erased), Status::key_empty));
    { const auto freed_at_once = std::move(batch); }
    // What is queued is made in order, so the last one's callback is called behind all others.
    std::promise<void> done;
    db.put_async("last", "1", [&done](const bitcask::Result<std::uint64_t>&) { done.set_value(); });
    done.get_future().get();
    CHECK(seqs.size() == 100 && failures == 0 && std::is_sorted(seqs.begin(), seqs.end()) && seqs.front() > 0 && last >= seqs.back());
    CHECK(existed == std::vector<bool>{true, false});
    CHECK(gone == 101); // each callback is gone once: after its call, and where the call failed
    CHECK(*db.get("key99") == "value" && !db.contains("key7") && *db.get("y") == "2");

    // A callback may write, queue and close.
    std::promise<Status> after;
    db.put_async("a", "1", [&](bitcask::Result<std::uint64_t> outcome) {
        db.put("from a callback", "1");
        db.wait_durable(*outcome);
        db.close();
        after.set_value(db.try_put("b", "1") ? Status::ok : Status::closed);
    });
    CHECK(after.get_future().get() == Status::closed);
    CHECK_THROWS(bitcask::ClosedError, db.put_async("k", "v", [](bitcask::Result<std::uint64_t>) {}));
    Store again(dir.path / "store");
    CHECK(again.contains("from a callback"));
}

void queued_by_future() {
    Dir dir;
    Store db(dir.path / "store", Options().durability(bitcask::Durability::none));
    std::vector<std::future<std::uint64_t>> puts;
    for (int i = 0; i < 50; i++) puts.push_back(db.put_async("k" + std::to_string(i), "v"));
    std::uint64_t seq = 0;
    for (auto& put : puts) {
        const std::uint64_t next = put.get();
        CHECK(next > seq);
        seq = next;
    }
    db.wait_durable(seq);
    auto erased = db.erase_async("k3"), missing = db.erase_async("k3", bitcask::Write::sync);
    const auto first = erased.get(), second = missing.get();
    CHECK(first && first.seq > seq && !second && second.seq >= first.seq && db.durable_seq() >= first.seq);
    auto batch = db.batch();
    batch.put("x", "1");
    const auto committed = batch.commit_async(bitcask::Write::sync).get();
    CHECK(committed > first.seq && db.durable_seq() >= committed && *db.get("x") == "1");
    // All failures are the future's, those of the call too.
    CHECK_FUTURE_THROWS(bitcask::KeyEmptyError, db.put_async("", "v"));
    CHECK_FUTURE_THROWS(bitcask::KeyTooLargeError, db.erase_async(std::string(65536, 'k')));
    CHECK_FUTURE_THROWS(bitcask::BatchFinishedError, batch.commit_async());
    auto result = db.try_put_async("a", "1").get();
    CHECK(result && *result > committed);
    CHECK(is(db.try_put_async("", "1").get(), Status::key_empty) && db.try_erase_async("a").get()->existed);
    auto other = db.batch();
    CHECK(other.try_put("b", "1") && other.try_commit_async().get() && is(other.try_commit_async().get(), Status::batch_finished));
    static_cast<void>(db.put_async("nobody waits", "1"));
    auto pending = db.put_async("c", "1");
    db.close();
    pending.wait(); // made, or refused: a future is always told
    CHECK_FUTURE_THROWS(bitcask::ClosedError, db.put_async("d", "1"));
    Store reader(dir.path / "store", Options().read_only(true));
    CHECK_FUTURE_THROWS(bitcask::ReadOnlyError, reader.put_async("e", "1"));
}

void snapshots() {
    Dir dir;
    for (const auto index : {bitcask::Index::btree, bitcask::Index::hash}) {
        std::optional<bitcask::Snapshot> outliving;
        std::optional<bitcask::Value> value;
        std::filesystem::remove_all(dir.path / "store");
        {
            Store db(dir.path / "store", Options().index(index));
            db.put("a", "1");
            db.put("b", "22");
            db.put("c", "");
            const bitcask::Snapshot before = db.snapshot();
            const std::uint64_t seq = db.last_seq();
            db.put("a", "changed");
            db.put("d", "new");
            db.erase("b");
            CHECK(before.seq() == seq && before.size() == 3 && !before.empty());
            CHECK(*before.get("a") == "1" && *before.get("b") == "22" && before.get("c")->empty() && !before.get("d"));
            CHECK(before.contains("b") && !before.contains("d") && before.value_size("b") == 2U && !before.value_size("d"));
            char buffer[8] = "_______";
            CHECK(before.get_into("b", buffer, 8) == 2U && std::string_view(buffer) == "22_____" && !before.get_into("d", buffer, 8));
            const auto values = before.multi_get({"d", "b", "a"});
            CHECK(!values[0] && values[1] == "22" && values[2] == "1");
            bitcask::Values again;
            before.multi_get_into(std::vector<std::string>{"b"}, again);
            CHECK(again.size() == 1 && again[0] == "22");
            CHECK(before.first()->key == "a" && before.first()->value == "1" && before.last()->key == "c");
            CHECK(before.count() == 3 && before.count(IterOptions().start("b")) == 2);
            CHECK(collect(before.all()) == Map{{"a", "1"}, {"b", "22"}, {"c", ""}} && collect(before.prefix("b")) == Map{{"b", "22"}});
            CHECK(collect(before.range(IterOptions().reverse().limit(1))) == Map{{"c", ""}});
            CHECK(collect(db.all()) == Map{{"a", "changed"}, {"c", ""}, {"d", "new"}});
            CHECK_THROWS(bitcask::KeyEmptyError, before.get(""));

            std::optional<bitcask::Snapshot> dropped = db.snapshot();
            auto records = dropped->all();
            dropped.reset(); // its iterator lives on
            db.erase("a");
            CHECK(records.next()->key == "a" && records.next()->key == "c");
            bitcask::Snapshot moved = db.snapshot();
            bitcask::Snapshot to(std::move(moved));
            CHECK(to.size() == 2);
            CHECK_THROWS(bitcask::InvalidArgumentError, moved.size()); // NOLINT: what is left is documented
            moved = std::move(to);
            CHECK(moved.size() == 2 && moved.handle() != nullptr);
            value = moved.get("d");
            outliving = std::move(moved);
            std::vector<std::thread> readers;
            std::atomic<int> wrong{0};
            for (int t = 0; t < 4; t++) {
                readers.emplace_back([&] {
                    for (int i = 0; i < 100; i++) wrong += !(before.get("a") && *before.get("a") == "1" && before.count() == 3);
                });
            }
            for (int i = 0; i < 100; i++) db.put("a", std::to_string(i));
            for (auto& reader : readers) reader.join();
            CHECK(wrong == 0);
        }
        CHECK(*value == "new");
        CHECK_THROWS(bitcask::ClosedError, outliving->get("d"));
        CHECK_THROWS(bitcask::ClosedError, outliving->seq());
        CHECK_THROWS(bitcask::ClosedError, outliving->all());
    }
    CHECK_THROWS(bitcask::ClosedError, Store().snapshot());
}

// A record's bytes are lent from the file, and live until the iterator's next step: whatever is written, also when the store is closed.
void records_live_until_the_next_step() {
    Dir dir;
    for (const auto io : {bitcask::IoKind::mmap, bitcask::IoKind::file}) {
        std::filesystem::remove_all(dir.path / "store");
        Store db(dir.path / "store", Options().io(io).max_file_size(4096));
        const std::string long_value(3000, 'v');
        for (int i = 0; i < 100; i++) db.put("k" + std::to_string(i), long_value);
        std::optional<bitcask::Iterator> records = db.all();
        const auto record = records->next();
        for (int i = 0; i < 100; i++) db.put("k" + std::to_string(i), "changed");
        CHECK(record->key == "k0" && record->value == long_value);
        bitcask::Iterator moved = *std::move(records);
        records.reset();
        db.close();
        CHECK(record->key == "k0" && record->value == long_value);
    }
}

void batch_extras() {
    Dir dir;
    Store db(dir.path / "store");
    for (const auto* key : {"a", "b", "b1", "b2", "c", "d"}) db.put(key, "old");
    auto batch = db.batch();
    batch.put("b15", "dropped").erase_range("b1", "c").put("b2", "kept").erase_prefix("d");
    CHECK(!batch.get("b1") && !batch.get("b15") && *batch.get("b2") == "kept" && *batch.get("a") == "old" && !batch.get("d"));
    CHECK(collect(batch.all()) == Map{{"a", "old"}, {"b", "old"}, {"b2", "kept"}, {"c", "old"}});
    CHECK(collect(batch.prefix("b")) == Map{{"b", "old"}, {"b2", "kept"}} && collect(batch.range(IterOptions().start("c"))) == Map{{"c", "old"}});
    const auto before = batch.savepoint();
    const auto size = batch.size();
    const auto bytes = batch.byte_size();
    CHECK(size == 1 && bytes == 6);
    batch.erase_range("").put("z", "1234567");
    CHECK(collect(batch.all()) == Map{{"z", "1234567"}} && batch.byte_size() == 8);
    const auto later = batch.savepoint();
    batch.rollback_to(before);
    CHECK(batch.size() == size && batch.byte_size() == bytes && *batch.get("a") == "old");
    CHECK_THROWS(bitcask::InvalidArgumentError, batch.rollback_to(later));
    CHECK_THROWS(bitcask::InvalidArgumentError, batch.release(bitcask::Savepoint{12345}));
    batch.put("e", "1");
    batch.release(before);
    CHECK_THROWS(bitcask::InvalidArgumentError, batch.rollback_to(before));
    // An end that is empty is before every key; none is behind them all.
    batch.erase_range("a", bitcask::Bytes()).erase_range("", "");
    CHECK(batch.get("a").has_value() && collect(db.all()).size() == 6);
    batch.commit();
    CHECK(collect(db.all()) == Map{{"a", "old"}, {"b", "old"}, {"b2", "kept"}, {"c", "old"}, {"e", "1"}});
    CHECK_THROWS(bitcask::BatchFinishedError, batch.get("a"));
    CHECK_THROWS(bitcask::BatchFinishedError, batch.all());
    CHECK_THROWS(bitcask::BatchFinishedError, batch.erase_range("a", "b"));
    CHECK_THROWS(bitcask::BatchFinishedError, batch.erase_prefix("a"));
    CHECK_THROWS(bitcask::BatchFinishedError, batch.savepoint());
    auto open_end = db.batch();
    open_end.erase_range("c", std::nullopt).commit();
    CHECK(collect(db.all()) == Map{{"a", "old"}, {"b", "old"}, {"b2", "kept"}});
    auto all = db.batch();
    all.erase_prefix("").commit();
    CHECK(db.empty());
}

void transactions() {
    Dir dir;
    Store db(dir.path / "store");
    db.put("a", "1");
    db.put("b", "2");

    auto transaction = db.transaction();
    const std::uint64_t seq = db.last_seq();
    db.put("c", "later");
    CHECK(transaction.seq() == seq && !transaction.get("c") && !transaction.contains("c"));
    transaction.put("x", "1").erase("b").put("x", "2");
    CHECK(*transaction.get("x") == "2" && !transaction.contains("b") && *transaction.get("a") == "1" && transaction.size() == 2);
    const auto savepoint = transaction.savepoint();
    transaction.erase_range("a", "b").erase_prefix("x");
    CHECK(collect(transaction.all()).empty());
    transaction.rollback_to(savepoint);
    transaction.release(savepoint);
    CHECK(collect(transaction.prefix("x")) == Map{{"x", "2"}} && !db.contains("x"));
    // "c" was read, as not there, at the transaction's beginning; it has come since.
    CHECK_THROWS(bitcask::ConflictError, transaction.commit());
    CHECK_THROWS(bitcask::TransactionFinishedError, transaction.commit());
    CHECK_THROWS(bitcask::TransactionFinishedError, transaction.get("a"));
    CHECK_THROWS(bitcask::TransactionFinishedError, transaction.rollback());
    CHECK(collect(db.all()) == Map{{"a", "1"}, {"b", "2"}, {"c", "later"}});

    // A key that was written only is not read; get_for_update makes it one that is.
    auto blind = db.transaction(), careful = db.transaction();
    blind.put("a", "blind");
    careful.put("a", "careful");
    CHECK(*careful.get("a") == "careful" && *careful.get_for_update("a") == "careful");
    db.put("a", "meanwhile");
    CHECK(blind.commit(bitcask::Write::sync) == db.last_seq() && db.durable_seq() == db.last_seq());
    CHECK(*db.get("a") == "blind");
    CHECK(is(careful.try_commit(), Status::conflict));

    // What is not committed is rolled back: by an exception, by the end of a block, by assignment.
    try {
        auto thrown = db.transaction();
        thrown.put("a", "thrown");
        throw 1;
    } catch (int) {
    }
    { db.transaction().put("a", "dropped"); }
    auto kept = db.transaction();
    kept.put("a", "overwritten");
    kept = db.transaction();
    kept.put("d", "1");
    bitcask::Transaction moved(std::move(kept));
    CHECK_THROWS(bitcask::InvalidArgumentError, kept.put("e", "1")); // NOLINT: what is left is documented
    moved.commit();
    auto over = db.transaction();
    over.put("a", "over");
    over.rollback();
    CHECK_THROWS(bitcask::TransactionFinishedError, over.put("a", "1"));
    CHECK(over.size() == 0);
    CHECK(*db.get("a") == "blind" && *db.get("d") == "1");

    // Money that goes back and forth: nothing is lost, whoever retries.
    db.put("left", "100");
    db.put("right", "100");
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; t++) {
        threads.emplace_back([&db, t] {
            for (int i = 0; i < 20;) {
                auto move = db.transaction();
                const auto *from = (i + t) % 2 ? "left" : "right", *to = (i + t) % 2 ? "right" : "left";
                const int a = std::stoi(move.get(from)->str()), b = std::stoi(move.get(to)->str());
                move.put(from, std::to_string(a - 1)).put(to, std::to_string(b + 1));
                i += move.try_commit().has_value();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(std::stoi(db.get("left")->str()) + std::stoi(db.get("right")->str()) == 200);

    auto outliving = db.transaction();
    outliving.put("z", "1");
    db.close();
    CHECK_THROWS(bitcask::ClosedError, outliving.commit());
    CHECK_THROWS(bitcask::ClosedError, outliving.get("a"));
    CHECK_THROWS(bitcask::ClosedError, db.transaction());
}

void changes_of_one_key() {
    Dir dir;
    Store db(dir.path / "store");
    CHECK(db.compare_and_swap("k", std::nullopt, "1") && !db.compare_and_swap("k", std::nullopt, "2"));
    CHECK(!db.compare_and_swap("k", "0", "2") && *db.get("k") == "1");
    CHECK(db.compare_and_swap("k", "1", "2", bitcask::Write::sync) && *db.get("k") == "2");
    CHECK(db.compare_and_swap("k", *db.get("k"), "") && db.compare_and_swap("k", "", std::nullopt) && !db.contains("k"));
    CHECK(!db.compare_and_swap("k", "", "1")); // empty is not "not there"
    CHECK(db.compare_and_swap("k", std::nullopt, std::nullopt));
    CHECK(db.put_if_absent("k", "v") && !db.put_if_absent("k", "w") && *db.get("k") == "v");
    CHECK(db.fetch_add("n", 5) == 0 && db.fetch_add("n", -7) == 5 && db.fetch_add("n", 0, bitcask::Write::sync) == -2);
    CHECK(*db.get("n") == "\xfe\xff\xff\xff\xff\xff\xff\xff");
    CHECK_THROWS(bitcask::InvalidArgumentError, db.fetch_add("k", 1));
    CHECK_THROWS(bitcask::InvalidArgumentError, db.fetch_add("n", std::numeric_limits<std::int64_t>::min()));
    CHECK_THROWS(bitcask::KeyEmptyError, db.compare_and_swap("", "a", "b"));
    CHECK_THROWS(bitcask::KeyEmptyError, db.put_if_absent("", "a"));

    using Before = std::optional<std::string_view>;
    CHECK(db.update("u", [](Before before) { return before ? "again" : "first"; }) == "first");
    CHECK(db.update("u", [](Before before) { return std::string(*before) + "!"; }) == "first!");
    CHECK(db.update("u", [](Before) { return std::nullopt; }) == std::nullopt && !db.contains("u"));
    CHECK(db.update("u", [](Before) -> std::optional<std::string> { return std::nullopt; }) == std::nullopt);
    CHECK_THROWS(bitcask::KeyEmptyError, db.update("", [](Before) { return ""; }));
    // Another writer comes between: it is called again, with what is there by then.
    int calls = 0;
    const auto meanwhile = [&](Before before) {
        if (calls++ < 3) db.put("u", std::to_string(calls));
        return std::string(before.value_or("none")) + ".";
    };
    CHECK(db.update("u", meanwhile) == "3." && calls == 4 && *db.get("u") == "3.");
    try {
        db.update("u", [](Before) -> std::string { throw std::out_of_range("mine"); });
        CHECK(false);
    } catch (const std::out_of_range& error) {
        CHECK(error.what() == "mine"s && *db.get("u") == "3.");
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&db] {
            for (int i = 0; i < 50; i++) {
                db.update("sum", [](Before before) { return std::to_string((before ? std::stoi(std::string(*before)) : 0) + 1); });
                db.fetch_add("count", 1);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(*db.get("sum") == "200" && db.fetch_add("count", 0) == 200);
    CHECK_THROWS(bitcask::ClosedError, Store().put_if_absent("k", "v"));
    CHECK_THROWS(bitcask::ClosedError, Store().update("k", [](Before) { return "v"; }));
}

void bulk_loads() {
    Dir dir;
    Store db(dir.path / "store", Options().durability(bitcask::Durability::none));
    db.put("k00005", "old");
    auto load = db.bulk_loader();
    char key[16];
    for (int i = 0; i < 3000; i++) {
        std::snprintf(key, sizeof key, "k%05d", i);
        load.put(key, std::to_string(i));
    }
    load.put("k00007", "twice").put("a", "");
    CHECK(db.size() == 1 && *db.get("k00005") == "old");
    CHECK_THROWS(bitcask::KeyEmptyError, load.put("", "v"));
    load.finish();
    CHECK(db.size() == 3001 && *db.get("k00005") == "5" && *db.get("k00007") == "twice" && db.get("a")->empty());
    CHECK_THROWS(bitcask::BatchFinishedError, load.finish());
    CHECK_THROWS(bitcask::BatchFinishedError, load.put("b", "1"));

    auto abandoned = db.bulk_loader();
    abandoned.put("abandoned", "1");
    bitcask::BulkLoader moved(std::move(abandoned));
    CHECK_THROWS(bitcask::InvalidArgumentError, abandoned.put("b", "1")); // NOLINT: what is left is documented
    moved = db.bulk_loader(bitcask::BulkOptions().sync());
    moved.put("synced", "1").finish();
    CHECK(!db.contains("abandoned") && db.durable_seq() == db.last_seq());

    auto pieces = db.bulk_loader(bitcask::BulkOptions().atomic(false));
    const std::string megabyte(1 << 20, 'x');
    for (int i = 0; i < 4; i++) pieces.put("piece" + std::to_string(i), megabyte);
    CHECK(db.contains("piece0")); // visible as it goes
    pieces.finish();
    CHECK(*db.get("piece3") == megabyte);
    auto atomic = db.bulk_loader(bitcask::BulkOptions().atomic(false).sync().atomic(true).sync(false));
    for (int i = 0; i < 4; i++) atomic.put("whole" + std::to_string(i), megabyte);
    CHECK(!db.contains("whole0"));
    db.close();
    CHECK_THROWS(bitcask::ClosedError, atomic.put("b", "1"));
    CHECK_THROWS(bitcask::ClosedError, atomic.finish());
    CHECK_THROWS(bitcask::ClosedError, db.bulk_loader());
    Store reader(dir.path / "store", Options().read_only(true));
    CHECK(!reader.contains("whole0"));
    CHECK_THROWS(bitcask::ReadOnlyError, reader.bulk_loader());
}

void progress_of_an_opening() {
    Dir dir;
    const auto path = dir.path / "store";
    {
        Store db(path);
        for (int i = 0; i < 1000; i++) db.put("k" + std::to_string(i), std::to_string(i));
    }
    std::vector<bitcask::OpenProgress> told;
    auto options = Options().index(bitcask::Index::hash).progress([&](const bitcask::OpenProgress& progress) { told.push_back(progress); });
    CHECK(Store(path, options).size() == 1000);
    CHECK(!told.empty() && told.back().phase == bitcask::OpenPhase::finish && told.back().bytes_done == told.back().bytes_total);
    CHECK(told.back().bytes_total > 0 && told.front().bytes_done <= told.back().bytes_done && told.front().records <= told.back().records);
    const auto calls = told.size();
    const auto copy = options; // options are values
    CHECK(Store(path, copy).size() == 1000 && told.size() == 2 * calls);

    options.progress([](const bitcask::OpenProgress&) { return false; });
    CHECK_THROWS(bitcask::CancelledError, Store(path, options));
    CHECK(is(Store::try_open(path, options), Status::cancelled));
    int left = 1;
    options.progress([&left, own = std::string("a copy of its own")](bitcask::OpenProgress) { return left-- > 0; });
    CHECK_THROWS(bitcask::CancelledError, Store(path, options));

    // What it throws comes out of the call that opens, and the store is unlocked.
    options.progress([](const bitcask::OpenProgress&) { throw std::out_of_range("enough"); });
    for (int i = 0; i < 2; i++) {
        try {
            if (i == 0) Store(path, options);
            else static_cast<void>(Store::try_open(path, options));
            CHECK(false);
        } catch (const std::out_of_range& error) {
            CHECK(error.what() == "enough"s);
        }
    }
    options.progress([](const bitcask::OpenProgress&) { return true; });
    CHECK(Store(path, options).size() == 1000);
}

void saving_the_index() {
    Dir dir;
    for (const bool beside : {true, false}) {
        const auto path = dir.path / (beside ? "beside" : "at close");
        bool saved = false;
        {
            Store db(path, Options().index(bitcask::Index::btree).max_file_size(4096).checkpoint_bytes(beside ? 1 : 0));
            // After 4000 writes with pauses: what saves it is a thread, which may have to wait for its turn.
            for (int i = 0; i < (beside ? 10000 : 4000) && !saved; i++) {
                db.put("k" + std::to_string(i), "a value of some length");
                if (i >= 4000) std::this_thread::sleep_for(std::chrono::milliseconds(10));
                saved = std::filesystem::exists(path / "index.checkpoint");
            }
        }
        CHECK(saved == beside && std::filesystem::exists(path / "index.checkpoint"));
    }
}

void refreshing() {
    Dir dir;
    const auto path = dir.path / "store";
    Store db(path);
    db.put("a", "1");
    Store reader(path, Options().read_only(true));
    auto before = reader.all();
    db.put("a", "2");
    db.put("b", "1");
    CHECK(*reader.get("a") == "1" && !reader.contains("b"));
    const bitcask::Refreshed refreshed = reader.refresh();
    CHECK(refreshed.changed() && refreshed.records == 2 && !refreshed.reloaded && refreshed.last_seq == db.last_seq());
    CHECK(*reader.get("a") == "2" && reader.contains("b") && reader.last_seq() == db.last_seq());
    CHECK(!reader.refresh().changed() && reader.refresh().last_seq == db.last_seq() && !db.refresh().changed());
    db.put("a", "3");
    CHECK(!db.merge(bitcask::MergeOptions().everything()).removed_files.empty() && reader.refresh().reloaded);
    CHECK(before.next()->value == "1" && !before.next());
    reader.close();
    CHECK_THROWS(bitcask::ClosedError, reader.refresh());
}

void folds() {
    Dir dir;
    Store db(dir.path / "store");
    CHECK(db.empty() && db.list_keys().empty() && db.fold(7, [](int n, auto, auto) { return n + 1; }) == 7);
    for (int i = 0; i < 2000; i++) db.put(std::to_string(10000 + i), std::to_string(i));
    const auto before = db.snapshot();
    db.erase("10001");
    const auto digits = [](std::size_t sum, std::string_view, std::string_view value) { return sum + value.size(); };
    CHECK(before.fold(std::size_t{0}, digits) == db.fold(std::size_t{0}, digits) + 1 && !db.empty());
    const auto join = [](std::string all, std::string_view key) { return all + std::string(key) + " "; };
    CHECK(db.fold_keys(""s, join, IterOptions().end("10002")) == "10000 10002 ");
    CHECK(db.list_keys().size() == 1999 && db.list_keys().front() == "10000" && before.list_keys()[1] == "10001");
    db.close();
    CHECK_THROWS(bitcask::ClosedError, db.list_keys());
    CHECK_THROWS(bitcask::ClosedError, db.fold_keys(""s, join));
    CHECK_THROWS(bitcask::ClosedError, db.empty());
}

// Whether a key is left so long, give or take a minute: time goes on, and a transaction counts from its beginning.
bool is_left(const std::optional<bitcask::Ttl>& ttl, std::chrono::milliseconds want) {
    return ttl && ttl->left && *ttl->left - want < 1min && want - *ttl->left < 1min;
}

void expiry() {
    Dir dir;
    Store db(dir.path / "store");
    db.put_with_ttl("a", "1", 1h);
    CHECK(*db.get("a") == "1" && is_left(db.ttl("a"), 1h) && !db.ttl("none"));
    CHECK(db.expire("a", 90min, bitcask::Write::sync) && is_left(db.ttl("a"), 90min) && !db.expire("none", 1h));
    CHECK(db.persist("a") && !db.persist("a") && db.ttl("a") && !db.ttl("a")->expires());
    // Any duration: parts of a millisecond count as one, none and what is over are deletes, what is too long is for ever.
    db.put_with_ttl("b", "1", std::chrono::nanoseconds(1));
    while (db.contains("b")) std::this_thread::yield();
    const auto expired = db.file_stats();
    CHECK(expired.size() == 1 && expired[0].expired_records == 1 && expired[0].expired_bytes > 2 && expired[0].expired_bytes < expired[0].live_bytes);
    CHECK(db.recount()[0].expired_bytes == expired[0].expired_bytes);
    CHECK(db.size() == 2 && db.sweep_expired() == 1 && db.file_stats()[0].expired_records == 0 && db.size() == 1 && db.sweep_expired() == 0);
    db.put("b", "2");
    db.put_with_ttl("b", "3", 0s);
    CHECK(!db.contains("b"));
    db.put_with_ttl("b", "3", std::chrono::hours::max());
    CHECK(*db.get("b") == "3" && *db.ttl("b")->left == std::chrono::milliseconds::max());
    CHECK(db.expire("b", -1s) && !db.contains("b"));
    CHECK(db.put_if_absent_with_ttl("lock", "me", 1h) && !db.put_if_absent_with_ttl("lock", "you", 2h) && is_left(db.ttl("lock"), 1h));
    CHECK(db.put_with_ttl("swap", "1", 1h) == db.last_seq() && db.update("swap", [](auto) { return "2"; }) == "2" && is_left(db.ttl("swap"), 1h));
    CHECK(db.compare_and_swap("swap", "2", "3", bitcask::Write::keep_expiry | bitcask::Write::sync) && is_left(db.ttl("swap"), 1h));
    CHECK(!db.compare_and_swap_with_ttl("swap", "2", "4", 2h) && db.compare_and_swap_with_ttl("swap", "3", "4", 2h) && is_left(db.ttl("swap"), 2h));
    CHECK(db.compare_and_swap("swap", "4", std::nullopt) && db.fetch_add_with_ttl("count", 2, 1h) == 0 && is_left(db.ttl("count"), 1h));
    CHECK_THROWS(bitcask::InvalidArgumentError, db.put("swap", "5", bitcask::Write::keep_expiry));
    db.erase("count");
    CHECK(db.put_with_ttl_async("c", "1", 1h).get() == db.last_seq() && is_left(db.ttl("c"), 1h));
    std::promise<bool> told;
    db.put_with_ttl_async("c", "2", 2h, [&](const bitcask::Result<std::uint64_t>& outcome) { told.set_value(outcome.has_value()); });
    CHECK(told.get_future().get() && *db.get("c") == "2" && is_left(db.ttl("c"), 2h));

    auto batch = db.batch();
    batch.put_with_ttl("d", "1", 1h).put("e", "1");
    CHECK(batch.expire("e", 2h) && batch.persist("c") && !batch.expire("none", 1h) && is_left(batch.ttl("e"), 2h) && !batch.ttl("none"));
    batch.commit();
    CHECK(is_left(db.ttl("d"), 1h) && is_left(db.ttl("e"), 2h) && !db.ttl("c")->expires());
    auto transaction = db.transaction();
    transaction.put_with_ttl("f", "1", 1h);
    CHECK(transaction.expire("c", 1h) && transaction.persist("d") && is_left(transaction.ttl("f"), 1h));
    transaction.commit();
    CHECK(is_left(db.ttl("c"), 1h) && !db.ttl("d")->expires() && is_left(db.ttl("f"), 1h));
    auto load = db.bulk_loader();
    CHECK_THROWS(bitcask::InvalidArgumentError, load.put_with_ttl("g", "1", 0s));
    load.put_with_ttl("g", "1", 1h).finish();
    CHECK(is_left(db.ttl("g"), 1h));
    db.close();
    CHECK_THROWS(bitcask::ClosedError, db.ttl("a"));
    CHECK_THROWS(bitcask::ClosedError, db.sweep_expired());
    CHECK_THROWS(bitcask::ClosedError, db.put_with_ttl_async("c", "1", 1h).get());

    Store by_age(dir.path / "store", Options().expiry(1h));
    CHECK(is_left(by_age.ttl("a"), 1h));
    by_age.close();
    Store gone(dir.path / "store", Options().expiry(1us));
    while (gone.contains("a")) std::this_thread::yield();
    CHECK(gone.contains("c"));
}

// Nearly every file is worth a merge, in files of 8 KiB. Nothing merges by itself.
Options eager() {
    return Options()
        .max_file_size(8192)
        .durability(bitcask::Durability::none)
        .background_merge(false)
        .merge(bitcask::MergePolicy().frag_merge_trigger(30).frag_threshold(10).small_file_threshold(0));
}

// Overwrites every key once and deletes every fifth.
void make_half_dead(Store& db) {
    for (const char* round : {"first", "second"}) {
        for (int i = 100; i < 300; i++) db.put(std::to_string(i), std::string(100, '.') + round);
    }
    for (int i = 100; i < 300; i += 5) db.erase(std::to_string(i));
}

void merges() {
    Dir dir;
    Store db(dir.path / "store", eager());
    CHECK(!db.needs_merge() && !db.merge_needed());
    make_half_dead(db);
    const Map pairs = collect(db.all());
    const auto sum = [](const std::vector<bitcask::FileStats>& files, std::uint64_t bitcask::FileStats::* figure) {
        std::uint64_t total = 0;
        for (const auto& file : files) total += file.*figure;
        return total;
    };
    const auto before = db.file_stats();
    CHECK(before.size() > 3 && before.front().id == 1 && before.back().active && !before.front().active && !before.front().merged && !before.front().damaged);
    CHECK(before.back().bytes > 0 && before.back().min_seq > before.front().max_seq && before.front().min_seq == 1);
    const auto age = std::chrono::system_clock::now() - before.front().created;
    CHECK(age > -24h && age < 24h);
    CHECK(sum(before, &bitcask::FileStats::live_records) == 160 && sum(before, &bitcask::FileStats::dead_records) == 240);
    CHECK(sum(before, &bitcask::FileStats::tombstones) == 40 && sum(before, &bitcask::FileStats::tombstone_bytes) > 40 * 3);
    const auto counted = db.recount();
    CHECK(sum(counted, &bitcask::FileStats::live_bytes) == sum(before, &bitcask::FileStats::live_bytes));
    CHECK(sum(counted, &bitcask::FileStats::dead_bytes) == sum(before, &bitcask::FileStats::dead_bytes));

    const auto need = db.merge_needed();
    CHECK(db.needs_merge() && need && need->files.size() > 1 && need->reclaimable_bytes > 0 && need->in_window);
    CHECK(need->reason.find("data file") != std::string::npos);
    bitcask::MergeProgress last;
    const auto report = db.merge(bitcask::MergeOptions().progress([&](const bitcask::MergeProgress& at) { last = at; }));
    CHECK(report.removed_files == need->files && !report.created_files.empty() && report.skipped_files.empty());
    CHECK(report.removed_bytes > report.created_bytes && report.created_bytes > 0 && report.dropped_records > 0);
    CHECK(report.copied_records == report.installed_records && report.bytes_read > report.removed_bytes && report.bytes_written > 0);
    CHECK(last.bytes_total == report.removed_bytes && last.bytes_read > 0 && last.bytes_written > 0);
    CHECK(!db.needs_merge() && collect(db.all()) == pairs);
    CHECK(!db.merge(bitcask::MergeOptions().everything().bytes_per_second(1 << 30)).removed_files.empty());
    CHECK(sum(db.file_stats(), &bitcask::FileStats::dead_records) == 0 && collect(db.all()) == pairs);
    CHECK_THROWS(bitcask::InvalidArgumentError, db.merge(bitcask::MergeOptions().files({1})));
    CHECK(db.merge(bitcask::MergeOptions().files({})).removed_files.empty());

    db.close();
    CHECK_THROWS(bitcask::ClosedError, db.merge());
    CHECK_THROWS(bitcask::ClosedError, db.merge_needed());
    CHECK_THROWS(bitcask::ClosedError, db.needs_merge());
    CHECK_THROWS(bitcask::ClosedError, db.pause_merge());
    CHECK_THROWS(bitcask::ClosedError, db.resume_merge());
    CHECK_THROWS(bitcask::ClosedError, db.file_stats());
    CHECK_THROWS(bitcask::ClosedError, db.recount());
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "other", Options().merge(bitcask::MergePolicy().window(0, 24))));
    // Nothing is worth it by this policy; by that one all is, and not now.
    const auto policy = bitcask::MergePolicy().frag_merge_trigger(101).frag_threshold(101).small_file_threshold(0);
    Store none(dir.path / "none", eager().merge(policy));
    make_half_dead(none);
    CHECK(!none.needs_merge());
    none.close();
    const auto hour = static_cast<int>(std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now().time_since_epoch()).count() % 24);
    auto all = policy;
    all.dead_bytes_merge_trigger(4096).dead_bytes_threshold(4096).window((hour + 6) % 24, (hour + 8) % 24);
    Store later(dir.path / "none", Options().merge(all));
    CHECK(later.merge_needed() && !later.merge_needed()->in_window);
}

void merges_in_the_background() {
    Dir dir;
    const auto policy = bitcask::MergePolicy().frag_merge_trigger(30).frag_threshold(10).bytes_per_second(1 << 30);
    Store db(dir.path / "store", eager().background_merge(true).merge(policy));
    CHECK(!db.last_background_merge() && db.stats().background_merges == 0);
    make_half_dead(db);
    while (db.stats().background_merges == 0) std::this_thread::yield();
    const auto last = db.last_background_merge();
    const auto age = std::chrono::system_clock::now() - last->ended;
    CHECK(last->outcome && !last->outcome->removed_files.empty() && age > -1h && age < 1h && db.stats().background_merge_failures == 0);
    CHECK(db.size() == 160 && *db.get("101") == std::string(100, '.') + "second" && !db.contains("100"));
    db.close();
    CHECK_THROWS(bitcask::ClosedError, db.last_background_merge());
}

void merges_held_up_and_stopped() {
    Dir dir;
    Store db(dir.path / "store", eager());
    make_half_dead(db);
    const Map pairs = collect(db.all());
    CHECK_THROWS(bitcask::CancelledError, db.merge(bitcask::MergeOptions().progress([](const bitcask::MergeProgress&) { return false; })));
    bool thrown = false;
    try {
        db.merge(bitcask::MergeOptions().progress([](const bitcask::MergeProgress&) { throw std::out_of_range("mine"); }));
    } catch (const std::out_of_range& error) {
        thrown = error.what() == "mine"s;
    }
    CHECK(thrown && collect(db.all()) == pairs && db.needs_merge());
    // In the callback: all but what would wait for the merge. Closing there lets go of the store, which closes when the merge is over.
    std::atomic<int> calls{0};
    db.pause_merge();
    std::thread merging([&] {
        const auto outcome = db.try_merge(bitcask::MergeOptions().everything().progress([&](const bitcask::MergeProgress& at) {
            if (calls == 0 && (at.bytes_read != 0 || !is(db.try_merge(), Status::invalid_argument) || !db.try_put("beside", "1"))) return false;
            calls++;
            return true;
        }));
        if (!outcome || outcome->removed_files.empty()) calls = -1000;
    });
    while (calls >= 0 && calls < 3) std::this_thread::yield();
    db.put("101", "newer");
    db.resume_merge();
    merging.join();
    CHECK(calls >= 3 && *db.get("101") == "newer" && *db.get("beside") == "1" && *db.get("102") == pairs.at("102"));

    // A close ends it.
    calls = 0;
    db.pause_merge();
    bool closed = false;
    std::thread ended([&] {
        closed = is(db.try_merge(bitcask::MergeOptions().everything().progress([&](const bitcask::MergeProgress&) { calls++; })), Status::closed);
    });
    while (calls == 0) std::this_thread::yield();
    db.close();
    ended.join();
    CHECK(closed);
}

void forked() {
    Dir dir;
    // No background thread: a child has its memory and not the thread, which valgrind calls a leak.
    Store db(dir.path / "store", Options().durability(bitcask::Durability::none));
    db.put("k", "v");
    const auto snapshot = db.snapshot();
    auto transaction = db.transaction();
    auto load = db.bulk_loader();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        bool good = is(snapshot.try_get("k"), Status::forked) && is(transaction.try_get("k"), Status::forked);
        good = good && is(load.try_put("k", "v"), Status::forked) && is(db.try_snapshot(), Status::forked);
        good = good && is(db.try_transaction(), Status::forked) && is(db.try_bulk_loader(), Status::forked);
        good = good && is(db.try_last_seq(), Status::forked) && is(db.try_wait_durable(1), Status::forked);
        good = good && is(db.try_put_async("k", "v").get(), Status::forked) && is(db.try_refresh(), Status::forked);
        good = good && is(db.try_fetch_add("n", 1), Status::forked) && is(db.try_merge(), Status::forked);
        { const auto a = std::move(transaction); }
        { const auto b = std::move(load); }
        _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    transaction.put("k2", "1").commit();
    load.put("k3", "1").finish();
    CHECK(db.size() == 3 && snapshot.size() == 1);
}

} // namespace

int main() {
    numbers();
    queued_by_callback();
    queued_by_future();
    snapshots();
    records_live_until_the_next_step();
    batch_extras();
    transactions();
    changes_of_one_key();
    bulk_loads();
    progress_of_an_opening();
    saving_the_index();
    refreshing();
    folds();
    expiry();
    merges();
    merges_in_the_background();
    merges_held_up_and_stopped();
    forked();
    return report();
}
