// What the conformance cases can't say, because it is C++: ownership, moves, conversions, exceptions, lifetimes, loops, threads, fork.
#include <bitcask.hpp>

#include "check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#if __cplusplus >= 202002L
#include <ranges>
#endif
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <typeinfo>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::string_literals;
using namespace std::string_view_literals;
using bitcask::IterOptions;
using bitcask::Options;
using bitcask::Status;
using bitcask::Store;

static_assert(!std::is_copy_constructible_v<Store> && std::is_nothrow_move_constructible_v<Store> && std::is_nothrow_move_assignable_v<Store>);
static_assert(!std::is_copy_constructible_v<bitcask::Batch> && std::is_nothrow_move_constructible_v<bitcask::Batch>);
static_assert(!std::is_copy_constructible_v<bitcask::Iterator> && std::is_nothrow_move_constructible_v<bitcask::Iterator>);
static_assert(!std::is_copy_constructible_v<bitcask::Value> && std::is_nothrow_move_constructible_v<bitcask::Value>);
static_assert(!std::is_copy_constructible_v<bitcask::Values> && std::is_nothrow_move_constructible_v<bitcask::Values>);
static_assert(!std::is_copy_constructible_v<bitcask::OwnedRecord> && std::is_nothrow_move_constructible_v<bitcask::OwnedRecord>);
static_assert(std::is_nothrow_destructible_v<Store> && std::is_nothrow_copy_constructible_v<bitcask::Error>);
static_assert(std::is_copy_constructible_v<Options> && std::is_copy_constructible_v<IterOptions>);
static_assert(!std::is_constructible_v<bitcask::Bytes, std::nullptr_t> && !std::is_constructible_v<bitcask::Bytes, int>);
static_assert(!std::is_constructible_v<bitcask::Bytes, std::vector<int>>);
static_assert(std::is_base_of_v<std::runtime_error, bitcask::Error>);
// A view of a value that is gone at the end of the line.
static_assert(!std::is_convertible_v<bitcask::Value, std::string_view> && std::is_convertible_v<bitcask::Value&, std::string_view>);
#if __cplusplus >= 202002L
static_assert(std::input_iterator<bitcask::Iterator::iterator>);
static_assert(std::ranges::input_range<bitcask::Iterator>);
static_assert(std::ranges::forward_range<bitcask::Values>);
#endif

namespace {

using Map = std::map<std::string, std::string>;

Map collect(bitcask::Iterator records) {
    Map map;
    for (const auto& [key, value] : records) map.emplace(key, value);
    return map;
}

void simple_use() {
    Dir dir;
    Store db(dir.path / "store");
    db.put("user:1", "Ada");
    db.put("user:2", "Grace");
    db.put("other", "x", bitcask::Write::sync);
    CHECK(db.get("user:1")->view() == "Ada");
    CHECK(*db.get("user:2") == "Grace");
    CHECK(!db.get("user:3"));
    CHECK(db.contains("other") && !db.contains("others"));
    CHECK(db.size() == 3 && !db.empty() && db.stats().keys == 3 && db.stats().last_seq >= 3);
    CHECK(db.erase("other") && !db.erase("other"));
    CHECK(collect(db.all()) == Map{{"user:1", "Ada"}, {"user:2", "Grace"}});
    db.sync();
    db.close();
    CHECK(!db.is_open() && !db);
    Store again = Store::open(dir.path / "store", Options().create_if_missing(false).index(bitcask::Index::hash));
    CHECK(again && again.size() == 2);
    CHECK(bitcask::version() == "0.1.0"sv || std::strlen(bitcask::version()) >= 5);
}

void what_can_be_handed_in() {
    Dir dir;
    Store db(dir.path / "store");
    const std::vector<unsigned char> bytes = {0, 1, 0, 255};
    const std::array<std::byte, 2> array = {std::byte{7}, std::byte{0}};
    const unsigned char raw[] = {9, 0, 9};
    const char* pointer = "pointer";
    const std::vector<char> chars = {'c', '\0', 'd'};
    const std::array<char, 2> two = {'\0', 'e'};
    db.put(chars, two); // a container of char has its size, and ends at no zero
    CHECK(*db.get("c\0d"sv) == "\0e"sv && *db.get(chars) == "\0e"sv);
    db.put("literal", "a\0b"); // a literal ends at its first zero
    db.put("literal view"sv, "a\0b"sv);
    db.put("string"s, "a\0b"s);
    db.put(pointer, bytes);
    db.put(bytes, array);
    db.put(array, bitcask::Bytes(raw, sizeof raw));
    db.put(raw, bitcask::Bytes());
    CHECK(db.get("literal")->size() == 1);
    CHECK(db.get("literal view")->size() == 3 && db.get("string")->size() == 3);
    CHECK(*db.get("pointer") == "\0\1\0\xff"sv);
    CHECK(*db.get(bytes) == "\7\0"sv && *db.get(array) == "\11\0\11"sv);
    CHECK(db.get(raw)->empty() && db.get(raw)->data() != nullptr);
    db.put("copy", *db.get("string")->view().data() == 'a' ? "yes" : "no");
    auto value = db.get("string");
    db.put("from a value", *value);
    CHECK(*db.get("from a value") == *value);
#if BITCASK_HAS_SPAN
    const std::span<const std::byte> span = std::as_bytes(std::span(bytes));
    db.put(span, span);
    db.put(std::span(chars), "span of char");
    CHECK(*db.get(chars) == "span of char");
    CHECK(std::ranges::equal(db.get(span)->str(), std::string(4, '\0'), [](char a, char) { return a == '\0' || a == 1 || a == -1; }));
    CHECK(value->bytes().size() == 3);
    std::array<std::byte, 8> buffer{};
    CHECK(db.get_into("string", buffer) == 3 && buffer[0] == std::byte{'a'});
#endif
}

void get_into() {
    Dir dir;
    Store db(dir.path / "store");
    db.put("k", "12345");
    char buffer[8] = "_______";
    CHECK(db.get_into("k", buffer, 8) == 5U && std::string_view(buffer) == "12345__");
    CHECK(db.get_into("k", buffer, 4) == 5U);
    CHECK(db.get_into("k", nullptr, 0) == 5U);
    CHECK(db.get_into("l", buffer, 8) == std::nullopt);
    db.put("e", "");
    CHECK(db.get_into("e", nullptr, 0) == 0U);
}

void moving_a_store() {
    Dir dir;
    Store db(dir.path / "a");
    db.put("k", "a");
    Store moved(std::move(db));
    CHECK(moved && !db); // NOLINT: what is left is a closed store, as documented
    CHECK(*moved.get("k") == "a");
    CHECK_THROWS(bitcask::ClosedError, db.get("k"));
    CHECK_THROWS(bitcask::ClosedError, db.put("k", "v"));
    CHECK_THROWS(bitcask::ClosedError, db.all());
    CHECK_THROWS(bitcask::ClosedError, db.batch());
    CHECK_THROWS(bitcask::ClosedError, db.close());

    Store other(dir.path / "b");
    other = std::move(moved); // closes b
    CHECK(*other.get("k") == "a");
    Store b(dir.path / "b");
    CHECK(b.size() == 0);
    Store& self = other;
    other = std::move(self);
    CHECK(other && *other.get("k") == "a");

    Store none;
    CHECK(!none.is_open());
    CHECK_THROWS(bitcask::ClosedError, none.size());
    none = std::move(other);
    CHECK(none.size() == 1);

    std::vector<Store> stores;
    for (int i = 0; i < 20; i++) stores.emplace_back(dir.path / ("v" + std::to_string(i)));
    for (int i = 0; i < 20; i++) stores[static_cast<std::size_t>(i)].put("k", std::to_string(i));
    CHECK(*stores[13].get("k") == "13");
}

void moving_children() {
    Dir dir;
    Store db(dir.path / "store");
    for (int i = 0; i < 100; i++) db.put("k" + std::to_string(i), std::to_string(i));

    bitcask::Batch a = db.batch();
    a.put("x", "1").erase("k7");
    bitcask::Batch b(std::move(a));
    CHECK(b.size() == 2);
    CHECK_THROWS(bitcask::InvalidArgumentError, a.put("y", "1"));
    a = std::move(b);
    a.commit();
    CHECK(*db.get("x") == "1" && !db.get("k7"));

    bitcask::Iterator i = db.all();
    CHECK(i.next()->key == "k0");
    bitcask::Iterator j(std::move(i));
    CHECK(j.next()->key == "k1");
    CHECK_THROWS(bitcask::InvalidArgumentError, i.next());
    i = db.prefix("k9");
    i = std::move(j);
    CHECK(i.next()->key == "k10");

    bitcask::Value v = *db.get("k3");
    const char* data = v.data();
    bitcask::Value w(std::move(v));
    CHECK(w == "3" && w.data() == data && v.empty() && v == "");
    v = std::move(w);
    CHECK(v == "3" && w.empty());
    v = *db.get("k4");
    CHECK(v == "4" && v.str() == "4" && bitcask::Value().empty());
}

void children_outlive_the_store() {
    Dir dir;
    std::optional<bitcask::Value> value, empty;
    std::optional<bitcask::Batch> batch;
    std::optional<bitcask::Iterator> fresh, used;
    {
        Store db(dir.path / "store");
        for (int i = 0; i < 100; i++) db.put("k" + std::to_string(i), std::string(5000, static_cast<char>('0' + i % 10)));
        db.put("e", "");
        value = db.get("k42");
        empty = db.get("e");
        batch = db.batch();
        batch->put("new", "1");
        fresh = db.all();
        used = db.prefix("k");
        CHECK(used->next()->key == "k0");
        db.put("k42", "changed");
    } // closed by the destructor
    CHECK(*value == std::string(5000, '2') && empty->empty());
    CHECK_THROWS(bitcask::ClosedError, batch->commit());
    CHECK_THROWS(bitcask::ClosedError, batch->put("a", "b"));
    CHECK_THROWS(bitcask::ClosedError, fresh->next());
    CHECK_THROWS(bitcask::ClosedError, used->rewind());
    CHECK_THROWS(bitcask::ClosedError, used->seek("k"));
    CHECK_THROWS(bitcask::ClosedError, used->next());
    Store db(dir.path / "store");
    CHECK(!db.contains("new") && *db.get("k42") == "changed");
    batch.reset();
    fresh.reset();
    db.close();
    value.reset();
}

void closing() {
    Dir dir;
    Store db(dir.path / "store");
    db.close();
    CHECK_THROWS(bitcask::ClosedError, db.close());
    CHECK_THROWS(bitcask::ClosedError, db.sync());
    CHECK_THROWS(bitcask::ClosedError, db.stats());
    try {
        db.get("k");
    } catch (const bitcask::Error& error) {
        CHECK(error.status() == Status::closed && error.what() == "the store is closed"s);
    }
    // An object that is destroyed while an exception is under way.
    try {
        Store inner(dir.path / "store");
        inner.put("k", "v");
        throw 1;
    } catch (int) {
    }
    CHECK(Store(dir.path / "store").size() == 1);
}

void every_status_has_its_exception() {
    int statuses = 0;
    for (std::int32_t code = 10; code < 300; code++) {
        const char* name = bitcask_status_name(code);
        if (name == "UNKNOWN"s) continue;
        statuses++;
        bitcask::Failure failure;
        failure.status = static_cast<Status>(code);
        failure.message = name;
        bool special = false, right = false;
        try {
            bitcask::raise(failure);
        } catch (const bitcask::Error& error) {
            special = typeid(error) != typeid(bitcask::Error);
            right = static_cast<std::int32_t>(error.status()) == code && error.what() == std::string(name);
        }
        check(special && right, name, __FILE__, __LINE__);
    }
    CHECK(statuses == 26);
    CHECK(bitcask::name(Status::key_empty) == "KEY_EMPTY"s && bitcask::name(Status::ok) == "OK"s);
    CHECK(bitcask::name(static_cast<Status>(-1)) == "UNKNOWN"s);
    CHECK((std::is_base_of_v<bitcask::IoError, bitcask::DiskFullError>));
    CHECK((std::is_base_of_v<bitcask::InvalidArgumentError, bitcask::KeyEmptyError>));
    bitcask::Failure later;
    later.status = static_cast<Status>(12345);
    CHECK_THROWS(bitcask::Error, bitcask::raise(later));
}

void errors_tell_what_and_where() {
    Dir dir;
    const auto path = dir.path / "store";
    Store db(path, Options().max_file_size(1 << 20));
    try {
        Store second(path);
        CHECK(false);
    } catch (const bitcask::LockedError& error) {
        CHECK(error.status() == Status::locked && error.path().find("store") != std::string::npos && !error.offset());
        CHECK(std::strlen(error.what()) > 10 && error.os_error() == 0);
        const bitcask::Error copy = error; // NOLINT: the base is what is copied
        CHECK(copy.status() == Status::locked && copy.failure().message == error.what());
    }
    try {
        Store(dir.path / "no" / "such");
        CHECK(false);
    } catch (const bitcask::IoError& error) {
        CHECK(error.os_error() == ENOENT && !error.path().empty());
    }
    CHECK_THROWS(bitcask::NoStoreError, Store(dir.path / "none", Options().create_if_missing(false)));
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "none", Options().max_file_size(1)));
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "none", Options().index(static_cast<bitcask::Index>(77))));
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "none", Options().sync_interval(std::chrono::milliseconds(-5), 1)));
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(std::filesystem::path("a\0b"s)));
    CHECK(!std::filesystem::exists(dir.path / "none"));
    CHECK_THROWS(bitcask::KeyEmptyError, db.put("", "v"));
    CHECK_THROWS(bitcask::KeyTooLargeError, db.get(std::string(65536, 'k')));
    CHECK_THROWS(bitcask::ValueTooLargeError, db.put("k", bitcask::Bytes("", std::size_t{1} << 32)));

    const std::string marked = "0123456789abcdef0123456789abcdef";
    db.put("damaged", marked);
    std::fstream file(path / "1.data", std::ios::in | std::ios::out | std::ios::binary);
    std::string contents((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    file.clear();
    file.seekp(static_cast<std::streamoff>(contents.find(marked)));
    file.put('x').flush();
    try {
        db.get("damaged");
        CHECK(false);
    } catch (const bitcask::CorruptedError& error) {
        CHECK(error.offset().has_value() && *error.offset() < contents.find(marked) && error.path().find("1.data") != std::string::npos);
    }
    CHECK_THROWS(bitcask::CorruptedError, collect(db.all()));
    auto records = db.all();
    while (const auto record = [&] {
        try {
            return records.next();
        } catch (const bitcask::CorruptedError&) {
            records.skip_damaged();
            return records.next();
        }
    }()) {
        CHECK(record->key != "damaged");
    }
    CHECK(!records.next());
    const auto result = db.try_get("damaged");
    CHECK(!result && result.error().status == Status::corrupted && result.error().offset.has_value());

    Store reader(path, Options().read_only(true).on_damage(bitcask::OnDamage::serve));
    CHECK_THROWS(bitcask::ReadOnlyError, reader.put("k", "v"));
    // No hint and no saved index yet: all was read, and the damage found.
    const bitcask::OpenReport found = reader.open_report();
    CHECK(found.files == 1 && !found.index_from && !found.unusable_index && !found.active_file && found.unusable_hints.empty());
    CHECK(db.open_report().active_file == std::uint32_t{1} && db.open_report().files == 0);
    reader.close();
    CHECK_THROWS(bitcask::ClosedError, reader.open_report());
}

void batches() {
    Dir dir;
    Store db(dir.path / "store");
    bitcask::Batch batch = db.batch();
    batch.put("a", "1").put("b", "2").put("a", "3").erase("c");
    CHECK(batch.size() == 3 && db.empty());
    batch.commit(bitcask::Write::sync);
    CHECK(collect(db.all()) == Map{{"a", "3"}, {"b", "2"}});
    CHECK_THROWS(bitcask::BatchFinishedError, batch.commit());
    CHECK_THROWS(bitcask::BatchFinishedError, batch.put("d", "1"));
    CHECK(batch.size() == 0);
    {
        bitcask::Batch dropped = db.batch();
        dropped.put("e", "1");
    }
    CHECK(!db.contains("e"));
    bitcask::Batch cleared = db.batch();
    cleared.put("f", "1");
    cleared.clear();
    cleared.commit();
    CHECK(db.size() == 2);
}

void loops() {
    Dir dir;
    Store db(dir.path / "store");
    for (int i = 0; i < 5000; i++) {
        char key[16];
        std::snprintf(key, sizeof key, "k%05d", i);
        db.put(key, std::to_string(i));
    }
    int n = 0;
    bool right = true;
    for (const auto& [key, value] : db.all()) right = right && std::stoi(std::string(key.substr(1))) == n && value == std::to_string(n), n++;
    CHECK(right && n == 5000);
    for (const auto& [key, value] : db.range(IterOptions().reverse())) right = right && value == std::to_string(--n) && key.size() == 6;
    CHECK(right && n == 0);
    for (const auto& record : db.range(IterOptions().keys_only())) right = right && record.value.empty(), n++;
    CHECK(right && n == 5000);

    const auto count = [&](IterOptions options) {
        bitcask::Iterator i = db.range(options);
        return std::distance(i.begin(), i.end());
    };
    CHECK(count(IterOptions().prefix("k000")) == 100);
    CHECK(count(IterOptions().start("k00010").end("k00020")) == 11);
    CHECK(count(IterOptions().start_after("k00010").end_before("k00020")) == 9);
    CHECK(count(IterOptions().start("k00020").end("k00010")) == 0);
    CHECK(count(IterOptions().limit(17)) == 17);
    CHECK(count(IterOptions().limit(0)) == 0);
    CHECK(count(IterOptions().prefix("z")) == 0);

    // Leaving a loop and going on, then seeking with a half-read page at hand.
    bitcask::Iterator i = db.all();
    for (const auto& record : i) {
        if (record.key == "k00003") break;
    }
    CHECK(i.next()->key == "k00004");
    i.seek("k04999");
    CHECK(i.next()->key == "k04999" && !i.next() && !i.next());
    i.seek("k02000");
    CHECK(i.begin()->key == "k02000");
    i.rewind();
    CHECK(i.next()->key == "k00000");

    // One moment, whatever is written inside of the loop.
    n = 0;
    for (const auto& record : db.prefix("k000")) {
        db.erase(record.key);
        db.put("k000zz" + std::to_string(n++), "");
    }
    CHECK(n == 100);

    std::vector<std::string> keys;
    bitcask::Iterator rest = db.prefix("k0010");
    std::transform(rest.begin(), rest.end(), std::back_inserter(keys), [](const bitcask::Record& r) { return std::string(r.key); });
    CHECK(keys.size() == 10 && keys[9] == "k00109");
    const IterOptions copied = IterOptions().prefix("k0010"s + std::string()).limit(3);
    CHECK(count(copied) == 3 && count(copied) == 3);
}

// Whether values are these, by index and by iteration.
bool are(const bitcask::Values& values, const std::vector<std::optional<std::string_view>>& wanted) {
    bool right = values.size() == wanted.size() && values.empty() == wanted.empty();
    for (std::size_t i = 0; right && i < wanted.size(); i++) right = values[i] == wanted[i];
    return right && std::equal(values.begin(), values.end(), wanted.begin(), wanted.end());
}

// A view of values that are gone at the end of the line.
template <class V, class = void>
constexpr bool can_index = false;
template <class V>
constexpr bool can_index<V, std::void_t<decltype(std::declval<V>()[std::size_t{0}])>> = true;
static_assert(can_index<bitcask::Values&> && can_index<const bitcask::Values&> && !can_index<bitcask::Values>);

void many_keys() {
    Dir dir;
    Store db(dir.path / "store");
    db.put("a", "1");
    db.put("b", "");
    db.put("z"s + '\0' + "z", "zero");

    CHECK(are(db.multi_get({"a", "x", "b", "z\0z"sv, "a"}), {"1", std::nullopt, "", "zero", "1"}));
    CHECK(are(db.multi_get({}), {}) && are(bitcask::Values(), {}));
    const std::vector<std::string_view> views = {"b", "a"};
    const std::deque<std::string> strings = {"x", "a"};
    const std::set<const char*> pointers = {"a"};
    const std::vector<std::vector<unsigned char>> containers = {{'a'}, {'b', 'b'}};
    const std::array<std::array<std::byte, 1>, 1> arrays = {{{std::byte{'b'}}}};
    CHECK(are(db.multi_get(views), {"", "1"}));
    CHECK(are(db.multi_get(strings), {std::nullopt, "1"}));
    CHECK(are(db.multi_get(pointers), {"1"}));
    CHECK(are(db.multi_get(containers), {"1", std::nullopt}));
    CHECK(are(db.multi_get(arrays), {""}));
#if defined(__cpp_lib_ranges) && (!defined(__clang_major__) || __clang_major__ >= 16) // older ones can't read that header
    // A range whose keys exist only while it is at them, and one that can't be gone through while constant.
    CHECK(are(db.multi_get(views | std::views::transform([](auto key) { return std::string(key) + (key == "a" ? "" : "c"); })), {std::nullopt, "1"}));
    CHECK(are(db.multi_get(views | std::views::filter([](auto key) { return key == "a"; })), {"1"}));
#endif
    int there = 0;
    for (const auto value : db.multi_get({"a", "b", "c"})) there += value.has_value();
    CHECK(there == 2);

    // They stay, whatever comes: writes, moves, close.
    bitcask::Values values = db.multi_get(views);
    const char* data = values[1]->data();
    db.put("a", "changed");
    bitcask::Values moved(std::move(values));
    CHECK(values.empty() && are(moved, {"", "1"}) && moved[1]->data() == data); // NOLINT: what is left is empty
    values = std::move(moved);
    CHECK(are(values, {"", "1"}));
    db.close();
    CHECK(are(values, {"", "1"}));
    CHECK_THROWS(bitcask::ClosedError, db.multi_get(views));
    CHECK_THROWS(bitcask::ClosedError, db.multi_get_into(views, values));
    CHECK(values.empty());

    // Used again, also with another store, after failures, and with its own values as keys.
    db = Store(dir.path / "store");
    Store other(dir.path / "other");
    other.put("x", std::string(100000, 'x'));
    other.put("k", "x");
    for (int i = 0; i < 3; i++) {
        db.multi_get_into(views, values);
        CHECK(are(values, {"", "changed"}));
        CHECK_THROWS(bitcask::KeyEmptyError, db.multi_get_into(std::vector<std::string>{"a", ""}, values));
        CHECK(values.empty());
        CHECK_THROWS(bitcask::KeyTooLargeError, db.multi_get_into(std::vector<std::string>{std::string(65536, 'k'), "a"}, values));
        other.multi_get_into(std::vector<const char*>{"k"}, values);
        other.multi_get_into(std::vector<std::string_view>{*values[0]}, values);
        CHECK(values.size() == 1 && values[0] == std::string(100000, 'x'));
    }
}

void ends_counts_and_random_keys() {
    Dir dir;
    for (const auto index : {bitcask::Index::btree, bitcask::Index::hash, bitcask::Index::art, bitcask::Index::skiplist,
                             bitcask::Index::bptree}) {
        for (const auto io : {bitcask::IoKind::mmap, bitcask::IoKind::file}) {
            std::optional<bitcask::OwnedRecord> first, last;
            {
                Store db(dir.path / "store", Options().index(index).io(io));
                for (const auto* key : {"a", "m", "z"}) db.erase(key);
                CHECK(!db.first() && !db.last() && !db.random_key() && db.count() == 0 && !db.value_size("a"));
                db.put("m", "middle");
                db.put("z", "last");
                db.put("a", "");
                CHECK(db.value_size("m") == 6U && db.value_size("a") == 0U && !db.value_size("b"));
                CHECK(db.count() == 3 && db.count(IterOptions().start_after("a")) == 2 && db.count(IterOptions().prefix("m").reverse()) == 1);
                CHECK(db.count(IterOptions().limit(2)) == 2);
                std::set<std::string> keys;
                for (int i = 0; i < 200; i++) keys.insert(*db.random_key());
                CHECK(keys == std::set<std::string>{"a", "m", "z"});
                first = db.first();
                last = db.last();
                db.put("a", "changed");
                CHECK((db.stats().mapped_files > 0) == (io == bitcask::IoKind::mmap));
            }
            CHECK(first && first->key == "a" && first->value.empty());
            auto& [key, value] = *last;
            CHECK(key == "z" && value == "last");
        }
    }
    Store hash(dir.path / "hash", Options().index(bitcask::Index::hash).sort_budget(10));
    hash.put("a", "1");
    CHECK_THROWS(bitcask::UnsupportedError, hash.all());
    CHECK(hash.count() == 1 && hash.first()->key == "a");
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "none", Options().index_budget(1000)));
    CHECK_THROWS(bitcask::InvalidArgumentError, Store(dir.path / "none", Options().io(static_cast<bitcask::IoKind>(7))));
    Store none;
    CHECK_THROWS(bitcask::ClosedError, none.first());
    CHECK_THROWS(bitcask::ClosedError, none.last());
    CHECK_THROWS(bitcask::ClosedError, none.count());
    CHECK_THROWS(bitcask::ClosedError, none.random_key());
    CHECK_THROWS(bitcask::ClosedError, none.value_size("a"));
    CHECK_THROWS(bitcask::ClosedError, none.multi_get({"a"}));
}

void results() {
    Dir dir;
    auto opened = Store::try_open(dir.path / "store");
    CHECK(opened.has_value());
    Store db = *std::move(opened);
    CHECK(db.try_put("k", "v").has_value());
    auto got = db.try_get("k");
    CHECK(got && *got && **got == "v" && (*got)->size() == 1);
    CHECK(db.try_get("l").has_value() && !*db.try_get("l"));
    CHECK(db.try_erase("l").has_value() && !*db.try_erase("l"));
    const auto refused = db.try_put("", "v");
    CHECK(!refused && refused.error().status == Status::key_empty && !refused.error().message.empty());
    CHECK(db.try_size().value_or(7) == 1 && db.try_contains("").value_or(true));
    auto taken = Store::try_open(dir.path / "store");
    CHECK(!taken && taken.error().status == Status::locked);
    CHECK(db.try_close() && !db.try_close());
}

void threads() {
    Dir dir;
    Store db(dir.path / "store");
    db.put("k", "0");
    std::atomic<int> wrong{0}, closed{0};
    std::vector<std::thread> workers;
    for (int t = 0; t < 4; t++) {
        workers.emplace_back([&db, &wrong, &closed, t] {
            for (int i = 0;; i++) {
                const auto put = db.try_put("k" + std::to_string(t), std::to_string(i));
                const auto got = db.try_get("k");
                if (got && (!*got || **got != "0")) wrong++;
                for (const auto* failure : {put ? nullptr : &put.error(), got ? nullptr : &got.error()}) {
                    if (failure && failure->status != Status::closed) wrong++;
                }
                if (!put && !got) {
                    closed++;
                    return;
                }
            }
        });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    db.close();
    for (auto& worker : workers) worker.join();
    CHECK(wrong == 0 && closed == 4);
}

void forked() {
    Dir dir;
    // No background thread: a child has its memory and not the thread, which valgrind calls a leak.
    Store db(dir.path / "store", Options().durability(bitcask::Durability::none));
    db.put("k", "v");
    bitcask::Batch batch = db.batch();
    const auto value = db.get("k");
    const auto many = db.multi_get({"k"});
    std::fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const auto is_forked = [](const auto& result) { return !result && result.error().status == Status::forked; };
        bool good = is_forked(db.try_put("k", "child")) && is_forked(db.try_get("k")) && is_forked(batch.try_put("a", "b"));
        good = good && is_forked(db.try_multi_get({"k"})) && is_forked(db.try_first()) && is_forked(db.try_last());
        good = good && is_forked(db.try_count()) && is_forked(db.try_random_key()) && is_forked(db.try_value_size("k"));
        good = good && many[0] == "v";
        good = good && *value == "v" && !Store::try_open(dir.path / "store");
        db = Store(); // the destructor's close, in the child
        _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    db.put("k2", "still ours");
    CHECK(*db.get("k") == "v" && db.size() == 2);
    auto second = Store::try_open(dir.path / "store");
    CHECK(!second && second.error().status == Status::locked);
}

} // namespace

int main() {
    simple_use();
    what_can_be_handed_in();
    get_into();
    moving_a_store();
    moving_children();
    children_outlive_the_store();
    closing();
    every_status_has_its_exception();
    errors_tell_what_and_where();
    batches();
    loops();
    many_keys();
    ends_counts_and_random_keys();
    results();
    threads();
    forked();
    return report();
}
