// Names that C takes: what a BTF calls its types, made valid and distinct.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "strata/btf/btf.h"

namespace strata::btf {

// `name` with everything replaced that C does not allow in an identifier.
std::string CIdentifier(std::string_view name);

// "unsigned int": a name that every C compiler has for this integer or float.
std::string CNumberName(const Int& type);
std::string CNumberName(const Float& type);

// The names of one file. The first type of a name keeps it, later ones get "___2", "___3"; a forward declaration has
// the name of the first type that it may stand for.
class CNames {
 public:
  explicit CNames(const Btf& types);

  // Of a struct, union, enum, forward declaration (all of one name space) or typedef; empty for what has no name.
  const std::string& Of(TypeId id) const { return names_[id.value]; }

  // A name for an enumerator, distinct from typedefs and other enumerators.
  std::string NewEnumerator(std::string_view name) { return Distinct(CIdentifier(name), ordinary_); }

 private:
  static std::string Distinct(const std::string& wanted, std::map<std::string, std::uint32_t>& used);

  std::vector<std::string> names_;             // by id
  std::map<std::string, std::uint32_t> tags_;  // how often each name is used
  // Typedefs and enumerators. Compilers have a __builtin_va_list of their own, which need not be that of the BTF.
  std::map<std::string, std::uint32_t> ordinary_ = {{"__builtin_va_list", 1}};
};

}  // namespace strata::btf
