// Which of an object's programs and maps are made.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "strata/base/result.h"
#include "strata/object/load_options.h"
#include "strata/spec/collection_spec.h"

namespace strata {

struct LoadSelection {
  std::set<std::string, std::less<>> programs;
  std::set<std::string, std::less<>> maps;
};

// kNotFound for a name in `options` that the object does not have.
Result<LoadSelection> SelectObjects(const CollectionSpec& spec, const LoadOptions& options);

}  // namespace strata
