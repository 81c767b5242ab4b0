#include "print_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {

std::string_view ReferenceKindName(ReferenceKind kind) {
  switch (kind) {
    case ReferenceKind::kMap:
      return "map";
    case ReferenceKind::kMapValue:
      return "map_value";
    case ReferenceKind::kFunctionCall:
      return "call";
    case ReferenceKind::kFunctionAddress:
      return "function_address";
    case ReferenceKind::kKsym:
      return "ksym";
    case ReferenceKind::kKfunc:
      return "kfunc";
  }
  return {};
}

std::string_view ExternKindName(ExternKind kind) {
  switch (kind) {
    case ExternKind::kKconfig:
      return "kconfig";
    case ExternKind::kAddress:
      return "ksym_address";
    case ExternKind::kVariable:
      return "ksym_variable";
    case ExternKind::kFunction:
      return "kfunc";
  }
  return {};
}

std::string_view KconfigTypeName(KconfigType type) {
  switch (type) {
    case KconfigType::kBool:
      return "bool";
    case KconfigType::kTristate:
      return "tristate";
    case KconfigType::kChar:
      return "char";
    case KconfigType::kInteger:
      return "integer";
    case KconfigType::kString:
      return "string";
  }
  return {};
}

std::string_view PinTypeName(PinType type) { return type == PinType::kByName ? "by_name" : "none"; }

std::string TypeText(const CollectionSpec& spec, btf::TypeId type) {
  return spec.types == nullptr || !type ? std::string() : spec.types->Describe(type);
}

std::string HexadecimalText(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

bool IsZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

std::string KernelVersionText(std::uint32_t version) {
  return fmt::format("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff);
}

}  // namespace strata
