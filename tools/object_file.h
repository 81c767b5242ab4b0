// For the verbs that look at objects and make none.
#pragma once

#include <string>

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata::tools {

Result<CollectionSpec> ReadObject(const std::string& path);

// Says an error on standard error.
int ExitStatusOf(const Result<void>& result);

}  // namespace strata::tools
