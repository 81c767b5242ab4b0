#include "fixture.h"

#include <cstdlib>
#include <filesystem>

namespace strata::testing {

SessionFolder::SessionFolder() {
  std::string pattern = "/dev/shm/strata-test-XXXXXX";
  if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
}

// rmdir semantics: what a test leaves in its folder is a failure, not something to sweep up silently.
SessionFolder::~SessionFolder() {
  std::error_code error;
  for (const auto& left : std::filesystem::recursive_directory_iterator(path_, error)) {
    ADD_FAILURE() << "left behind: " << left.path();
  }
  std::filesystem::remove_all(path_, error);
}

}  // namespace strata::testing
