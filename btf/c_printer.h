// Prints the types of a BTF as declarations: what C and C++ have in common. The hooks are where they differ.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "c_layout.h"
#include "c_names.h"
#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::btf {

// Compilers make an enum as large as its values need, but at least an int.
template <typename AnyEnum>
std::string EnumAttribute(const AnyEnum& type) {
  const bool is_wide = std::any_of(type.values.begin(), type.values.end(), [&](const EnumValue& value) {
    return type.is_signed ? value.value < INT32_MIN || value.value > INT32_MAX
                          : static_cast<std::uint64_t>(value.value) > UINT32_MAX;
  });
  if (type.size_bytes == 1) return " __attribute__((mode(QI)))";
  if (type.size_bytes == 2) return " __attribute__((mode(HI)))";
  return type.size_bytes == 8 && !is_wide ? " __attribute__((mode(DI)))" : "";
}

class CPrinter {
 public:
  static constexpr int kMaxDepth = 256;  // of types in types
  static constexpr int kMaxChain = 128;  // of pointers, arrays and qualifiers around one type
  static constexpr std::size_t kMaxPrototype = std::size_t{1} << 16;
  static constexpr std::size_t kStepsPerByte = 2;
  static constexpr std::size_t kMinSteps = std::size_t{1} << 16;
  // Larger gaps are an array with a name; smaller ones are unnamed, so that they are no members.
  static constexpr std::uint64_t kMaxUnnamedPaddingBits = 8ULL * 1024;

  CPrinter(const Btf& types, CNames names)
      : types_(types),
        names_(std::move(names)),
        layouts_(types),
        states_(types.type_count()),
        is_inline_(types.type_count()) {
    for (const Btf* part = &types; part != nullptr; part = part->base().get()) {
      max_steps_ += part->bytes().size() * kStepsPerByte;
    }
    FindInlineEnums();
  }

  CPrinter(const CPrinter&) = delete;
  CPrinter& operator=(const CPrinter&) = delete;
  virtual ~CPrinter() = default;

  Result<std::string> Print(std::span<const TypeId> wanted) {
    for (const TypeId id : wanted) {
      if (id.value >= types_.type_count()) return types_.TypeById(id).error();
      Complete(id);
    }
    for (TypeId id{types_.first_id()}; wanted.empty() && id.value < types_.type_count() && !error_; ++id.value) {
      PrintTopLevel(id);
    }
    if (error_) return *error_;
    return std::move(text_);
  }

 protected:
  // The hooks. What a padding, an enum or a member is called, and what follows a definition.
  virtual std::string NumberName(const Int& type) { return CNumberName(type); }
  virtual std::string EnumHead(std::string_view name, std::uint32_t, bool) {
    return fmt::format("enum {}{}", name, name.empty() ? "" : " ");
  }
  virtual std::string EnumTail(const Enum& type) { return EnumAttribute(type); }
  virtual std::string EnumTail(const Enum64& type) { return EnumAttribute(type); }
  virtual bool ShowsEveryGap() const { return false; }
  virtual void AddPadding(TypeId, std::uint64_t from, std::uint64_t to, int level, std::string* text) {
    AddUnnamedPadding(from, to, level, text);
  }
  virtual std::string PaddingName() { return "__padding"; }
  virtual std::vector<std::string> MemberNames(const RecordList<Member>& members) {
    std::vector<std::string> names;
    for (const Member member : members) names.push_back(CIdentifier(member.name));
    return names;
  }
  virtual std::string EmptyBody(int) { return {}; }
  virtual std::string Checks(TypeId) { return {}; }

 private:
  enum class State : std::uint8_t { kNew, kDeclared, kInProgress, kDone };

  // Recursion is as deep as types lie in each other.
  class Nesting {
   public:
    Nesting(CPrinter& printer, TypeId id) : printer_(printer) {
      if (++printer_.depth_ > kMaxDepth) printer_.Fail(id, "is nested too deeply");
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --printer_.depth_; }

   private:
    CPrinter& printer_;
  };

  // Only the first failure counts.
  void Fail(TypeId id, std::string_view message) {
    if (error_) return;
    error_ = Error(ErrorCode::kMalformed, fmt::format("{}: type {} ({} {}): {}", types_.where(), id.value,
                                                      KindName(types_.KindOf(id)), types_.NameOf(id), message));
  }

  std::optional<Type> TypeOf(TypeId id) {
    auto type = types_.TypeById(id);
    if (!type && !error_) error_ = type.error();
    // What has no name is printed wherever it is used, which may be many more times than the BTF has bytes.
    if (++steps_ > max_steps_) Fail(id, "the text of types without names is too large");
    if (!type || error_) return std::nullopt;
    return *type;
  }

  State& StateOf(TypeId id) { return states_[id.value]; }

  // Enums without a name are printed where they are used; those that nothing printed uses stand alone.
  void FindInlineEnums() {
    const auto use = [this](TypeId id) {
      if (id.value < is_inline_.size()) is_inline_[id.value] = true;
    };
    for (TypeId id{1}; id.value < types_.type_count(); ++id.value) {
      const auto type = types_.TypeById(id);
      if (!type) continue;
      if (const auto* composite = std::get_if<Struct>(&*type)) UseMembers(composite->members, use);
      if (const auto* composite = std::get_if<Union>(&*type)) UseMembers(composite->members, use);
      if (const auto* alias = std::get_if<Typedef>(&*type)) use(alias->target);
      if (const auto* array = std::get_if<Array>(&*type)) use(array->element);
    }
  }
  template <typename Use>
  static void UseMembers(const RecordList<Member>& members, Use use) {
    for (const Member member : members) use(member.type);
  }

  void PrintTopLevel(TypeId id) {
    const auto type = TypeOf(id);
    if (!type) return;
    const bool has_name = !names_.Of(id).empty();
    const bool is_composite = std::holds_alternative<Struct>(*type) || std::holds_alternative<Union>(*type);
    const bool is_enum = std::holds_alternative<Enum>(*type) || std::holds_alternative<Enum64>(*type);
    if (is_composite && has_name) Complete(id);
    if (is_enum && (has_name || !is_inline_[id.value])) DefineEnum(id);
    if (std::holds_alternative<Typedef>(*type) || std::holds_alternative<Forward>(*type)) Declare(id);
  }

  // After it, values of the type may be declared.
  void Complete(TypeId id) {
    const Nesting nesting(*this, id);
    const auto type = TypeOf(id);
    if (type) std::visit([&](const auto& kind) { CompleteKind(id, kind); }, *type);
  }
  void CompleteKind(TypeId id, const Struct& type) { CompleteComposite(id, type); }
  void CompleteKind(TypeId id, const Union& type) { CompleteComposite(id, type); }
  void CompleteKind(TypeId id, const Typedef& type) {
    Complete(type.target);
    Declare(id);
  }
  void CompleteKind(TypeId, const Array& type) { Complete(type.element); }
  void CompleteKind(TypeId, const Const& type) { Complete(type.target); }
  void CompleteKind(TypeId, const Volatile& type) { Complete(type.target); }
  void CompleteKind(TypeId, const Restrict& type) { Complete(type.target); }
  void CompleteKind(TypeId, const TypeTag& type) { Complete(type.target); }
  template <typename Other>
  void CompleteKind(TypeId id, const Other&) {
    Declare(id);
  }

  template <typename Composite>
  void CompleteComposite(TypeId id, const Composite& type) {
    if (StateOf(id) == State::kDone) return;
    if (StateOf(id) == State::kInProgress) return Fail(id, "contains itself");
    StateOf(id) = State::kInProgress;
    for (const Member member : type.members) {
      if (error_) return;
      Complete(member.type);
    }
    StateOf(id) = State::kDone;
    if (names_.Of(id).empty()) return;  // its text stands where it is used
    const std::string definition = CompositeText(id, type, 0);
    if (error_) return;  // what follows would be as large as what was refused
    text_ += '\n' + definition + ";\n" + Checks(id);
  }

  // After it, the type's name may be used, for pointers to it.
  void Declare(TypeId id) {
    const Nesting nesting(*this, id);
    const auto type = TypeOf(id);
    if (type) std::visit([&](const auto& kind) { DeclareKind(id, kind); }, *type);
  }
  void DeclareKind(TypeId id, const Struct& type) { DeclareComposite(id, type); }
  void DeclareKind(TypeId id, const Union& type) { DeclareComposite(id, type); }
  void DeclareKind(TypeId id, const Forward& type) { DeclareTag(id, type.is_union ? "union" : "struct"); }
  void DeclareKind(TypeId id, const Enum& type) {
    if (!names_.Of(id).empty()) DefineEnum(id);
  }
  void DeclareKind(TypeId id, const Enum64& type) {
    if (!names_.Of(id).empty()) DefineEnum(id);
  }
  void DeclareKind(TypeId id, const Typedef& type) {
    if (StateOf(id) == State::kDone) return;
    if (StateOf(id) == State::kInProgress) return Fail(id, "is defined by itself");
    StateOf(id) = State::kInProgress;
    Declare(type.target);
    if (!names_.IsNameOfTarget(id)) {
      text_ += fmt::format("\ntypedef {};\n", Declaration(type.target, names_.Of(id), 0));
    }
    StateOf(id) = State::kDone;
  }
  void DeclareKind(TypeId, const Pointer& type) { Declare(type.target); }
  void DeclareKind(TypeId, const Const& type) { Declare(type.target); }
  void DeclareKind(TypeId, const Volatile& type) { Declare(type.target); }
  void DeclareKind(TypeId, const Restrict& type) { Declare(type.target); }
  void DeclareKind(TypeId, const TypeTag& type) { Declare(type.target); }
  void DeclareKind(TypeId, const Array& type) { Complete(type.element); }
  void DeclareKind(TypeId, const FuncProto& type) {
    Declare(type.result);
    for (const Parameter parameter : type.parameters) {
      if (error_) return;
      Declare(parameter.type);
    }
  }
  template <typename Other>
  void DeclareKind(TypeId, const Other&) {}

  template <typename Composite>
  void DeclareComposite(TypeId id, const Composite& type) {
    if (names_.Of(id).empty()) return CompleteComposite(id, type);
    DeclareTag(id, std::is_same_v<Composite, Union> ? "union" : "struct");
  }

  void DeclareTag(TypeId id, std::string_view keyword) {
    if (StateOf(id) != State::kNew && StateOf(id) != State::kInProgress) return;
    // Before a definition is printed, its own name may be needed by what it holds.
    if (StateOf(id) == State::kNew) StateOf(id) = State::kDeclared;
    text_ += fmt::format("\n{} {};\n", keyword, names_.Of(id));
  }

  void DefineEnum(TypeId id) {
    if (StateOf(id) == State::kDone) return;
    StateOf(id) = State::kDone;
    const auto type = TypeOf(id);
    if (!type) return;
    text_ += '\n' + EnumText(id, *type, 0) + ";\n";
  }

 protected:
  static std::string Indent(int level) { return std::string(static_cast<std::size_t>(level), '\t'); }

 private:
  static std::string Number(std::int64_t value, bool is_signed) {
    if (is_signed && value == INT64_MIN) return "-9223372036854775807LL - 1";
    if (is_signed) return fmt::format("{}{}", value, value < INT32_MIN || value > UINT32_MAX ? "LL" : "");
    const auto bits = static_cast<std::uint64_t>(value);
    return fmt::format("{}{}", bits, bits > UINT32_MAX ? "ULL" : "");
  }

  std::string EnumText(TypeId id, const Type& type, int level) {
    if (const auto* narrow = std::get_if<Enum>(&type)) return EnumBody(id, *narrow, level);
    return EnumBody(id, std::get<Enum64>(type), level);
  }
  template <typename AnyEnum>
  std::string EnumBody(TypeId id, const AnyEnum& type, int level) {
    const std::string& name = names_.Of(id);
    std::string text = EnumHead(name, type.size_bytes, type.is_signed) + "{\n";
    for (const EnumValue value : type.values) {
      text += fmt::format("{}{} = {},\n", Indent(level + 1), names_.NewEnumerator(value.name),
                          Number(value.value, type.is_signed));
    }
    // One that was only announced: C wants a value.
    if (type.values.empty()) text += Indent(level + 1) + names_.NewEnumerator(name + "_has_no_values") + ",\n";
    return text + Indent(level) + "}" + EnumTail(type);
  }

  static void AddUnnamedPadding(std::uint64_t from, std::uint64_t to, int level, std::string* text) {
    if (to - from > kMaxUnnamedPaddingBits) {
      const std::uint64_t first_byte = (from + 7) / 8;
      if (from % 8 != 0) *text += fmt::format("{}char : {};\n", Indent(level), 8 - from % 8);
      *text += fmt::format("{}char __padding_{}[{}];\n", Indent(level), first_byte, to / 8 - first_byte);
      from = to / 8 * 8;
    }
    struct Unit {
      std::uint64_t bits;
      std::string_view name;
    };
    constexpr Unit kUnits[] = {{64, "long long"}, {32, "int"}, {16, "short"}, {8, "char"}};
    while (from < to) {
      const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& candidate) {
        return from % candidate.bits == 0 && to - from >= candidate.bits;
      });
      // Less than a byte, or up to the next one.
      const std::uint64_t bits = unit != std::end(kUnits) ? unit->bits : std::min(to - from, 8 - from % 8);
      *text += fmt::format("{}{} : {};\n", Indent(level), unit != std::end(kUnits) ? unit->name : "char", bits);
      from += bits;
    }
  }

  CLayout LayoutFor(const Struct& type) { return layouts_.OfStruct(type); }
  CLayout LayoutFor(const Union& type) { return layouts_.OfUnion(type); }

  template <typename Composite>
  std::string CompositeText(TypeId id, const Composite& type, int level) {
    constexpr bool kIsUnion = std::is_same_v<Composite, Union>;
    const Nesting nesting(*this, id);
    if (error_) return {};
    const CLayout layout = LayoutFor(type);
    const std::string& name = names_.Of(id);
    std::string text = fmt::format("{} {}{}{{\n", kIsUnion ? "union" : "struct", name, name.empty() ? "" : " ");
    if (layout.form == CLayout::Form::kOpaque) {
      text += fmt::format("{}char __opaque[{}]; /* its members have no layout in C */\n", Indent(level + 1),
                          type.size_bytes);
      return text + Indent(level) + "}";
    }
    if (type.members.empty() && type.size_bytes == 0) text += EmptyBody(level + 1);
    std::uint64_t position = 0;
    const std::vector<std::string> members = MemberNames(type.members);
    for (std::uint32_t i = 0; i < type.members.size() && !error_; ++i) {
      const CField& field = layout.fields[i];
      const std::uint64_t next = ShowsEveryGap() ? position : NaturalOffset(field, position, layout.form);
      if (!kIsUnion && next < field.offset_bits) AddPadding(id, position, field.offset_bits, level + 1, &text);
      text += MemberText(type.members[i], members[i], field, level + 1);
      position = field.end_bits();
    }
    const std::uint64_t size_bits = std::uint64_t{type.size_bytes} * 8;
    if (layout.needs_tail && kIsUnion) {
      text += fmt::format("{}char {}[{}];\n", Indent(level + 1), PaddingName(), type.size_bytes);
    } else if (!kIsUnion && (layout.needs_tail || (ShowsEveryGap() && position < size_bits))) {
      AddPadding(id, position, size_bits, level + 1, &text);
    }
    text += Indent(level) + "}";
    if (layout.form == CLayout::Form::kPacked) text += " __attribute__((packed))";
    if (layout.aligned_to != 0) text += fmt::format(" __attribute__((aligned({})))", layout.aligned_to);
    return text;
  }

  std::string MemberText(const Member& member, const std::string& name, const CField& field, int level) {
    std::string text = Indent(level) + Declaration(member.type, name, level);
    if (field.bitfield_bits != 0) text += fmt::format(" : {}", field.bitfield_bits);
    return text + ";\n";
  }

  // A type around a name, as C writes it: "int (*name)[4]". Without a name, as in a list of parameters.
  std::string Declaration(TypeId id, std::string declarator, int level) {
    std::string qualifiers;
    for (int step = 0; step < kMaxChain && !error_; ++step) {
      const auto type = TypeOf(id);
      if (!type) return {};
      if (const auto* target = std::get_if<Const>(&*type)) {
        AddQualifier("const ", &qualifiers);
        id = target->target;
      } else if (const auto* hidden = std::get_if<Volatile>(&*type)) {
        AddQualifier("volatile ", &qualifiers);
        id = hidden->target;
      } else if (const auto* only = std::get_if<Restrict>(&*type)) {
        if (types_.KindOf(only->target) == Kind::kPointer) AddQualifier("__restrict ", &qualifiers);
        id = only->target;
      } else if (const auto* tag = std::get_if<TypeTag>(&*type)) {
        qualifiers += fmt::format("/* {} */ ", CIdentifier(tag->tag));
        id = tag->target;
      } else if (const auto* alias = std::get_if<Typedef>(&*type); alias && names_.IsNameOfTarget(id)) {
        id = alias->target;
      } else if (const auto* pointer = std::get_if<Pointer>(&*type)) {
        declarator = "*" + qualifiers + declarator;
        qualifiers.clear();
        id = pointer->target;
      } else if (const auto* array = std::get_if<Array>(&*type)) {
        declarator = InParentheses(declarator) + fmt::format("[{}]", array->count);
        id = array->element;
      } else if (const auto* function = std::get_if<FuncProto>(&*type)) {
        declarator = InParentheses(declarator) + ParametersText(id, *function, level);
        qualifiers.clear();
        id = function->result;
      } else {
        std::string text = qualifiers + BaseText(id, *type, level);
        while (!declarator.empty() && declarator.back() == ' ') declarator.pop_back();
        return declarator.empty() ? text : text + " " + declarator;
      }
    }
    Fail(id, "is reached through too many pointers, arrays and qualifiers");
    return {};
  }

  // An array's qualifiers are its element's, which may have them already.
  static void AddQualifier(std::string_view qualifier, std::string* qualifiers) {
    if (qualifiers->find(qualifier) == std::string::npos) *qualifiers += qualifier;
  }

  static std::string InParentheses(const std::string& declarator) {
    return declarator.starts_with('*') ? "(" + declarator + ")" : declarator;
  }

  std::string ParametersText(TypeId id, const FuncProto& type, int level) {
    const Nesting nesting(*this, id);
    const std::uint32_t count = type.parameters.size();
    if (count == 0) return "(void)";
    if (count == 1 && type.parameters[0].type == kVoid) return "()";
    std::string text;
    for (std::uint32_t i = 0; i < count && !error_; ++i) {
      const Parameter parameter = type.parameters[i];
      const bool is_rest = i + 1 == count && parameter.type == kVoid;
      text += i == 0 ? "" : ", ";
      text += is_rest ? "..." : Declaration(parameter.type, names_.Identifier(parameter.name), level);
      // Prototypes in prototypes may be many more in the text than in the BTF.
      if (text.size() > kMaxPrototype) Fail(id, "the text of the prototype is too large");
    }
    return "(" + text + ")";
  }

  std::string BaseText(TypeId id, const Type& type, int level) {
    const auto named = [&](std::string_view keyword) { return fmt::format("{} {}", keyword, names_.Of(id)); };
    if (const auto* number = std::get_if<Int>(&type)) return NumberName(*number);
    if (const auto* number = std::get_if<Float>(&type)) return CNumberName(*number);
    if (std::holds_alternative<Typedef>(type)) return names_.Of(id);
    if (const auto* forward = std::get_if<Forward>(&type)) return named(forward->is_union ? "union" : "struct");
    if (const auto* composite = std::get_if<Struct>(&type)) {
      return names_.Of(id).empty() ? CompositeText(id, *composite, level) : named("struct");
    }
    if (const auto* composite = std::get_if<Union>(&type)) {
      return names_.Of(id).empty() ? CompositeText(id, *composite, level) : named("union");
    }
    if (std::holds_alternative<Enum>(type) || std::holds_alternative<Enum64>(type)) {
      return names_.Of(id).empty() ? EnumText(id, type, level) : named("enum");
    }
    return "void";
  }

 protected:
  const Btf& types_;
  CNames names_;
  CLayouts layouts_;

 private:
  std::vector<State> states_;
  std::vector<bool> is_inline_;
  std::string text_;
  std::optional<Error> error_;
  int depth_ = 0;
  std::size_t steps_ = 0;
  std::size_t max_steps_ = kMinSteps;
};

}  // namespace strata::btf
