#include "core_value.h"

#include <fmt/format.h>

namespace strata::btf::core {
namespace {

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// A value on one side.
struct Value {
  std::uint64_t number = 0;
  bool must_match = true;          // meaningful for the local side
  std::uint32_t access_bytes = 0;  // of a load or store of the field
  TypeId accessed = {};            // whose access that is, stripped
};

// The bytes that are loaded to read a field.
struct Storage {
  std::uint64_t byte_offset = 0;
  std::uint32_t bytes = 0;
};

// The smallest naturally aligned load, not smaller than the declared type, that holds all bits of the field.
Result<Storage> StorageOfBitfield(std::uint64_t bit_offset, std::uint32_t bits, std::uint32_t declared_bytes) {
  if (!std::has_single_bit(declared_bytes) || declared_bytes > 16) {
    return Malformed(fmt::format("a bitfield in a type of {} bytes", declared_bytes));
  }
  Storage storage{0, declared_bytes};
  for (;;) {
    storage.byte_offset = bit_offset / 8 / storage.bytes * storage.bytes;
    if (bit_offset + bits - storage.byte_offset * 8 <= std::uint64_t{storage.bytes} * 8) return storage;
    if (storage.bytes >= 8) return Malformed("the bitfield does not fit a load of 8 bytes");
    storage.bytes *= 2;
  }
}

// Loads and stores reach single elements of an array.
Result<std::uint32_t> AccessBytes(const Side& side, TypeId id) {
  for (int depth = 0; depth < 32; ++depth) {
    id = STRATA_TRY(side.Strip(id));
    if (side.btf().KindOf(id) != Kind::kArray) return side.SizeOf(id);
    id = STRATA_TRY(side.btf().Get<Array>(id))
    .element;
  }
  return Malformed("its array has too many dimensions");
}

Result<Value> ElementValue(CoreKind kind, const Side& side, const Spec& spec) {
  const TypeId id = spec.accessors.back().type;
  Value value;
  if (kind == CoreKind::kFieldByteOffset) {
    value.number = spec.bit_offset / 8;
    value.access_bytes = STRATA_TRY(AccessBytes(side, id));
    value.accessed = STRATA_TRY(side.Strip(id));
    return value;
  }
  if (kind == CoreKind::kFieldByteSize) {
    value.number = STRATA_TRY(side.SizeOf(id));
    return value;
  }
  return Malformed("asked of an element of an array");
}

bool IsSigned(const Type& type) {
  if (const auto* number = std::get_if<Int>(&type)) return number->is_signed;
  if (const auto* values = std::get_if<Enum>(&type)) return values->is_signed;
  if (const auto* values = std::get_if<Enum64>(&type)) return values->is_signed;
  return false;
}

// The bits that lie left of a field once it is loaded into a register of 64 bits.
std::uint64_t LeftShift(std::uint64_t bit_offset, std::uint32_t bits, const Storage& storage, std::endian order) {
  const std::uint64_t offset_inside = bit_offset - storage.byte_offset * 8;
  if (order == std::endian::little) return 64 - (offset_inside + bits);
  return (8 - std::uint64_t{storage.bytes}) * 8 + offset_inside;
}

Result<Value> MemberValue(CoreKind kind, const Side& side, const Spec& spec, std::endian order) {
  const Accessor& last = spec.accessors.back();
  const Type composite = STRATA_TRY(side.btf().TypeById(last.type));
  const Member member = (*MembersOf(composite))[last.index];
  const TypeId id = STRATA_TRY(side.Strip(member.type));
  const Type type = STRATA_TRY(side.btf().TypeById(id));
  const bool is_bitfield = member.bitfield_bits > 0;
  Storage storage{spec.bit_offset / 8, 0};
  storage.bytes = STRATA_TRY(side.SizeOf(id));
  std::uint32_t bits = storage.bytes * 8;
  if (is_bitfield) {
    bits = member.bitfield_bits;
    storage = STRATA_TRY(StorageOfBitfield(spec.bit_offset, bits, storage.bytes));
  }
  // How a bitfield is loaded is the compiler's choice; its sign and width are not.
  Value value;
  value.must_match = !is_bitfield || kind == CoreKind::kFieldSigned || kind == CoreKind::kFieldRightShift;
  if (kind == CoreKind::kFieldByteOffset) {
    value.number = storage.byte_offset;
    if (is_bitfield) return value;
    value.access_bytes = STRATA_TRY(AccessBytes(side, id));
    value.accessed = id;
  } else if (kind == CoreKind::kFieldByteSize) {
    value.number = storage.bytes;
  } else if (kind == CoreKind::kFieldSigned) {
    value.number = IsSigned(type) ? 1 : 0;
  } else if (kind == CoreKind::kFieldLeftShift) {
    value.number = LeftShift(spec.bit_offset, bits, storage, order);
  } else {
    value.number = 64 - std::uint64_t{bits};
  }
  return value;
}

Result<Value> FieldValue(CoreKind kind, const Side& side, const Spec& spec, std::endian order) {
  if (kind == CoreKind::kFieldExists) return Value{1};
  if (spec.accessors.back().name.empty()) return ElementValue(kind, side, spec);
  return MemberValue(kind, side, spec, order);
}

// Before they had a bit for it, enums did not say whether they are signed, and 32 bits were sign-extended as in libbpf.
Result<Value> EnumeratorValue(CoreKind kind, const Side& side, const Spec& spec) {
  if (kind == CoreKind::kEnumValueExists) return Value{1};
  const Accessor& enumerator = spec.accessors[0];
  const Type type = STRATA_TRY(side.btf().TypeById(enumerator.type));
  const std::int64_t value = (*ValuesOf(type))[enumerator.index].value;
  if (std::holds_alternative<Enum>(type)) {
    return Value{static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)})};
  }
  return Value{static_cast<std::uint64_t>(value)};
}

Result<Value> TypeValue(CoreKind kind, const Side& side, const Spec& spec) {
  if (kind == CoreKind::kTypeSize) return Value {
      STRATA_TRY(side.SizeOf(spec.root))
    };
  // Linkers renumber types and leave the instruction as it was.
  if (kind == CoreKind::kTypeIdTarget) return Value{spec.root.value, false};
  return Value{1};
}

Result<Value> ValueOf(CoreKind kind, const Side& side, const Spec& spec, std::endian order) {
  if (IsFieldKind(kind)) return FieldValue(kind, side, spec, order);
  if (IsEnumValueKind(kind)) return EnumeratorValue(kind, side, spec);
  return TypeValue(kind, side, spec);
}

// Questions whose answer may be "no"; all others need a target.
bool HasAnswerForMissing(CoreKind kind) {
  return kind == CoreKind::kFieldExists || kind == CoreKind::kEnumValueExists || IsTypeKind(kind);
}

// Zero-extension keeps the value of what is unsigned, and of pointers, which a 32-bit kernel has half as wide.
Result<bool> MayAdjust(const Side& local, TypeId local_id, const Side& target, TypeId target_id) {
  const Type local_type = STRATA_TRY(local.btf().TypeById(local_id));
  const Type target_type = STRATA_TRY(target.btf().TypeById(target_id));
  if (std::holds_alternative<Pointer>(local_type)) return std::holds_alternative<Pointer>(target_type);
  const auto* number = std::get_if<Int>(&local_type);
  const auto* other = std::get_if<Int>(&target_type);
  return number != nullptr && other != nullptr && !number->is_signed && !other->is_signed;
}

bool HasOpenSign(CoreKind kind, const Side& local, const Spec& spec, const Side& target, const Spec& found) {
  const auto is_open = [](const Side& side, const Spec& of) {
    const auto type = side.btf().Get<Enum>(of.accessors[0].type);
    return type && !type->is_signed;
  };
  return kind == CoreKind::kEnumValue && is_open(local, spec) && is_open(target, found);
}

}  // namespace

Result<CoreResolution> Resolve(CoreKind kind, const Side& local, const Spec& spec, const Side* target,
                               const Spec* found, std::endian order) {
  const Value before = STRATA_TRY(ValueOf(kind, local, spec, order));
  CoreResolution resolution;
  resolution.local = before.number;
  resolution.must_match = before.must_match;
  if (found == nullptr) {
    resolution.is_poisoned = !HasAnswerForMissing(kind);
    return resolution;
  }
  const Value after = STRATA_TRY(ValueOf(kind, *target, *found, order).Context("in the target"));
  resolution.target = after.number;
  resolution.has_open_sign = HasOpenSign(kind, local, spec, *target, *found);
  if (before.access_bytes != after.access_bytes) {
    // Sizes that differ between a bitfield (which has none here) and a field cannot be adjusted either.
    resolution.cannot_adjust = before.access_bytes == 0 || after.access_bytes == 0 ||
                               !STRATA_TRY(MayAdjust(local, before.accessed, *target, after.accessed));
    resolution.local_access_bytes = before.access_bytes;
    resolution.target_access_bytes = after.access_bytes;
  }
  return resolution;
}

}  // namespace strata::btf::core
