// .BTF.ext being written.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/builder.h"
#include "strata/btf/ext_reader.h"

namespace strata::btf {

// What ReadExtInfo reads back as `info`. Type ids and the string offsets of lines are those of `types`, which gets the
// names of sections and the access strings: call it before types->Build(). Sections without records are left out.
// Errors: kInvalidArgument for a table that does not fit the format's 32 bits.
STRATA_EXPORT Result<std::vector<std::byte>> WriteExtInfo(const ExtInfo& info, Builder* types,
                                                          std::endian order = std::endian::native);

}  // namespace strata::btf
