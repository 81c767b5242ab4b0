#include "externs.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace strata::elf {
namespace {

using btf::Btf;
using btf::TypeId;

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// How a value is read from text, and the type that decides it: the element of an array.
struct KconfigForm {
  KconfigType type = KconfigType::kInteger;
  bool is_signed = false;
  std::uint32_t alignment = 1;
};

std::optional<KconfigForm> FormOfInt(const btf::Int& type) {
  const std::uint32_t size = type.size_bytes;
  if (type.is_bool) return size == 1 ? std::optional(KconfigForm{KconfigType::kBool, false, 1}) : std::nullopt;
  if (size == 1) return KconfigForm{KconfigType::kChar, type.is_signed, 1};
  if (size != 2 && size != 4 && size != 8) return std::nullopt;
  return KconfigForm{KconfigType::kInteger, type.is_signed, size};
}

template <typename AnyEnum>
std::optional<KconfigForm> FormOfEnum(const AnyEnum& type) {
  if (type.name != "libbpf_tristate" || type.size_bytes != 4) return std::nullopt;
  return KconfigForm{KconfigType::kTristate, false, 4};
}

Result<std::optional<KconfigForm>> FormOf(const Btf& types, TypeId id) {
  const auto type = STRATA_TRY(types.TypeById(STRATA_TRY(types.Resolve(id))));
  if (const auto* number = std::get_if<btf::Int>(&type)) return FormOfInt(*number);
  if (const auto* values = std::get_if<btf::Enum>(&type)) return FormOfEnum(*values);
  if (const auto* values = std::get_if<btf::Enum64>(&type)) return FormOfEnum(*values);
  if (const auto* array = std::get_if<btf::Array>(&type); array != nullptr && array->count > 0) {
    const auto element = STRATA_TRY(types.TypeById(STRATA_TRY(types.Resolve(array->element))));
    const auto* letter = std::get_if<btf::Int>(&element);
    if (letter != nullptr && letter->size_bytes == 1 && !letter->is_bool) {
      return std::optional(KconfigForm{KconfigType::kString, letter->is_signed, 1});
    }
  }
  return std::optional<KconfigForm>();
}

class ExternReader {
 public:
  ExternReader(const Btf& types, const std::set<std::string_view>& weak) : types_(types), weak_(weak) {}

  Result<Externs> Read(const ExternSections& sections) {
    if (sections.kconfig) STRATA_TRY(ReadSection(*sections.kconfig, &ExternReader::ReadKconfig));
    if (sections.ksyms) STRATA_TRY(ReadSection(*sections.ksyms, &ExternReader::ReadKsym));
    PlaceValues();
    return std::move(externs_);
  }

 private:
  using ReadOne = Result<void> (ExternReader::*)(TypeId id, ExternSpec& external);

  Result<void> ReadSection(TypeId id, ReadOne read) {
    const auto section = STRATA_TRY(types_.Get<btf::DataSec>(id));
    for (const btf::SectionVariable variable : section.variables) {
      ExternSpec external;
      external.name = types_.NameOf(variable.type);
      external.is_weak = weak_.contains(external.name);
      const std::string place = fmt::format("section {}: symbol {}", section.name, external.name);
      STRATA_TRY((this->*read)(variable.type, external).Context(place));
      const auto [found, is_new] = externs_.emplace(external.name, external);
      if (!is_new && found->second.kind != external.kind) return Malformed(place + ": is declared in two ways");
    }
    return {};
  }

  Result<void> ReadKconfig(TypeId id, ExternSpec& external) {
    constexpr std::uint64_t kLongestString = 4096;
    const auto variable = STRATA_TRY(types_.Get<btf::Var>(id));
    external.kind = ExternKind::kKconfig;
    external.type = variable.type;
    const auto form = STRATA_TRY(FormOf(types_, variable.type));
    if (!form) {
      return Malformed(
          fmt::format("its type, {}, is none that a configuration value has (bool, enum libbpf_tristate, "
                      "char, an integer, an array of char)",
                      types_.Describe(variable.type)));
    }
    const std::uint64_t size = STRATA_TRY(types_.SizeOf(variable.type));
    if (size > kLongestString) return Malformed(fmt::format("{} bytes are too many", size));
    external.kconfig_type = form->type;
    external.is_signed = form->is_signed;
    external.size_bytes = static_cast<std::uint32_t>(size);
    values_.push_back(Value{external.name, form->alignment, external.size_bytes});
    return {};
  }

  Result<void> ReadKsym(TypeId id, ExternSpec& external) {
    if (types_.KindOf(id) == btf::Kind::kFunc) {
      external.kind = ExternKind::kFunction;
      external.type = id;
      return {};
    }
    const auto variable = STRATA_TRY(types_.Get<btf::Var>(id));
    const bool has_type = STRATA_TRY(types_.Resolve(variable.type))
    != btf::kVoid;
    external.kind = has_type ? ExternKind::kVariable : ExternKind::kAddress;
    if (has_type) external.type = variable.type;
    return {};
  }

  struct Value {
    std::string name;
    std::uint32_t alignment = 1;
    std::uint32_t size_bytes = 0;
  };

  void PlaceValues() {
    std::sort(values_.begin(), values_.end(), [](const Value& a, const Value& b) {
      return std::tie(b.alignment, a.size_bytes, a.name) < std::tie(a.alignment, b.size_bytes, b.name);
    });
    std::uint32_t end = 0;
    const Value* before = nullptr;
    for (const Value& value : values_) {
      if (before != nullptr && before->name == value.name) continue;
      ExternSpec& external = externs_.find(value.name)->second;
      external.offset_bytes = (end + value.alignment - 1) / value.alignment * value.alignment;
      end = external.offset_bytes + external.size_bytes;
      before = &value;
    }
  }

  const Btf& types_;
  const std::set<std::string_view>& weak_;
  Externs externs_;
  std::vector<Value> values_;
};

}  // namespace

Result<Externs> ReadExterns(const Btf& types, const ExternSections& sections, const std::set<std::string_view>& weak) {
  return ExternReader(types, weak).Read(sections);
}

std::uint32_t KconfigSize(const Externs& externs) {
  std::uint32_t end = 0;
  for (const auto& [name, external] : externs) {
    if (external.kind == ExternKind::kKconfig) end = std::max(end, external.offset_bytes + external.size_bytes);
  }
  return end;
}

}  // namespace strata::elf
