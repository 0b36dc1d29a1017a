// The least that a test needs: checks that count, directories that vanish.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <string>

inline int passed = 0, failed = 0;

inline void check(bool good, const char* what, const char* file, int line) {
    if (good) {
        passed++;
    } else {
        failed++;
        std::printf("%s:%d: %s\n", file, line, what);
    }
}

#define CHECK(...) check((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

// That an expression throws exactly this exception.
#define CHECK_THROWS(type, ...)                                                 \
    do {                                                                        \
        bool threw_ = false;                                                    \
        try {                                                                   \
            static_cast<void>(__VA_ARGS__);                                     \
        } catch (const bitcask::Error& error_) {                                \
            threw_ = typeid(error_) == typeid(type);                            \
        }                                                                       \
        check(threw_, #__VA_ARGS__ " throws " #type, __FILE__, __LINE__);       \
    } while (false)

inline int report() {
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

// A directory of the test's own, below the one it was started in.
struct Dir {
    Dir() {
        static std::atomic<int> count{0};
        path = std::filesystem::current_path() / ("dir-" + std::to_string(count++));
        std::filesystem::remove_all(path);
        std::filesystem::create_directory(path);
    }
    ~Dir() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Dir(const Dir&) = delete;
    Dir& operator=(const Dir&) = delete;
    std::filesystem::path path;
};

#endif
