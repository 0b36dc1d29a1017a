// The README's program in C++. What is between the markers stands in README.md. It works in the directory that it is started in.

#include <bitcask.hpp>
#include <iostream>

int main() {
    // README begins.
    bitcask::Store store("store");
    store.put("user:1", "Ada");
    if (const auto value = store.get("user:1")) std::cout << value->view() << '\n';
    for (const auto& record : store.prefix("user:")) std::cout << record.key << ' ' << record.value << '\n';
    auto transaction = store.transaction();
    transaction.put("user:2", *transaction.get("user:1"));
    store.wait_durable(transaction.commit());
    store.close();
    // README ends.
}
