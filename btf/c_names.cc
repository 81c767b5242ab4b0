#include "c_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace strata::btf {
namespace {

constexpr std::string_view kKeywords[] = {
    "asm",    "auto",    "break",    "case",   "char",     "const",    "continue", "default",  "do",
    "double", "else",    "enum",     "extern", "float",    "for",      "goto",     "if",       "inline",
    "int",    "long",    "register", "return", "short",    "signed",   "sizeof",   "static",   "struct",
    "switch", "typedef", "typeof",   "union",  "restrict", "unsigned", "void",     "volatile", "while",
};

constexpr std::string_view kIntegerWords[] = {"char",   "short",    "int",      "long",
                                              "signed", "unsigned", "__int128", "_Bool"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

template <std::size_t N>
bool Contains(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// Compilers name integers by these words; other languages have words of their own, and other meanings for "char".
bool IsCInteger(const Int& type) {
  std::string_view rest = type.name;
  if (rest.empty() || ((rest == "char") != (type.size_bytes == 1 && rest == "char"))) return false;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (!Contains(kIntegerWords, rest.substr(0, end))) return false;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return true;
}

enum class Tag : std::uint8_t { kNone, kStruct, kUnion, kEnum };

Tag TagOf(const Type& type) {
  if (std::holds_alternative<Struct>(type)) return Tag::kStruct;
  if (std::holds_alternative<Union>(type)) return Tag::kUnion;
  if (std::holds_alternative<Enum>(type) || std::holds_alternative<Enum64>(type)) return Tag::kEnum;
  if (const auto* forward = std::get_if<Forward>(&type)) return forward->is_union ? Tag::kUnion : Tag::kStruct;
  return Tag::kNone;
}

}  // namespace

std::string CIdentifier(std::string_view name) {
  std::string identifier(name);
  std::replace_if(
      identifier.begin(), identifier.end(), [](char c) { return !IsLetter(c) && !IsDigit(c); }, '_');
  if (!identifier.empty() && IsDigit(identifier.front())) identifier.insert(0, "_");
  if (Contains(kKeywords, identifier)) identifier += '_';
  return identifier;
}

std::string CNumberName(const Int& type) {
  if (IsCInteger(type)) return std::string(type.name);
  if (type.is_bool) return "_Bool";
  const std::string sign = type.is_signed ? "" : "unsigned ";
  switch (type.size_bytes) {
    case 1:
      return (type.is_signed ? "signed " : "unsigned ") + std::string("char");
    case 2:
      return sign + "short";
    case 4:
      return sign + "int";
    case 16:
      return sign + "__int128";
    default:
      return sign + "long long";
  }
}

std::string CNumberName(const Float& type) {
  switch (type.size_bytes) {
    case 2:
      return "_Float16";
    case 4:
      return "float";
    case 8:
      return "double";
    default:
      return "long double";
  }
}

CNames::CNames(const Btf& types) : names_(types.type_count()) {
  std::map<std::pair<Tag, std::string>, TypeId> first;  // what a forward declaration of that name stands for
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    const std::string_view name = types.NameOf(id);
    if (!type || name.empty()) continue;
    const Tag tag = TagOf(*type);
    if (tag != Tag::kNone && !std::holds_alternative<Forward>(*type)) {
      names_[id.value] = Distinct(CIdentifier(name), tags_);
      first.try_emplace({tag, std::string(name)}, id);
    } else if (std::holds_alternative<Typedef>(*type)) {
      names_[id.value] = Distinct(CIdentifier(name), ordinary_);
    }
  }
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    if (!type || !std::holds_alternative<Forward>(*type) || types.NameOf(id).empty()) continue;
    const auto [stands_for, is_new] = first.try_emplace({TagOf(*type), std::string(types.NameOf(id))}, id);
    names_[id.value] = is_new ? Distinct(CIdentifier(types.NameOf(id)), tags_) : names_[stands_for->second.value];
  }
}

std::string CNames::Distinct(const std::string& wanted, std::map<std::string, std::uint32_t>& used) {
  std::uint32_t& count = used[wanted];
  if (++count == 1) return wanted;
  // The name with a suffix may be another type's own.
  for (;; ++count) {
    std::string name = fmt::format("{}___{}", wanted, count);
    if (used.try_emplace(name, 1).second) return name;
  }
}

}  // namespace strata::btf
