#include "core_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace strata::btf::core {
namespace {

constexpr int kDepth = 32;                 // of types behind one another, as in libbpf
constexpr std::uint32_t kMaxStrips = 256;  // typedefs and qualifiers on one type

Error Malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }
Error TooDeep(const Btf& btf, TypeId id) {
  return Malformed(fmt::format("type {} ({}) nests deeper than {} levels", id.value, KindName(btf.KindOf(id)), kDepth));
}

// All the ways in which C spells the type that is as wide as a pointer.
constexpr std::array<std::string_view, 11> kLongNames = {"long",
                                                         "long int",
                                                         "int long",
                                                         "unsigned long",
                                                         "long unsigned",
                                                         "unsigned long int",
                                                         "unsigned int long",
                                                         "long unsigned int",
                                                         "long int unsigned",
                                                         "int unsigned long",
                                                         "int long unsigned"};

std::uint32_t PointerBytes(const Btf& btf) {
  for (std::uint32_t id = 1; id < btf.type_count(); ++id) {
    if (btf.KindOf(TypeId{id}) != Kind::kInt) continue;
    if (std::find(kLongNames.begin(), kLongNames.end(), btf.NameOf(TypeId{id})) == kLongNames.end()) continue;
    const auto type = btf.Get<Int>(TypeId{id});
    if (type && (type->size_bytes == 4 || type->size_bytes == 8)) return type->size_bytes;
  }
  return 8;
}

std::optional<TypeId> TargetOfModifier(const Type& type) {
  if (const auto* typedef_type = std::get_if<Typedef>(&type)) return typedef_type->target;
  if (const auto* const_type = std::get_if<Const>(&type)) return const_type->target;
  if (const auto* volatile_type = std::get_if<Volatile>(&type)) return volatile_type->target;
  if (const auto* restrict_type = std::get_if<Restrict>(&type)) return restrict_type->target;
  if (const auto* tag = std::get_if<TypeTag>(&type)) return tag->target;
  return std::nullopt;
}

bool IsModifier(Kind kind) {
  return kind == Kind::kTypedef || kind == Kind::kConst || kind == Kind::kVolatile || kind == Kind::kRestrict ||
         kind == Kind::kTypeTag;
}

// Bytes of a type that is neither modifier nor array; nothing for what has none.
std::optional<std::uint64_t> OwnSize(const Type& type, std::uint32_t pointer_bytes) {
  if (std::holds_alternative<Pointer>(type)) return pointer_bytes;
  if (const auto* number = std::get_if<Int>(&type)) return number->size_bytes;
  if (const auto* composite = std::get_if<Struct>(&type)) return composite->size_bytes;
  if (const auto* composite = std::get_if<Union>(&type)) return composite->size_bytes;
  if (const auto* values = std::get_if<Enum>(&type)) return values->size_bytes;
  if (const auto* values = std::get_if<Enum64>(&type)) return values->size_bytes;
  if (const auto* number = std::get_if<Float>(&type)) return number->size_bytes;
  if (const auto* section = std::get_if<DataSec>(&type)) return section->size_bytes;
  return std::nullopt;
}

std::uint32_t EnumBytes(const Type& type) {
  if (const auto* narrow = std::get_if<Enum>(&type)) return narrow->size_bytes;
  return std::get<Enum64>(type).size_bytes;
}

bool IsPlainInt(const Type& type) { return std::get<Int>(type).bit_offset == 0; }

// Is the forward declaration one of the struct or union, or of the same kind as the other declaration?
bool DeclaresKind(const Forward& declaration, const Type& other) {
  if (const auto* forward = std::get_if<Forward>(&other)) return forward->is_union == declaration.is_union;
  return declaration.is_union ? std::holds_alternative<Union>(other) : std::holds_alternative<Struct>(other);
}

}  // namespace

void WorkLimit::BeginRelocation() {
  in_all_ -= granted_ - left_;
  granted_ = std::min(kStepsOfRelocation, in_all_);
  left_ = granted_;
}

Error WorkLimit::Exhausted() {
  return Error(ErrorCode::kNotSupported, "comparing its types takes too many steps to be meant seriously");
}

Side Side::Target(const Btf& btf, WorkLimit& limit) { return Side(btf, limit, PointerBytes(btf)); }

Result<TypeId> Side::Strip(TypeId id) const {
  for (std::uint32_t step = 0; step < kMaxStrips; ++step) {
    if (!Spend()) return WorkLimit::Exhausted();
    if (!IsModifier(btf_->KindOf(id))) return id;
    const Type type = STRATA_TRY(btf_->TypeById(id));
    id = *TargetOfModifier(type);
  }
  return Malformed(fmt::format("type {} is behind more than {} typedefs and qualifiers", id.value, kMaxStrips));
}

Result<std::uint32_t> Side::SizeOf(TypeId id) const {
  std::uint64_t count = 1;
  TypeId current = id;
  for (int depth = 0; depth < kDepth; ++depth) {
    current = STRATA_TRY(Strip(current));
    const Type type = STRATA_TRY(btf_->TypeById(current));
    if (const auto* array = std::get_if<Array>(&type)) {
      if (__builtin_mul_overflow(count, std::uint64_t{array->count}, &count) || count > UINT32_MAX) {
        return Malformed(fmt::format("type {} is larger than 4 GiB", id.value));
      }
      current = array->element;
      continue;
    }
    const auto size = OwnSize(type, pointer_bytes_);
    if (!size) return Malformed(fmt::format("{} has no size", btf_->Describe(id)));
    if (*size * count > UINT32_MAX) return Malformed(fmt::format("type {} is larger than 4 GiB", id.value));
    return static_cast<std::uint32_t>(*size * count);
  }
  return TooDeep(*btf_, id);
}

std::optional<RecordList<Member>> MembersOf(const Type& type) {
  if (const auto* composite = std::get_if<Struct>(&type)) return composite->members;
  if (const auto* composite = std::get_if<Union>(&type)) return composite->members;
  return std::nullopt;
}

std::optional<RecordList<EnumValue>> ValuesOf(const Type& type) {
  if (const auto* values = std::get_if<Enum>(&type)) return values->values;
  if (const auto* values = std::get_if<Enum64>(&type)) return values->values;
  return std::nullopt;
}

bool NamesAgree(std::string_view local, std::string_view target) {
  if (target.empty()) return local.empty();
  return EssentialName(local) == EssentialName(target);
}

Result<bool> TypeComparison::FieldsAreCompatible(TypeId local, TypeId target) {
  for (int depth = 0; depth < kDepth; ++depth) {
    local = STRATA_TRY(local_.Strip(local));
    target = STRATA_TRY(target_.Strip(target));
    const Kind kind = local_.btf().KindOf(local);
    const Kind target_kind = target_.btf().KindOf(target);
    if (IsComposite(kind) && IsComposite(target_kind)) return true;
    if (!KindsAgree(kind, target_kind)) return false;
    if (kind == Kind::kPointer || kind == Kind::kFloat) return true;
    if (IsEnum(kind) || kind == Kind::kForward) {
      const std::string_view name = local_.btf().NameOf(local);
      const std::string_view target_name = target_.btf().NameOf(target);
      return name.empty() || target_name.empty() || EssentialName(name) == EssentialName(target_name);
    }
    const Type local_type = STRATA_TRY(local_.btf().TypeById(local));
    const Type target_type = STRATA_TRY(target_.btf().TypeById(target));
    if (kind == Kind::kInt) return IsPlainInt(local_type) && IsPlainInt(target_type);
    if (kind != Kind::kArray) return false;
    local = std::get<Array>(local_type).element;
    target = std::get<Array>(target_type).element;
  }
  return TooDeep(local_.btf(), local);
}

Result<bool> TypeComparison::TypesAreCompatible(TypeId local, TypeId target) {
  // A typedef stands for a typedef only, whatever is behind them.
  if (!KindsAgree(local_.btf().KindOf(local), target_.btf().KindOf(target))) return false;
  return AreCompatible(local, target, kDepth);
}

Result<bool> TypeComparison::AreCompatible(TypeId local, TypeId target, int level) {
  for (int depth = 0; depth < kDepth; ++depth) {
    local = STRATA_TRY(local_.Strip(local));
    target = STRATA_TRY(target_.Strip(target));
    const Kind kind = local_.btf().KindOf(local);
    if (!KindsAgree(kind, target_.btf().KindOf(target))) return false;
    if (IsComposite(kind) || IsEnum(kind) || kind == Kind::kForward || kind == Kind::kUnknown) return true;
    const Type local_type = STRATA_TRY(local_.btf().TypeById(local));
    const Type target_type = STRATA_TRY(target_.btf().TypeById(target));
    if (kind == Kind::kInt) return IsPlainInt(local_type) && IsPlainInt(target_type);
    if (const auto* pointer = std::get_if<Pointer>(&local_type)) {
      local = pointer->target;
      target = std::get<Pointer>(target_type).target;
    } else if (const auto* array = std::get_if<Array>(&local_type)) {
      local = array->element;
      target = std::get<Array>(target_type).element;
    } else if (const auto* prototype = std::get_if<FuncProto>(&local_type)) {
      const auto& target_prototype = std::get<FuncProto>(target_type);
      if (!STRATA_TRY(PrototypesAreCompatible(*prototype, target_prototype, level))) return false;
      local = prototype->result;
      target = target_prototype.result;
    } else {
      return false;
    }
  }
  return TooDeep(local_.btf(), local);
}

Result<bool> TypeComparison::PrototypesAreCompatible(const FuncProto& local, const FuncProto& target, int level) {
  if (local.parameters.size() != target.parameters.size()) return false;
  if (level <= 0 && !local.parameters.empty()) return TooDeep(local_.btf(), local.parameters[0].type);
  for (std::uint32_t i = 0; i < local.parameters.size(); ++i) {
    if (!STRATA_TRY(AreCompatible(local.parameters[i].type, target.parameters[i].type, level - 1))) return false;
  }
  return true;
}

Result<bool> TypeComparison::TypesMatch(TypeId local, TypeId target) {
  return Match(local, target, Behind::kNothing, kDepth);
}

// Pointers and arrays are followed here; what they lead to is compared once for each pair of types.
Result<bool> TypeComparison::Match(TypeId local, TypeId target, Behind behind, int level) {
  if (level <= 0) return TooDeep(local_.btf(), local);
  for (int depth = 0; depth < kDepth; ++depth) {
    local = STRATA_TRY(local_.Strip(local));
    target = STRATA_TRY(target_.Strip(target));
    const Type local_type = STRATA_TRY(local_.btf().TypeById(local));
    const Type target_type = STRATA_TRY(target_.btf().TypeById(target));
    const auto* pointer = std::get_if<Pointer>(&local_type);
    const auto* array = std::get_if<Array>(&local_type);
    if (pointer == nullptr && array == nullptr) return MatchStripped(local, target, behind, level);
    if (local_type.index() != target_type.index()) return false;
    if (pointer != nullptr) {
      behind = Behind::kPointer;
      local = pointer->target;
      target = std::get<Pointer>(target_type).target;
    } else {
      if (array->count != std::get<Array>(target_type).count) return false;
      local = array->element;
      target = std::get<Array>(target_type).element;
    }
  }
  return TooDeep(local_.btf(), local);
}

Result<bool> TypeComparison::MatchStripped(TypeId local, TypeId target, Behind behind, int level) {
  const Pair pair{local, target, behind};
  if (const auto known = matched_.find(pair); known != matched_.end()) return known->second;
  const Type local_type = STRATA_TRY(local_.btf().TypeById(local));
  const Type target_type = STRATA_TRY(target_.btf().TypeById(target));
  if (!NamesAgree(local_.btf().NameOf(local), target_.btf().NameOf(target))) return false;

  const bool is_same_kind = local_type.index() == target_type.index();
  bool matches = false;
  if (const auto* declaration = std::get_if<Forward>(&local_type)) {
    matches = (behind == Behind::kPointer || is_same_kind) && DeclaresKind(*declaration, target_type);
  } else if (ValuesOf(local_type)) {
    matches = STRATA_TRY(MatchEnums(local_type, target_type));
  } else if (MembersOf(local_type)) {
    matches = STRATA_TRY(MatchComposites(local_type, target_type, behind, level));
  } else if (const auto* number = std::get_if<Int>(&local_type)) {
    const auto* other = std::get_if<Int>(&target_type);
    matches = other != nullptr && number->size_bytes == other->size_bytes && number->is_signed == other->is_signed;
  } else if (const auto* prototype = std::get_if<FuncProto>(&local_type)) {
    const auto* other = std::get_if<FuncProto>(&target_type);
    matches = other != nullptr && STRATA_TRY(MatchPrototypes(*prototype, *other, behind, level));
  } else {
    matches = is_same_kind && std::holds_alternative<Void>(local_type);
  }
  matched_.emplace(pair, matches);
  return matches;
}

Result<bool> TypeComparison::MatchComposites(const Type& local, const Type& target, Behind behind, int level) {
  const bool is_same_kind = local.index() == target.index();
  if (behind == Behind::kPointer) {
    const auto* declaration = std::get_if<Forward>(&target);
    return is_same_kind || (declaration != nullptr && DeclaresKind(*declaration, local));
  }
  if (!is_same_kind) return false;
  const RecordList<Member> members = *MembersOf(local);
  const RecordList<Member> target_members = *MembersOf(target);
  if (members.size() > target_members.size()) return false;
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (!STRATA_TRY(MatchMember(members[i], i, target_members, behind, level))) return false;
  }
  return true;
}

// Begins where the member most likely is: at its own position.
Result<bool> TypeComparison::MatchMember(const Member& local, std::uint32_t position, const RecordList<Member>& target,
                                         Behind behind, int level) {
  for (std::uint32_t i = 0; i < target.size(); ++i) {
    if (!local_.Spend()) return WorkLimit::Exhausted();
    const Member candidate = target[(position + i) % target.size()];
    if (!NamesAgree(local.name, candidate.name)) continue;
    if (STRATA_TRY(Match(local.type, candidate.type, behind, level - 1))) return true;
  }
  return false;
}

Result<bool> TypeComparison::MatchEnums(const Type& local, const Type& target) {
  const auto target_values = ValuesOf(target);
  if (!target_values || EnumBytes(local) != EnumBytes(target)) return false;
  const RecordList<EnumValue> values = *ValuesOf(local);
  if (values.size() > target_values->size()) return false;
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    const std::string_view name = values[i].name;
    bool is_found = false;
    for (std::uint32_t j = 0; j < target_values->size() && !is_found; ++j) {
      if (!local_.Spend()) return WorkLimit::Exhausted();
      is_found = NamesAgree(name, (*target_values)[(i + j) % target_values->size()].name);
    }
    if (!is_found) return false;
  }
  return true;
}

Result<bool> TypeComparison::MatchPrototypes(const FuncProto& local, const FuncProto& target, Behind behind,
                                             int level) {
  if (local.parameters.size() != target.parameters.size()) return false;
  for (std::uint32_t i = 0; i < local.parameters.size(); ++i) {
    if (!STRATA_TRY(Match(local.parameters[i].type, target.parameters[i].type, behind, level - 1))) return false;
  }
  return Match(local.result, target.result, behind, level - 1);
}

}  // namespace strata::btf::core
