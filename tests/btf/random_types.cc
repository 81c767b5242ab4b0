#include "random_types.h"

#include <concepts>
#include <random>

namespace strata::btf {
namespace {

class Generator {
 public:
  Generator(std::uint32_t seed, std::uint32_t count, std::shared_ptr<const Btf> base)
      : random_(seed), builder_(std::move(base)), last_(builder_.next_id().value + count - 1) {}

  Builder Run() && {
    while (builder_.next_id().value <= last_) AddOne();
    return std::move(builder_);
  }

 private:
  std::uint32_t Below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  bool Coin() { return Below(2) == 0; }
  TypeId AnyId() { return TypeId{Below(last_ + 1)}; }
  std::string Name() { return "n" + std::to_string(Below(20)); }

  std::vector<Member> Members(std::vector<std::string>* names) {
    std::vector<Member> members;
    const bool has_bitfields = Coin();
    names->reserve(8);
    for (std::uint32_t i = Below(5); i-- > 0;) {
      names->push_back(Coin() ? Name() : "");
      members.push_back({names->back(), AnyId(), Below(1000), has_bitfields ? Below(9) : 0});
    }
    return members;
  }
  std::vector<EnumValue> Values(std::vector<std::string>* names, bool is_signed, bool is_wide) {
    std::vector<EnumValue> values;
    names->reserve(8);
    for (std::uint32_t i = Below(5); i-- > 0;) {
      names->push_back(Name());
      std::int64_t value = Below(100);
      if (is_wide) value <<= 33;
      values.push_back({names->back(), is_signed ? -value : value});
    }
    return values;
  }

  void AddOne() {
    const std::string name = Name();
    std::vector<std::string> names;
    const bool is_signed = Coin();
    switch (static_cast<Kind>(1 + Below(kKindCount - 1))) {
      case Kind::kUnknown:
        break;
      case Kind::kInt:
        Add(Int{.name = name, .size_bytes = 4, .bits = 32, .is_signed = is_signed, .is_char = Coin()});
        break;
      case Kind::kPointer:
        Add(Pointer{AnyId()});
        break;
      case Kind::kArray:
        Add(Array{AnyId(), AnyId(), Below(10)});
        break;
      case Kind::kStruct: {
        const auto members = Members(&names);
        Add(Struct{name, Below(64), RecordList<Member>(members)});
        break;
      }
      case Kind::kUnion: {
        const auto members = Members(&names);
        Add(Union{name, Below(64), RecordList<Member>(members)});
        break;
      }
      case Kind::kEnum: {
        const auto values = Values(&names, is_signed, false);
        Add(Enum{name, 4, is_signed, RecordList<EnumValue>(values)});
        break;
      }
      case Kind::kEnum64: {
        const auto values = Values(&names, is_signed, true);
        Add(Enum64{name, 8, is_signed, RecordList<EnumValue>(values)});
        break;
      }
      case Kind::kForward:
        Add(Forward{name, Coin()});
        break;
      case Kind::kTypedef:
        Add(Typedef{name, AnyId()});
        break;
      case Kind::kVolatile:
        Add(Volatile{AnyId()});
        break;
      case Kind::kConst:
        Add(Const{AnyId()});
        break;
      case Kind::kRestrict:
        Add(Restrict{AnyId()});
        break;
      case Kind::kFunc:
        Add(Func{name, AnyId(), Coin() ? Linkage::kStatic : Linkage::kGlobal});
        break;
      case Kind::kFuncProto: {
        const Parameter parameters[] = {{name, AnyId()}, {"", AnyId()}};
        Add(FuncProto{AnyId(), RecordList<Parameter>(std::span(parameters).first(Below(3)))});
        break;
      }
      case Kind::kVar:
        Add(Var{name, AnyId(), Linkage::kGlobal});
        break;
      case Kind::kDataSec: {
        const SectionVariable variables[] = {{AnyId(), 0, 4}, {AnyId(), 4, 8}};
        Add(DataSec{name, 12, RecordList<SectionVariable>(std::span(variables).first(Below(3)))});
        break;
      }
      case Kind::kFloat:
        Add(Float{name, 8});
        break;
      case Kind::kDeclTag:
        Add(DeclTag{name, AnyId(), static_cast<std::int32_t>(Below(3)) - 1});
        break;
      case Kind::kTypeTag:
        Add(TypeTag{name, AnyId()});
        break;
    }
  }

  void Add(const Type& type) { static_cast<void>(builder_.Add(type).value()); }

  std::mt19937 random_;
  Builder builder_;
  std::uint32_t last_;
};

// Every field of a type or a record that has it.
struct TextOf {
  std::string text;

  template <typename Value>
  std::string operator()(const Value& value) {
    if constexpr (requires { value.name; }) Put("name", value.name);
    if constexpr (requires { value.tag; }) Put("tag", value.tag);
    if constexpr (requires { value.type; }) Put("type", value.type.value);
    if constexpr (requires { value.target; }) Put("target", value.target.value);
    if constexpr (requires { value.element; }) Put("element", value.element.value);
    if constexpr (requires { value.index; }) Put("index", value.index.value);
    if constexpr (requires { value.prototype; }) Put("prototype", value.prototype.value);
    if constexpr (requires { value.result; }) Put("result", value.result.value);
    if constexpr (requires { value.count; }) Put("count", value.count);
    if constexpr (requires { value.value; }) Put("value", value.value);
    if constexpr (requires { value.size_bytes; }) Put("size", value.size_bytes);
    if constexpr (requires { value.bits; }) Put("bits", value.bits);
    if constexpr (requires { value.bit_offset; }) Put("bit_offset", value.bit_offset);
    if constexpr (requires { value.bitfield_bits; }) Put("bitfield", value.bitfield_bits);
    if constexpr (requires { value.offset_bytes; }) Put("offset", value.offset_bytes);
    if constexpr (requires { value.is_signed; }) Put("signed", value.is_signed);
    if constexpr (requires { value.is_char; }) Put("char", value.is_char);
    if constexpr (requires { value.is_bool; }) Put("bool", value.is_bool);
    if constexpr (requires { value.is_union; }) Put("union", value.is_union);
    if constexpr (requires { value.linkage; }) Put("linkage", static_cast<int>(value.linkage));
    if constexpr (requires { value.component; }) Put("component", value.component);
    if constexpr (requires { value.members; }) PutRecords(value.members);
    if constexpr (requires { value.values; }) PutRecords(value.values);
    if constexpr (requires { value.parameters; }) PutRecords(value.parameters);
    if constexpr (requires { value.variables; }) PutRecords(value.variables);
    return text;
  }

 private:
  void Put(const char* field, std::string_view value) { text += std::string(" ") + field + "=" + std::string(value); }
  template <std::integral Number>
  void Put(const char* field, Number value) {
    Put(field, std::to_string(value));
  }
  template <typename Records>
  void PutRecords(const Records& records) {
    for (const auto& record : records) text += "; " + TextOf{}(record);
  }
};

}  // namespace

Builder RandomTypes(std::uint32_t seed, std::uint32_t count, std::shared_ptr<const Btf> base) {
  return Generator(seed, count, std::move(base)).Run();
}

std::vector<std::string> TypeTexts(const Btf& types) {
  std::vector<std::string> texts;
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    texts.push_back(std::visit(TextOf{std::string(KindName(types.KindOf(TypeId{id})))}, *types.TypeById(TypeId{id})));
  }
  return texts;
}

}  // namespace strata::btf
