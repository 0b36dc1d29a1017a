// Runs the conformance cases of tests/conformance/ through the C++ binding. Their language is defined in the README there; this file
// knows that language and this binding, and no case. Usage: conformance [--quick] CASES_DIR SCRATCH_DIR
//
// Compiled with -fno-exceptions it runs them through the try_ functions.
#include "conformance/calls.hpp"
#include "conformance/language.hpp"
#include "conformance/numbers.hpp"
#include "conformance/open.hpp"
#include "conformance/reads.hpp"
#include "conformance/runner.hpp"
#include "conformance/writes.hpp"

#include <iostream>

int main(int argc, char** argv) {
    // For slow tools: without the large cases, and each index kind with one I/O kind, in turn.
    const bool quick = argc > 1 && Text(argv[1]) == "--quick";
    if (argc != (quick ? 4 : 3)) {
        std::cerr << "usage: conformance [--quick] CASES_DIR SCRATCH_DIR (which must not exist)\n";
        return 2;
    }
    const fs::path root = argv[argc - 1];
    int passed = 0, failures = 0;
    std::vector<Combination> combinations;
    const auto known = known_kinds();
    for (std::size_t i = 0; i < known.size(); i++) {
        for (std::size_t j = 0; j < std::size(io_kinds); j++) {
            if (!quick || i % std::size(io_kinds) == j)
                combinations.push_back({known[i], known[(i + 1) % known.size()].kind, io_kinds[j]});
        }
    }
    for (const Case& c : read_cases(argv[argc - 2])) {
        for (const Combination& combination : combinations) {
            if ((c.has("large") && quick) || !combination.runs(c)) continue;
            fs::create_directory(root);
            Runner runner(root, combination, c.has("reuse"));
            Text failure = runner.run(c);
            const Text end = runner.finish(c);
            if (failure.empty()) failure = end;
            fs::remove_all(root);
            if (failure.empty()) passed++;
            else failures++, std::cout << failure << std::endl;
        }
    }
    std::cout << passed << " passed, " << failures << " failed" << std::endl;
    return failures > 0 || passed == 0;
}
