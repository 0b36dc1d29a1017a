// The program of bindings/cpp/README.md: what is between the markers stands there. It works in the directory that it is started in.

#include <bitcask.hpp>
#include <iostream>

// README begins.
int main() {
    bitcask::Store db("people");
    db.put("user:1", "Ada");

    if (auto value = db.get("user:1")) std::cout << value->view() << '\n'; // pinned, not copied

    const auto values = db.multi_get({"user:1", "user:2"}); // one call for many keys
    for (auto value : values) std::cout << value.value_or("(nobody)") << '\n';

    auto batch = db.batch();
    batch.put("user:2", "Grace").erase("user:1");
    batch.commit(bitcask::Write::sync);

    const auto before = db.snapshot();
    auto transaction = db.transaction();
    if (auto name = transaction.get("user:2")) transaction.put("user:3", *name).erase("user:2");
    db.wait_durable(transaction.commit()); // throws ConflictError if "user:2" was changed meanwhile
    std::cout << before.get("user:2")->view() << '\n';

    for (const auto& [key, name] : db.prefix("user:")) std::cout << key << " = " << name << '\n';
    const auto backwards = bitcask::IterOptions().start("a").end_before("z").reverse().limit(10);
    for (const auto& [key, name] : db.range(backwards)) std::cout << key << " = " << name << '\n';
    if (auto first = db.first()) std::cout << first->key << ' ' << db.count(bitcask::IterOptions().prefix("user:")) << '\n';
    db.close(); // tells a failure of the last sync, which the destructor can't
}
// README ends.
