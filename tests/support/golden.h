// Texts that are compared with a file in the tree. STRATA_REWRITE_GOLDEN=1 writes the files anew.
#pragma once

#include <string>

namespace strata::test {

// Fails the test where `text` is not what the file has.
void ExpectGolden(const std::string& text, const std::string& path);

}  // namespace strata::test
