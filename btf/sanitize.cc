#include "strata/btf/sanitize.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "layout.h"
#include "strata/btf/builder.h"

namespace strata::btf {
namespace {

// Names that the kernel takes for a type that is no data section.
std::string PlainName(std::string_view name) {
  std::string plain(name);
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c == '.' || c == '?'; }, '_');
  return plain;
}

class Sanitizer {
 public:
  Sanitizer(const Btf& types, Builder& builder) : types_(types), builder_(builder) {}

  // Each replaces one type; rows below say which.

  // With the name of the variable or tag. One byte, as the kernel checks that the members of the struct which stands
  // for the section do not reach past its end.
  Result<void> ReplaceByByte(TypeId id) {
    return builder_.Set(id, Int{.name = types_.NameOf(id), .size_bytes = 1, .bits = 8});
  }

  Result<void> ReplaceDataSection(TypeId id) {
    const auto section = STRATA_TRY(types_.Get<DataSec>(id));
    std::vector<Member> members;
    for (const SectionVariable variable : section.variables) {
      members.push_back({types_.NameOf(variable.type), variable.type, variable.offset_bytes * 8, 0});
    }
    return builder_.Set(id, Struct{PlainName(section.name), section.size_bytes, RecordList<Member>(members)});
  }

  Result<void> RenameDataSection(TypeId id) {
    const auto section = STRATA_TRY(types_.Get<DataSec>(id));
    std::string name(section.name);
    std::replace(name.begin(), name.end(), '?', '_');
    return builder_.Set(id, DataSec{name, section.size_bytes, section.variables});
  }

  Result<void> ReplaceFuncProto(TypeId id) {
    const auto prototype = STRATA_TRY(types_.Get<FuncProto>(id));
    // An enum's values need distinct, valid names; those of parameters may be missing.
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < prototype.parameters.size(); ++i) names.push_back("parameter_" + std::to_string(i));
    std::vector<EnumValue> values;
    for (const std::string& name : names) values.push_back({name, static_cast<std::int64_t>(values.size())});
    return builder_.Set(id, Enum{{}, 4, false, RecordList<EnumValue>(values)});
  }

  Result<void> ReplaceFunc(TypeId id) {
    const auto function = STRATA_TRY(types_.Get<Func>(id));
    return builder_.Set(id, Typedef{function.name, function.prototype});
  }

  Result<void> MakeFuncStatic(TypeId id) {
    const auto function = STRATA_TRY(types_.Get<Func>(id));
    return builder_.Set(id, Func{function.name, function.prototype, Linkage::kStatic});
  }

  Result<void> ReplaceFloat(TypeId id) {
    const auto number = STRATA_TRY(types_.Get<Float>(id));
    // Without a name, as "float" and "long double" are no names of structs.
    return builder_.Set(id, Struct{{}, number.size_bytes, {}});
  }

  Result<void> ReplaceTypeTag(TypeId id) {
    const auto tag = STRATA_TRY(types_.Get<TypeTag>(id));
    return builder_.Set(id, Const{tag.target});
  }

  Result<void> ReplaceEnum64(TypeId id) {
    const auto values = STRATA_TRY(types_.Get<Enum64>(id));
    const TypeId integer = STRATA_TRY(IntegerOf(values.size_bytes, values.is_signed));
    std::vector<Member> members;
    for (const EnumValue value : values.values) members.push_back({value.name, integer, 0, 0});
    return builder_.Set(id, Union{values.name, values.size_bytes, RecordList<Member>(members)});
  }

  Result<void> MakeEnumUnsigned(TypeId id) {
    const auto values = STRATA_TRY(types_.Get<Enum>(id));
    return builder_.Set(id, Enum{values.name, values.size_bytes, false, values.values});
  }

 private:
  Result<TypeId> IntegerOf(std::uint32_t size_bytes, bool is_signed) {
    TypeId& integer = integers_[{size_bytes, is_signed}];
    if (integer == kVoid) {
      integer = STRATA_TRY(builder_.Add(Int{.name = "enum64_placeholder",
                                            .size_bytes = size_bytes,
                                            .bits = static_cast<std::uint8_t>(size_bytes * 8),
                                            .is_signed = is_signed}));
    }
    return integer;
  }

  const Btf& types_;
  Builder& builder_;
  std::map<std::pair<std::uint32_t, bool>, TypeId> integers_;
};

struct Replacement {
  Kind kind;
  bool BtfFeatures::*feature;  // without which the type is replaced
  Result<void> (Sanitizer::*replace)(TypeId);
};

// Of two rows for one kind, the first whose feature is missing counts.
constexpr std::array kReplacements = {
    Replacement{Kind::kVar, &BtfFeatures::data_sections, &Sanitizer::ReplaceByByte},
    Replacement{Kind::kDataSec, &BtfFeatures::data_sections, &Sanitizer::ReplaceDataSection},
    Replacement{Kind::kDataSec, &BtfFeatures::question_marks, &Sanitizer::RenameDataSection},
    Replacement{Kind::kFuncProto, &BtfFeatures::functions, &Sanitizer::ReplaceFuncProto},
    Replacement{Kind::kFunc, &BtfFeatures::functions, &Sanitizer::ReplaceFunc},
    Replacement{Kind::kFunc, &BtfFeatures::global_functions, &Sanitizer::MakeFuncStatic},
    Replacement{Kind::kFloat, &BtfFeatures::floats, &Sanitizer::ReplaceFloat},
    Replacement{Kind::kDeclTag, &BtfFeatures::declaration_tags, &Sanitizer::ReplaceByByte},
    Replacement{Kind::kTypeTag, &BtfFeatures::type_tags, &Sanitizer::ReplaceTypeTag},
    Replacement{Kind::kEnum64, &BtfFeatures::wide_enums, &Sanitizer::ReplaceEnum64},
    Replacement{Kind::kEnum, &BtfFeatures::wide_enums, &Sanitizer::MakeEnumUnsigned},
};

}  // namespace

Result<std::vector<std::byte>> Sanitize(const Btf& types, const BtfFeatures& features) {
  Builder builder(types.base());
  STRATA_TRY(builder.Copy(types));
  Sanitizer sanitizer(types, builder);
  for (TypeId id{types.first_id()}; id.value < types.type_count(); ++id.value) {
    const Kind kind = types.KindOf(id);
    for (const Replacement& replacement : kReplacements) {
      if (replacement.kind != kind || features.*replacement.feature) continue;
      STRATA_TRY((sanitizer.*replacement.replace)(id));
      break;
    }
  }
  return builder.Build(types.byte_order());
}

}  // namespace strata::btf
