#include "strata/spec/value_shape.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

namespace strata {
namespace {

// The bits of the classes that a type takes.
constexpr std::uint32_t Bit(ValueClass kind) { return 1U << static_cast<std::uint32_t>(kind); }
constexpr std::uint32_t kAnyInteger = Bit(ValueClass::kSigned) | Bit(ValueClass::kUnsigned) | Bit(ValueClass::kEnum);

std::uint32_t ClassesOf(const btf::Int& type) {
  if (type.is_bool) return Bit(ValueClass::kBool);
  const std::uint32_t letter = type.size_bytes == 1 ? Bit(ValueClass::kCharacter) : 0;
  return Bit(type.is_signed ? ValueClass::kSigned : ValueClass::kUnsigned) | Bit(ValueClass::kEnum) | letter;
}

std::uint32_t ClassesOf(const btf::Type& type) {
  if (const auto* number = std::get_if<btf::Int>(&type)) return ClassesOf(*number);
  if (std::holds_alternative<btf::Enum>(type) || std::holds_alternative<btf::Enum64>(type)) return kAnyInteger;
  if (std::holds_alternative<btf::Float>(type)) return Bit(ValueClass::kFloat);
  if (std::holds_alternative<btf::Pointer>(type)) return Bit(ValueClass::kUnsigned);
  return 0;
}

std::string_view NameOf(ValueClass kind) {
  switch (kind) {
    case ValueClass::kObject:
      return "an object";
    case ValueClass::kSigned:
      return "a signed integer";
    case ValueClass::kUnsigned:
      return "an unsigned integer";
    case ValueClass::kCharacter:
      return "a char";
    case ValueClass::kBool:
      return "a bool";
    case ValueClass::kFloat:
      return "a floating-point number";
    case ValueClass::kEnum:
      return "an enum";
  }
  return "a value";
}

}  // namespace

std::string DescribeShape(const ValueShape& shape) {
  return fmt::format("{} of {} byte{}", NameOf(shape.kind), shape.size_bytes, shape.size_bytes == 1 ? "" : "s");
}

Result<void> CheckShape(const btf::Btf& types, btf::TypeId type, const ValueShape& shape) {
  const std::uint64_t size = STRATA_TRY(types.SizeOf(type));
  const btf::Type resolved = STRATA_TRY(types.TypeById(STRATA_TRY(types.Resolve(type))));
  const bool has_kind = shape.kind == ValueClass::kObject || (ClassesOf(resolved) & Bit(shape.kind)) != 0;
  if (size == shape.size_bytes && has_kind) return {};
  return Error(ErrorCode::kInvalidArgument, fmt::format("is of type {} ({} bytes), and the value is {}",
                                                        types.Describe(type), size, DescribeShape(shape)));
}

}  // namespace strata
