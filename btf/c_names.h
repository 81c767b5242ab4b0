// Names that C takes: what a BTF calls its types, made valid and distinct.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "strata/btf/btf.h"
#include "strata/btf/dump_cpp.h"

namespace strata::btf {

// `name` with everything replaced that C does not allow in an identifier.
std::string CIdentifier(std::string_view name);

// "unsigned int": a name that every C compiler has for this integer or float.
std::string CNumberName(const Int& type);
std::string CNumberName(const Float& type);

enum class CLanguage : std::uint8_t { kC, kCpp };

// A name that the caller has for a struct, union or enum that may have none of its own.
using GivenNames = std::map<TypeId, std::string>;

// The names of one file. The first type of a name keeps it, later ones get "___2", "___3"; a forward declaration has
// the name of the first type that it may stand for.
class CNames {
 public:
  // In C++, where types share one name space, a typedef names what has no name, and a typedef of a struct of its name
  // is that struct; what is pointed to always has a name.
  explicit CNames(const Btf& types, CLanguage language = CLanguage::kC, const GivenNames& given = {});

  // Of a struct, union, enum, forward declaration (all of one name space) or typedef; empty for what has no name.
  const std::string& Of(TypeId id) const { return names_[id.value]; }

  // Whether a typedef is no more than what it stands for.
  bool IsNameOfTarget(TypeId id) const { return is_name_of_target_[id.value]; }

  // What a language allows of a name.
  std::string Identifier(std::string_view name) const {
    return language_ == CLanguage::kC ? CIdentifier(name) : CppIdentifier(name);
  }

  // A name for an enumerator, distinct from typedefs and other enumerators.
  std::string NewEnumerator(std::string_view name) { return Distinct(Identifier(name), Ordinary()); }

 private:
  void NameTypes(const Btf& types);
  void NameForwards(const Btf& types);
  void NameByTypedefs(const Btf& types);
  void NameUnnamed(const Btf& types, const GivenNames& given);
  void NameUnnamedTarget(const Btf& types, TypeId id, const std::string& name);
  std::map<std::string, std::uint32_t>& Ordinary() { return language_ == CLanguage::kC ? ordinary_ : tags_; }

  static std::string Distinct(const std::string& wanted, std::map<std::string, std::uint32_t>& used);

  CLanguage language_;
  std::vector<std::string> names_;             // by id
  std::vector<bool> is_name_of_target_;        // by id
  std::map<std::string, std::uint32_t> tags_;  // how often each name is used
  // Typedefs and enumerators. Compilers have a __builtin_va_list of their own, which need not be that of the BTF.
  std::map<std::string, std::uint32_t> ordinary_ = {{"__builtin_va_list", 1}};
};

}  // namespace strata::btf
