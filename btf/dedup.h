// Types that are the same, kept once: for BTF put together from several objects.
#pragma once

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/builder.h"

namespace strata::btf {

struct Deduplicated {
  Builder types;  // over the base of what was given
  IdMap ids;      // from the ids that were given
};

// Two types are the same when they have the same kind, names and numbers, and refer to same types in the same places,
// however deep and in whatever circles. A forward declaration is the struct or union of its name (an enum without
// values the enum) when there is only one such; otherwise it stays. Variables and data sections are never merged: each
// stands for bytes of its own. Of a split BTF, types that the base has go to the base's. The order of types is kept.
// Errors: kMalformed for references out of range.
STRATA_EXPORT Result<Deduplicated> Deduplicate(const Btf& types);

}  // namespace strata::btf
