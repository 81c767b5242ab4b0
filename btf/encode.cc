#include "encode.h"

#include <fmt/format.h>

#include <algorithm>

#include "layout.h"

namespace strata::btf {
namespace {

constexpr std::uint32_t kMaxBitfieldOffset = 0xffffff;

Error Invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

class Encoder {
 public:
  explicit Encoder(StringTable& strings) : strings_(strings) {}

  Result<void> operator()(const Void&) { return Invalid("void is type 0 of every BTF and cannot be added"); }
  Result<void> operator()(const Int& type) {
    Start(Kind::kInt, type.name, 0, type.size_bytes);
    const std::uint32_t encoding = (type.is_signed ? 1U : 0U) | (type.is_char ? 2U : 0U) | (type.is_bool ? 4U : 0U);
    Put(encoding << 24 | std::uint32_t{type.bit_offset} << 16 | type.bits);
    return {};
  }
  Result<void> operator()(const Pointer& type) { return Modifier(Kind::kPointer, {}, type.target); }
  Result<void> operator()(const Array& type) {
    Start(Kind::kArray, {}, 0, 0);
    Put(type.element.value);
    Put(type.index.value);
    Put(type.count);
    return {};
  }
  Result<void> operator()(const Struct& type) { return Composite(Kind::kStruct, type); }
  Result<void> operator()(const Union& type) { return Composite(Kind::kUnion, type); }
  Result<void> operator()(const Enum& type) {
    STRATA_TRY(StartRecords(Kind::kEnum, type.name, type.values.size(), type.size_bytes, type.is_signed));
    for (const EnumValue value : type.values) {
      Put(strings_.Add(value.name));
      Put(static_cast<std::uint32_t>(value.value));
    }
    return {};
  }
  Result<void> operator()(const Enum64& type) {
    STRATA_TRY(StartRecords(Kind::kEnum64, type.name, type.values.size(), type.size_bytes, type.is_signed));
    for (const EnumValue value : type.values) {
      Put(strings_.Add(value.name));
      Put(static_cast<std::uint32_t>(value.value));
      Put(static_cast<std::uint32_t>(static_cast<std::uint64_t>(value.value) >> 32));
    }
    return {};
  }
  Result<void> operator()(const Forward& type) {
    Start(Kind::kForward, type.name, 0, 0, type.is_union);
    return {};
  }
  Result<void> operator()(const Typedef& type) { return Modifier(Kind::kTypedef, type.name, type.target); }
  Result<void> operator()(const Volatile& type) { return Modifier(Kind::kVolatile, {}, type.target); }
  Result<void> operator()(const Const& type) { return Modifier(Kind::kConst, {}, type.target); }
  Result<void> operator()(const Restrict& type) { return Modifier(Kind::kRestrict, {}, type.target); }
  Result<void> operator()(const Func& type) {
    Start(Kind::kFunc, type.name, static_cast<std::uint32_t>(type.linkage), type.prototype.value);
    return {};
  }
  Result<void> operator()(const FuncProto& type) {
    STRATA_TRY(StartRecords(Kind::kFuncProto, {}, type.parameters.size(), type.result.value));
    for (const Parameter parameter : type.parameters) {
      Put(strings_.Add(parameter.name));
      Put(parameter.type.value);
    }
    return {};
  }
  Result<void> operator()(const Var& type) {
    Start(Kind::kVar, type.name, 0, type.type.value);
    Put(static_cast<std::uint32_t>(type.linkage));
    return {};
  }
  Result<void> operator()(const DataSec& type) {
    STRATA_TRY(StartRecords(Kind::kDataSec, type.name, type.variables.size(), type.size_bytes));
    for (const SectionVariable variable : type.variables) {
      Put(variable.type.value);
      Put(variable.offset_bytes);
      Put(variable.size_bytes);
    }
    return {};
  }
  Result<void> operator()(const Float& type) {
    Start(Kind::kFloat, type.name, 0, type.size_bytes);
    return {};
  }
  Result<void> operator()(const DeclTag& type) {
    Start(Kind::kDeclTag, type.tag, 0, type.target.value);
    Put(static_cast<std::uint32_t>(type.component));
    return {};
  }
  Result<void> operator()(const TypeTag& type) { return Modifier(Kind::kTypeTag, type.tag, type.target); }

  std::vector<std::uint32_t> words() && { return std::move(words_); }

 private:
  void Put(std::uint32_t word) { words_.push_back(word); }

  void Start(Kind kind, std::string_view name, std::uint32_t count, std::uint32_t size_or_target,
             bool kind_flag = false) {
    Put(strings_.Add(name));
    Put(MakeInfo(kind, count, kind_flag));
    Put(size_or_target);
  }
  Result<void> StartRecords(Kind kind, std::string_view name, std::uint32_t count, std::uint32_t size_or_target,
                            bool kind_flag = false) {
    if (count > kMaxRecords) {
      return Invalid(fmt::format("{} {}: {} records, BTF has room for {}", KindName(kind), name, count, kMaxRecords));
    }
    Start(kind, name, count, size_or_target, kind_flag);
    return {};
  }
  Result<void> Modifier(Kind kind, std::string_view name, TypeId target) {
    Start(kind, name, 0, target.value);
    return {};
  }

  template <typename Type>
  Result<void> Composite(Kind kind, const Type& type) {
    const bool has_bitfields = std::any_of(type.members.begin(), type.members.end(),
                                           [](const Member& member) { return member.bitfield_bits != 0; });
    STRATA_TRY(StartRecords(kind, type.name, type.members.size(), type.size_bytes, has_bitfields));
    for (const Member member : type.members) {
      if (has_bitfields && (member.bit_offset > kMaxBitfieldOffset || member.bitfield_bits > 0xff)) {
        return Invalid(fmt::format("{} {}: member {}: {} bits at bit {} do not fit a BTF with bitfields",
                                   KindName(kind), type.name, member.name, member.bitfield_bits, member.bit_offset));
      }
      Put(strings_.Add(member.name));
      Put(member.type.value);
      Put(has_bitfields ? member.bitfield_bits << 24 | member.bit_offset : member.bit_offset);
    }
    return {};
  }

  StringTable& strings_;
  std::vector<std::uint32_t> words_;
};

}  // namespace

Result<std::vector<std::uint32_t>> EncodeType(const Type& type, StringTable& strings) {
  Encoder encoder(strings);
  STRATA_TRY(std::visit(encoder, type));
  return std::move(encoder).words();
}

}  // namespace strata::btf
