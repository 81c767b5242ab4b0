// What a chain of types comes to: its end, its size, its name in C.
#include <fmt/format.h>

#include "raw_type.h"

namespace strata::btf {
namespace {

constexpr std::uint32_t kPointerSize = 8;

// Longer than any chain that a compiler writes; the kernel takes 32. A circle ends here.
constexpr int kMaxChain = 128;

Error EndlessChain(const Btf& types, TypeId id) {
  return Error(ErrorCode::kMalformed, fmt::format("{}: type {} refers to itself, or through more than {} others",
                                                  types.where(), id.value, kMaxChain));
}

Error TooLarge(const Btf& types, TypeId id) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: type {} is too large", types.where(), id.value));
}

}  // namespace

Result<TypeId> Btf::Resolve(TypeId id) const {
  TypeId current = id;
  for (int step = 0; step < kMaxChain; ++step) {
    if (current.value >= type_count()) return TypeById(current).error();
    const RawType raw = RawAt(current);
    if (!IsModifier(raw.kind)) return current;
    current = raw.target();
  }
  return EndlessChain(*this, id);
}

Result<std::uint64_t> Btf::SizeOf(TypeId id) const {
  std::uint64_t count = 1;
  TypeId current = id;
  for (int step = 0; step < kMaxChain; ++step) {
    // Its fixed part is checked here, whichever way the BTF was.
    const Type type = STRATA_TRY(TypeById(current));
    const RawType raw = RawAt(current);
    std::uint64_t size = raw.size_or_target;
    switch (raw.kind) {
      case Kind::kPointer:
        size = kPointerSize;
        break;
      case Kind::kArray: {
        const Array& array = std::get<Array>(type);
        if (__builtin_mul_overflow(count, std::uint64_t{array.count}, &count)) return TooLarge(*this, id);
        current = array.element;
        continue;
      }
      case Kind::kVar:
      case Kind::kTypedef:
      case Kind::kVolatile:
      case Kind::kConst:
      case Kind::kRestrict:
      case Kind::kTypeTag:
        current = raw.target();
        continue;
      case Kind::kInt:
      case Kind::kStruct:
      case Kind::kUnion:
      case Kind::kEnum:
      case Kind::kEnum64:
      case Kind::kDataSec:
      case Kind::kFloat:
        break;
      case Kind::kUnknown:
      case Kind::kForward:
      case Kind::kFunc:
      case Kind::kFuncProto:
      case Kind::kDeclTag:
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("{}: type {} ({}) has no size", where_, current.value, KindName(raw.kind)));
    }
    if (__builtin_mul_overflow(count, size, &count)) return TooLarge(*this, id);
    return count;
  }
  return EndlessChain(*this, id);
}

std::string Btf::Describe(TypeId id) const {
  // Deep enough for what people write; a circle ends here too.
  constexpr int kMaxDepth = 16;
  std::string suffix;
  TypeId current = id;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (current == kVoid) return "void" + suffix;
    if (current.value >= type_count()) break;
    const RawType raw = RawAt(current);
    const std::string_view name = Owner(current).Name(raw.name);
    const auto named = [&](std::string_view keyword) {
      return fmt::format("{}{}{}", keyword, name.empty() ? "(anonymous)" : name, suffix);
    };
    switch (raw.kind) {
      case Kind::kPointer:
        suffix = (suffix.starts_with('*') ? "*" : " *") + std::string(suffix);
        break;
      case Kind::kArray: {
        const Array array = std::get<Array>(Owner(current).Decode(raw));
        suffix += fmt::format("[{}]", array.count);
        current = array.element;
        continue;
      }
      case Kind::kConst:
        suffix.insert(0, " const");
        break;
      case Kind::kVolatile:
        suffix.insert(0, " volatile");
        break;
      case Kind::kRestrict:
      case Kind::kTypeTag:
        break;
      case Kind::kUnknown:
        return "void" + suffix;
      case Kind::kStruct:
        return named("struct ");
      case Kind::kUnion:
        return named("union ");
      case Kind::kForward:
        return named(raw.kind_flag ? "union " : "struct ");
      case Kind::kEnum:
      case Kind::kEnum64:
        return named("enum ");
      case Kind::kFunc:
      case Kind::kFuncProto:
        return fmt::format("function{}", suffix);
      case Kind::kInt:
      case Kind::kTypedef:
      case Kind::kVar:
      case Kind::kDataSec:
      case Kind::kFloat:
      case Kind::kDeclTag:
        return named("");
    }
    current = raw.target();
  }
  return "?" + suffix;
}

}  // namespace strata::btf
