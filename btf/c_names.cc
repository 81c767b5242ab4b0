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

// What C++ has besides, and names that <errno.h>, <stdio.h>, <sys/stat.h> and the compiler have as macros.
constexpr std::string_view kCppWords[] = {
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "bitand",
    "bitor",
    "bool",
    "catch",
    "char8_t",
    "char16_t",
    "char32_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "decltype",
    "delete",
    "dynamic_cast",
    "explicit",
    "export",
    "false",
    "friend",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "reinterpret_cast",
    "requires",
    "static_assert",
    "static_cast",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typeid",
    "typename",
    "using",
    "virtual",
    "wchar_t",
    "xor",
    "xor_eq",
    "assert",
    "errno",
    "stdin",
    "stdout",
    "stderr",
    "unix",
    "linux",
    "i386",
    "offsetof",
    "setjmp",
    "va_arg",
    "va_copy",
    "va_end",
    "va_start",
    "NULL",
    "EOF",
    "major",
    "minor",
    "makedev",
    "st_atime",
    "st_mtime",
    "st_ctime",
    "sa_handler",
    "sa_sigaction",
    "si_pid",
    "si_uid",
    "si_status",
    "si_value",
    "si_int",
    "si_ptr",
    "si_addr",
    "si_band",
    "si_fd",
    "sigev_notify_function",
    "sigev_notify_attributes",
    "s6_addr",
    "s6_addr16",
    "s6_addr32",
    "ifr_name",
    "std",
    "strata",
    "alloca",
    "strdupa",
    "environ",
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

std::string CppIdentifier(std::string_view name) {
  std::string identifier = CIdentifier(name);
  if (Contains(kCppWords, identifier)) identifier += '_';
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

CNames::CNames(const Btf& types, CLanguage language, const GivenNames& given)
    : language_(language), names_(types.type_count()), is_name_of_target_(types.type_count()) {
  NameTypes(types);
  NameForwards(types);
  if (language == CLanguage::kC) return;
  NameByTypedefs(types);
  NameUnnamed(types, given);
}

void CNames::NameTypes(const Btf& types) {
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    const std::string_view name = types.NameOf(id);
    if (!type || name.empty()) continue;
    const Tag tag = TagOf(*type);
    if (tag != Tag::kNone && !std::holds_alternative<Forward>(*type)) {
      names_[id.value] = Distinct(Identifier(name), tags_);
    } else if (language_ == CLanguage::kC && std::holds_alternative<Typedef>(*type)) {
      names_[id.value] = Distinct(Identifier(name), ordinary_);
    }
  }
}

// After the tags, which keep their names.
void CNames::NameByTypedefs(const Btf& types) {
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto alias = types.Get<Typedef>(id);
    if (!alias) continue;
    const auto target = types.TypeById(alias->target);
    const bool is_tag = target && TagOf(*target) != Tag::kNone;
    const bool names_it = is_tag && names_[alias->target.value].empty();
    is_name_of_target_[id.value] = names_it || (is_tag && types.NameOf(alias->target) == alias->name);
    if (names_it) names_[alias->target.value] = Distinct(Identifier(alias->name), tags_);
    names_[id.value] =
        is_name_of_target_[id.value] ? names_[alias->target.value] : Distinct(Identifier(alias->name), tags_);
  }
}

// C++ has no types that are defined in a parameter, and what is pointed to must be declared before.
void CNames::NameUnnamed(const Btf& types, const GivenNames& given) {
  for (const auto& [id, name] : given) NameUnnamedTarget(types, id, name);
  const std::string fallback = "unnamed";
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    if (!type) continue;
    if (const auto* pointer = std::get_if<Pointer>(&*type)) NameUnnamedTarget(types, pointer->target, fallback);
    if (const auto* function = std::get_if<FuncProto>(&*type)) {
      NameUnnamedTarget(types, function->result, fallback);
      for (const Parameter parameter : function->parameters) NameUnnamedTarget(types, parameter.type, fallback);
    }
  }
}

void CNames::NameUnnamedTarget(const Btf& types, TypeId id, const std::string& name) {
  constexpr int kMaxChain = 128;
  for (int step = 0; step < kMaxChain; ++step) {
    const auto resolved = types.Resolve(id);
    if (!resolved) return;
    const auto array = types.Get<Array>(*resolved);
    if (!array) {
      const auto type = types.TypeById(*resolved);
      const bool is_unnamed = type && TagOf(*type) != Tag::kNone && names_[resolved->value].empty();
      if (is_unnamed && !std::holds_alternative<Forward>(*type)) {
        names_[resolved->value] = Distinct(Identifier(name), tags_);
      }
      return;
    }
    id = array->element;
  }
}

void CNames::NameForwards(const Btf& types) {
  std::map<std::pair<Tag, std::string>, TypeId> first;  // what a forward declaration of that name stands for
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    if (!type || TagOf(*type) == Tag::kNone || types.NameOf(id).empty()) continue;
    if (!std::holds_alternative<Forward>(*type)) first.try_emplace({TagOf(*type), std::string(types.NameOf(id))}, id);
  }
  for (TypeId id{1}; id.value < types.type_count(); ++id.value) {
    const auto type = types.TypeById(id);
    if (!type || !std::holds_alternative<Forward>(*type) || types.NameOf(id).empty()) continue;
    const auto [stands_for, is_new] = first.try_emplace({TagOf(*type), std::string(types.NameOf(id))}, id);
    names_[id.value] = is_new ? Distinct(Identifier(types.NameOf(id)), tags_) : names_[stands_for->second.value];
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
