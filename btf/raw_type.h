// A type's common words, for the files that read them.
#pragma once

#include "layout.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// One type as it is stored. `extra` is the offset of what follows it in the type section.
struct Btf::RawType {
  TypeId id;
  Kind kind = Kind::kUnknown;
  bool kind_flag = false;
  std::uint32_t count = 0;  // vlen
  std::uint32_t name = 0;
  std::uint32_t size_or_target = 0;
  std::uint32_t extra = 0;

  TypeId target() const { return TypeId{size_or_target}; }
};

}  // namespace strata::btf
