// Compares a store with the directory it was made of, in C++. See README.md for what is checked and by which rules.
//
//   check WORK DIRECTORY [EARLIER...]
//   check --beside WORK DIRECTORY    in the second act: again and again, until that is over

#include <bitcask.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fs = std::filesystem;

namespace {

const std::string me = "c++";

class Tree {
public:
    Tree(fs::path root, fs::path work) : root_(std::move(root)), work_(std::move(work)) { walk(""); }

    const std::vector<std::string>& paths() const { return paths_; }
    std::size_t not_regular = 0, left_out = 0;

    /// The contents of a file; nothing if it can't be read or is not stored.
    std::optional<std::string> read(const std::string& path) const {
        if (path.size() > BITCASK_MAX_KEY_LEN) return std::nullopt;
        const int fd = ::open((root_ / path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) return std::nullopt;
        struct ::stat stat;
        bool good = ::fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size <= off_t{BITCASK_MAX_VALUE_LEN};
        std::string contents;
        std::size_t len = 0;
        if (good) contents.resize(static_cast<std::size_t>(stat.st_size) + 1); // one more, to see the end
        while (good) {
            if (len == contents.size()) contents.resize(len * 2);
            const ::ssize_t n = ::read(fd, contents.data() + len, contents.size() - len);
            if (n == 0) break;
            if (n > 0) len += static_cast<std::size_t>(n);
            good = n > 0 || errno == EINTR;
        }
        ::close(fd);
        if (!good || len > BITCASK_MAX_VALUE_LEN) return std::nullopt;
        contents.resize(len);
        return contents;
    }

    /// Whether a file, or if it is gone its nearest directory, changed at that time or later.
    bool changed_since(const std::string& path, long long nanoseconds) const {
        for (fs::path at = fs::path(path);; at = at.parent_path()) {
            struct ::stat stat;
            if (::lstat((root_ / at).c_str(), &stat) == 0) {
                return stat.st_ctim.tv_sec * 1'000'000'000LL + stat.st_ctim.tv_nsec >= nanoseconds;
            }
            if (at.empty()) return true;
        }
    }

private:
    void walk(const std::string& below) {
        std::error_code error;
        fs::directory_iterator entries(root_ / below, error);
        if (error) {
            ++left_out;
            return;
        }
        for (; entries != fs::directory_iterator(); entries.increment(error)) {
            const std::string name = entries->path().filename().native();
            const std::string path = below.empty() ? name : below + "/" + name;
            const fs::file_status status = entries->symlink_status(error);
            if (error) {
                ++left_out;
            } else if (fs::is_directory(status)) {
                if (!fs::equivalent(entries->path(), work_, error)) walk(path);
            } else if (fs::is_regular_file(status)) {
                paths_.push_back(path);
            } else {
                ++not_regular;
            }
        }
    }

    fs::path root_, work_;
    std::vector<std::string> paths_;
};

class Differences {
public:
    Differences(const Tree& tree, long long started) : tree_(tree), started_(started) {}

    /// Notes one, unless the file changed meanwhile.
    void add(const std::string& path, const std::string& what) {
        if (tree_.changed_since(path, started_)) {
            ++changed;
        } else {
            note("\"" + path + "\": " + what);
        }
    }

    void note(const std::string& what) {
        if (++count_ <= 10) std::cerr << "C++: " << what << '\n';
    }

    bool any() const {
        if (count_ > 10) std::cerr << "C++: and " << count_ - 10 << " more\n";
        return count_ > 0;
    }

    std::size_t changed = 0;

private:
    const Tree& tree_;
    long long started_;
    std::size_t count_ = 0;
};

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string get_own(const bitcask::Store& store, const std::string& key) {
    const auto value = store.get(key);
    if (!value) throw std::runtime_error("the store has no " + key);
    return value->str();
}

std::string where_different(std::string_view stored, std::string_view file) {
    if (stored.size() != file.size()) {
        return "the store has " + std::to_string(stored.size()) + " bytes, the file " + std::to_string(file.size());
    }
    const auto at = std::mismatch(stored.begin(), stored.end(), file.begin()).first - stored.begin();
    return "other bytes from offset " + std::to_string(at) + " on";
}

int run(const fs::path& work, const fs::path& root, const std::vector<std::string>& earlier) {
    Tree tree(root, work);
    double start = seconds();
    bitcask::Store store(work / "store", bitcask::Options().create_if_missing(false));
    const double opened = seconds() - start;
    // A second earlier, because the kernel's clock for files is coarse.
    Differences differences(tree, std::stoll(get_own(store, "/demo/started")) - 1'000'000'000LL);

    // Every file has its key, with its bytes.
    std::unordered_set<std::string> compared;
    std::uint64_t bytes = 0;
    start = seconds();
    for (const std::string& path : tree.paths()) {
        const auto contents = tree.read(path);
        if (!contents) {
            ++tree.left_out;
            continue;
        }
        compared.insert(path);
        bytes += contents->size();
        const auto value = store.try_get(path);
        if (!value) {
            differences.note("\"" + path + "\": " + value.error().message);
        } else if (!*value) {
            differences.add(path, "missing in the store");
        } else if (**value != std::string_view(*contents)) {
            differences.add(path, where_different((*value)->view(), *contents));
        }
    }
    const double took = seconds() - start;

    // Every key has its file.
    for (const auto& record : store.range(bitcask::IterOptions().keys_only())) {
        const std::string key(record.key);
        if (key.front() != '/' && compared.count(key) == 0) differences.add(key, "in the store, but no file that is stored");
    }

    // One folder, by its prefix, in order.
    const std::string folder = get_own(store, "/demo/folder");
    std::vector<std::string> expected, listed, unlike;
    if (!folder.empty()) {
        std::copy_if(compared.begin(), compared.end(), std::back_inserter(expected),
                     [&](const std::string& path) { return path.compare(0, folder.size(), folder) == 0; });
        std::sort(expected.begin(), expected.end()); // char_traits compares as unsigned bytes, as the store does
        for (const auto& record : store.range(bitcask::IterOptions().prefix(folder).keys_only())) listed.emplace_back(record.key);
        if (!std::is_sorted(listed.begin(), listed.end())) differences.note("the folder " + folder + " is not listed in order");
        std::set_symmetric_difference(expected.begin(), expected.end(), listed.begin(), listed.end(), std::back_inserter(unlike));
        for (const std::string& path : unlike) differences.add(path, "only in one of folder and listing");
    }

    // Nothing that was acknowledged before the kill is lost.
    unsigned long long acknowledged = 0;
    std::ifstream(work / "acknowledged") >> acknowledged;
    const unsigned long long progress = std::stoull(get_own(store, "/demo/progress"));
    if (progress < acknowledged) {
        differences.note("write " + std::to_string(acknowledged) + " was acknowledged, the store has " + std::to_string(progress));
    }

    for (const std::string& name : earlier) {
        if (get_own(store, "/demo/added-by/" + name) != "added by " + name) differences.note("the key of " + name + " holds something else");
    }
    store.put("/demo/added-by/" + me, "added by " + me);
    store.close();

    std::printf("C++: compared %zu files, %.1f MB in %.2f s; %s has %zu keys; left out %zu not regular, %zu unreadable or too large; %zu "
                "changed meanwhile\n",
                compared.size(), static_cast<double>(bytes) / 1e6, took, folder.empty() ? "no folder" : folder.c_str(), listed.size(),
                tree.not_regular, tree.left_out, differences.changed);
    if (differences.any()) return 1;
    std::ofstream(work / "results", std::ios::app) << "C++\t" << compared.size() << '\t' << bytes << '\t' << took << '\t' << opened << '\n';
    return 0;
}

// ---- The second act ----

/// What becomes of a file: 0 and 1 stay, 2 is overwritten, 3 is overwritten and then deleted.
unsigned fate(const std::string& path) {
    unsigned sum = 0;
    for (const char byte : path) sum += static_cast<unsigned char>(byte);
    return sum % 4;
}

/// What a file must be at a moment of the second act; nothing if it must be gone.
std::optional<std::string> then(const std::string& path, const std::string& contents, char phase, const std::string& last) {
    const unsigned its_fate = fate(path);
    if (its_fate < 2 || phase == '0' || (phase == '1' && path > last)) return contents;
    if (its_fate == 3 && (phase == '3' || (phase == '2' && path <= last))) return std::nullopt;
    return "turned:" + std::string(contents.rbegin(), contents.rend());
}

/// Compares the store with what it must be at this moment.
void look(const bitcask::Store& store, const Tree& tree, Differences& differences, char phase, const std::string& last) {
    std::unordered_set<std::string> there;
    for (const std::string& path : tree.paths()) {
        const auto contents = tree.read(path);
        if (!contents) continue;
        const auto expected = then(path, *contents, phase, last);
        if (expected) there.insert(path);
        const auto value = store.try_get(path);
        if (!value) {
            differences.note("\"" + path + "\": " + value.error().message);
        } else if (!*value && expected) {
            differences.add(path, "missing in the store");
        } else if (*value && !expected) {
            differences.add(path, "was deleted, and is there");
        } else if (expected && **value != std::string_view(*expected)) {
            differences.add(path, "not what it was at this moment: " + where_different((*value)->view(), *expected));
        }
    }
    for (const auto& record : store.range(bitcask::IterOptions().keys_only())) {
        const std::string key(record.key);
        if (key.front() != '/' && there.count(key) == 0) differences.add(key, "listed, but no file of this moment");
    }
}

int beside(const fs::path& work, const fs::path& root) {
    const Tree tree(root, work);
    bitcask::Store store(work / "store", bitcask::Options().read_only(true));
    Differences differences(tree, std::stoll(get_own(store, "/demo/started")) - 1'000'000'000LL);
    std::size_t looks = 0, midst = 0;
    for (std::string before;; looks++) {
        if (looks > 0) store.refresh();
        const std::string moment = get_own(store, "/demo/second");
        if (moment < before) differences.note("the store went back from \"" + before + "\" to \"" + moment + "\"");
        before = moment;
        const char phase = moment.at(0);
        look(store, tree, differences, phase, moment.substr(2));
        if (differences.any()) return 1;
        if (phase == '3') break;
        if (phase != '0') midst++;
        // By another name first, so that nobody reads half of it.
        std::ofstream(work / ("looks-new-" + me)) << midst;
        fs::rename(work / ("looks-new-" + me), work / ("looks-" + me));
    }
    std::printf("C++: %zu looks, %zu of them in the midst; %zu changed meanwhile\n", looks + 1, midst, differences.changed);
    return 0;
}

} // namespace

int main(int argc, char** argv) try {
    if (argc == 4 && std::string_view(argv[1]) == "--beside") return beside(argv[2], argv[3]);
    if (argc < 3) {
        std::cerr << "usage: check [--beside] WORK DIRECTORY [EARLIER...]\n";
        return 2;
    }
    return run(argv[1], argv[2], {argv + 3, argv + argc});
} catch (const std::exception& error) {
    std::cerr << "C++: " << error.what() << '\n';
    return 2;
}
