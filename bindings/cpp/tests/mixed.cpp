// Two translation units of one program that see different bindings: another standard (whose Result is another type), with and
// without exceptions. Compiled once with -DPART=1 and once with -DPART=2. The C header beside the C++ one, in either order.
#if PART == 1
#include <bitcask.h>
#endif
#include <bitcask.hpp>
#if PART == 2
#include <bitcask.h>
#endif

#include "check.hpp"

bool part_two(const std::filesystem::path& path);

#if PART == 1
int main() {
    Dir dir;
    {
        auto db = bitcask::Store::try_open(dir.path / "store");
        CHECK(db && db->try_put("k", "one") && **db->try_get("k") == "one");
        CHECK(!db->try_put("", "") && db->try_size().value_or(0) == 1);
    }
    CHECK(part_two(dir.path / "store"));
    auto db = bitcask::Store::try_open(dir.path / "store");
    CHECK(db && **db->try_get("k") == "two" && !bitcask::Store::try_open(dir.path / "store"));
    return report();
}
#else
bool part_two(const std::filesystem::path& path) {
    auto db = bitcask::Store::try_open(path);
    bool good = db && **db->try_get("k") == "one" && db->try_put("k", "two").has_value();
    good = good && !db->try_put("", "") && db->try_size().value_or(0) == 1;
    return good && !bitcask::Store::try_open(path);
}
#endif
