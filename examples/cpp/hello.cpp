// The store in C++: open, put, get, a batch, all keys with a prefix, close.
//
//   c++ -std=c++17 hello.cpp -Iinclude -Ibindings/cpp/include -Ltarget/release -lbitcask -o hello && ./hello DIRECTORY

#include <bitcask.hpp>

#include <iostream>

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "usage: hello DIRECTORY\n";
        return 2;
    }
    bitcask::Store store(argv[1]);
    store.put("user:1", "Ada");
    if (const auto value = store.get("user:1")) std::cout << "user:1 is " << value->view() << '\n';

    // All of it or nothing, after any crash.
    auto batch = store.batch();
    batch.put("user:2", "Grace").put("user:3", "Edsger").erase("user:1");
    batch.commit(bitcask::Write::sync);

    for (const auto& record : store.prefix("user:")) std::cout << record.key << ": " << record.value << '\n';
    store.close();
    return 0;
} catch (const bitcask::Error& error) {
    std::cerr << "hello: " << error.what() << '\n';
    return 1;
}
