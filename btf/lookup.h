// What a Btf keeps for lookups, made when it is first needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "name_index.h"
#include "strata/btf/btf.h"

namespace strata::btf {

struct Btf::Lookup {
  std::atomic<std::uint32_t> count{0};  // of lookups by name until now
  std::once_flag index_once;
  std::optional<NameIndex> index;
  std::once_flag tags_once;
  std::vector<TypeId> tags;  // all DECL_TAGs
};

}  // namespace strata::btf
