// Records of .BTF.ext, with instruction indices instead of section offsets (Documentation/bpf/btf.rst, "BTF.ext
// section").
#pragma once

#include <cstdint>

#include "strata/base/shared_string.h"
#include "strata/btf/type_id.h"
#include "strata/isa/instruction.h"

namespace strata::btf {

struct FuncInfo {
  isa::InsnIndex index;
  TypeId type;  // BTF_KIND_FUNC
  bool operator==(const FuncInfo&) const = default;
};

struct LineInfo {
  isa::InsnIndex index;
  std::uint32_t file_name_offset = 0;  // in the BTF's strings
  std::uint32_t line_offset = 0;       // the source line's text, in the BTF's strings
  std::uint32_t line_column = 0;       // line << 10 | column
  std::uint32_t line() const { return line_column >> 10; }
  std::uint32_t column() const { return line_column & 0x3ff; }
  bool operator==(const LineInfo&) const = default;
};

struct CoreRelocation {
  isa::InsnIndex index;
  TypeId type;
  SharedString access;     // "0:1:2"
  std::uint32_t kind = 0;  // enum bpf_core_relo_kind
  bool operator==(const CoreRelocation&) const = default;
};

}  // namespace strata::btf
