// What the dumps of types have in common: which types, and what numbers are called.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "strata/btf/btf.h"

namespace strata::btf {

inline std::vector<TypeId> DumpedTypes(const Btf& types, std::span<const TypeId> wanted) {
  std::vector<TypeId> ids(wanted.begin(), wanted.end());
  for (TypeId id{types.first_id()}; wanted.empty() && id.value < types.type_count(); ++id.value) ids.push_back(id);
  return ids;
}

inline std::string_view EncodingName(const Int& type) {
  if (type.is_bool) return "BOOL";
  if (type.is_char) return "CHAR";
  return type.is_signed ? "SIGNED" : "(none)";
}

inline std::string_view SignName(bool is_signed) { return is_signed ? "SIGNED" : "UNSIGNED"; }

inline std::string_view LinkageName(Linkage linkage) {
  switch (linkage) {
    case Linkage::kStatic:
      return "static";
    case Linkage::kGlobal:
      return "global";
    case Linkage::kExtern:
      return "extern";
  }
  return "(unknown)";
}

}  // namespace strata::btf
