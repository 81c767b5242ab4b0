#include "object_file.h"

#include <fmt/format.h>

#include "strata/base/mapped_file.h"
#include "strata/elf/reader.h"
#include "verb.h"

namespace strata::tools {

Result<CollectionSpec> ReadObject(const std::string& path) {
  const MappedFile file = STRATA_TRY(MappedFile::Open(path));
  return elf::ReadCollectionSpec(file.bytes(), {.path = path});
}

int ExitStatusOf(const Result<void>& result) {
  if (result) return 0;
  fmt::print(stderr, "strata: {}\n", result.error().message());
  return kExitFailure;
}

}  // namespace strata::tools
