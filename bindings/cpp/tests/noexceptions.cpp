// The binding without exceptions: complete by its try_ functions. Compiled with -fno-exceptions.
#include <bitcask.hpp>

#include "check.hpp"

#include <fstream>
#include <string>
#include <vector>

#if BITCASK_HAS_EXCEPTIONS
#error "compile this with -fno-exceptions"
#endif

using bitcask::IterOptions;
using bitcask::Options;
using bitcask::Status;
using bitcask::Store;

namespace {

template <class T>
Status status_of(const bitcask::Result<T>& result) {
    return result ? Status::ok : result.error().status;
}

void use() {
    Dir dir;
    auto opened = Store::try_open(dir.path / "store", Options().durability(bitcask::Durability::none));
    CHECK(opened.has_value());
    if (!opened) return;
    Store db = *std::move(opened);
    for (int i = 0; i < 3000; i++) CHECK(db.try_put("k" + std::to_string(10000 + i), std::to_string(i)).has_value());
    auto value = db.try_get("k10007");
    CHECK(value && *value && **value == "7");
    CHECK(db.try_get("none").has_value() && !db.try_get("none")->has_value());
    CHECK(db.try_erase("k10000")->existed && db.try_contains("k10001").value_or(false));
    CHECK(db.try_size().value_or(0) == 2999 && db.try_stats()->keys == 2999);
    CHECK(status_of(db.try_put("", "")) == Status::key_empty);
    CHECK(status_of(Store::try_open(dir.path / "store")) == Status::locked);
    char buffer[4];
    CHECK(db.try_get_into("k10123", buffer, sizeof buffer)->value_or(0) == 3);

    CHECK((*db.try_value_size("k10123")).value_or(0) == 3 && !db.try_value_size("none")->has_value());
    const auto values = db.try_multi_get({"k10007", "none"});
    CHECK(values && values->size() == 2 && (*values)[0] == "7" && !(*values)[1]);
    CHECK(status_of(db.try_multi_get({"k10007", ""})) == Status::key_empty);
    bitcask::Values again;
    CHECK(db.try_multi_get_into(std::vector<std::string>{"k10008"}, again) && again[0] == "8");
    auto first = db.try_first(), last = db.try_last();
    CHECK(first && *first && (*first)->key == "k10001" && (*first)->value == "1");
    CHECK(last && *last && (*last)->key == "k12999" && (*last)->value == "2999");
    CHECK(db.try_count().value_or(0) == 2999 && db.try_count(IterOptions().prefix("k1000")).value_or(0) == 9);
    CHECK(db.try_contains(**db.try_random_key()).value_or(false));

    auto batch = db.try_batch();
    CHECK(batch && batch->try_put("b", "1") && batch->try_erase("k10001") && batch->try_size().value_or(0) == 2);
    CHECK(batch->try_commit(bitcask::Write::sync) && status_of(batch->try_commit()) == Status::batch_finished);

    auto records = db.try_range(IterOptions().prefix("k").reverse());
    int n = 0;
    for (const auto& record : *records) n += record.key.size() == 6 && !record.value.empty();
    CHECK(n == 2998 && !records->failure());
    CHECK(records->try_seek("k10002") && (*records->try_next())->key == "k10002" && !*records->try_next());

    CHECK(db.try_sync() && db.try_close());
    CHECK(status_of(db.try_close()) == Status::closed && status_of(db.try_get("b")) == Status::closed);
    CHECK(status_of(batch->try_commit()) == Status::closed);

    // A failure ends the loop, and is told.
    CHECK(records->try_rewind().has_value() == false);
    for (const auto& record : *records) CHECK(record.key.empty());
    CHECK(records->failure() && records->failure()->status == Status::closed);
}

void features() {
    Dir dir;
    const auto path = dir.path / "store";
    int told = 0;
    auto opened = Store::try_open(path, Options().checkpoint_bytes(0).progress([&](const bitcask::OpenProgress&) { told++; }));
    CHECK(opened && told >= 1);
    if (!opened) return;
    Store db = *std::move(opened);
    CHECK(status_of(Store::try_open(dir.path / "other", Options().progress([](const bitcask::OpenProgress&) { return false; }))) ==
          Status::cancelled);

    const auto put = db.try_put("a", "1");
    CHECK(put && *put == db.try_last_seq().value_or(0) && db.try_wait_durable(*put) && db.try_durable_seq().value_or(0) == *put);
    CHECK(db.try_wait_durable(*put, std::chrono::seconds(1)).value_or(false));
    CHECK(status_of(db.try_wait_durable(*put + 1)) == Status::invalid_argument);
    auto later = db.try_put_async("b", "2");
    const auto outcome = later.get();
    CHECK(outcome && *outcome > *put && db.try_erase_async("none").get()->seq >= *outcome);
    CHECK(status_of(db.try_put_async("", "").get()) == Status::key_empty);
    std::promise<bool> called;
    CHECK(db.try_erase_async("b", [&](const bitcask::Result<bitcask::Erased>& erased) { called.set_value(erased && erased->existed); }).has_value());
    CHECK(called.get_future().get());

    auto snapshot = db.try_snapshot();
    CHECK(snapshot && db.try_put("a", "2") && **snapshot->try_get("a") == "1" && snapshot->try_size().value_or(0) == 1);
    CHECK(snapshot->try_seq().value_or(0) < db.try_last_seq().value_or(0) && (*snapshot->try_first())->value == "1");
    auto old = snapshot->try_range();
    int n = 0;
    for (const auto& record : *old) n += record.value == "1";
    CHECK(n == 1 && !old->failure());

    auto transaction = db.try_transaction();
    CHECK(transaction && **transaction->try_get("a") == "2" && transaction->try_put("a", "3") && transaction->try_contains("a").value_or(false));
    CHECK(db.try_put("a", "between") && status_of(transaction->try_commit()) == Status::conflict);
    CHECK(status_of(transaction->try_rollback()) == Status::transaction_finished);

    auto batch = db.try_batch();
    CHECK(batch && batch->try_put("c", "1") && batch->try_erase_range("a", "b"));
    const auto savepoint = batch->try_savepoint();
    CHECK(savepoint && batch->try_erase_prefix("") && batch->try_rollback_to(*savepoint) && batch->try_release(*savepoint));
    CHECK(**batch->try_get("c") == "1" && !*batch->try_get("a") && batch->try_byte_size().value_or(0) == 2);
    CHECK(batch->try_commit_async().get() && !db.try_contains("a").value_or(true));

    CHECK(db.try_compare_and_swap("c", "1", "2").value_or(false) && !db.try_put_if_absent("c", "3").value_or(true));
    CHECK(db.try_fetch_add("n", 7).value_or(1) == 0 && db.try_fetch_add("n", 0).value_or(0) == 7);
    const auto updated = db.try_update("c", [](std::optional<std::string_view> before) { return std::string(*before) + "+"; });
    CHECK(updated && *updated == "2+");

    auto load = db.try_bulk_loader(bitcask::BulkOptions().sync());
    CHECK(load && load->try_put("l", "1") && load->try_finish() && status_of(load->try_finish()) == Status::batch_finished);
    auto reader = Store::try_open(path, Options().read_only(true));
    CHECK(reader && reader->try_contains("l").value_or(false) && db.try_put("m", "1") && reader->try_refresh()->changed());
    CHECK(reader->try_contains("m").value_or(false) && !reader->try_refresh()->changed());
    CHECK(db.try_put_with_ttl("x", "1", std::chrono::hours(1)) && db.try_ttl("x")->value().expires() && db.try_persist("x").value_or(false));
    CHECK(db.try_expire("x", std::chrono::seconds(0)).value_or(false) && !db.try_ttl("x")->has_value() && db.try_sweep_expired().value_or(1) == 0);
    CHECK(db.try_put_with_ttl_async("x", "2", std::chrono::hours(1)).get() && db.try_erase("x"));
    int asked = 0;
    CHECK(db.try_pause_merge() && db.try_resume_merge() && !db.try_needs_merge().value_or(true) && !db.try_merge_needed()->has_value());
    const auto merged = db.try_merge(bitcask::MergeOptions().everything().progress([&](const bitcask::MergeProgress&) { asked++; }));
    CHECK(merged && merged->removed_files.size() >= 1 && asked > 0 && db.try_contains("l").value_or(false));
    CHECK(status_of(db.try_merge(bitcask::MergeOptions().everything().progress([](const bitcask::MergeProgress&) { return false; }))) ==
          Status::cancelled);
    CHECK(db.try_file_stats()->size() == db.try_recount()->size());
    CHECK(db.try_close() && status_of(snapshot->try_get("a")) == Status::closed && status_of(db.try_snapshot()) == Status::closed);
}

void a_damaged_record_ends_the_loop() {
    Dir dir;
    auto db = Store::try_open(dir.path / "store");
    const std::string marked = "0123456789abcdef0123456789abcdef";
    CHECK(db && db->try_put("a", "1") && db->try_put("b", marked) && db->try_put("c", "3"));
    std::fstream file(dir.path / "store" / "1.data", std::ios::in | std::ios::out | std::ios::binary);
    const std::string contents((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    file.clear();
    file.seekp(static_cast<std::streamoff>(contents.find(marked)));
    file.put('x').flush();
    auto records = db->try_range();
    int n = 0;
    for (const auto& record : *records) n += record.key == "a";
    CHECK(n == 1 && records->failure() && records->failure()->status == Status::corrupted);
    CHECK(records->try_seek("c") && !records->failure() && (*records->try_next())->key == "c");
}

} // namespace

int main() {
    use();
    features();
    a_damaged_record_ends_the_loop();
    return report();
}
