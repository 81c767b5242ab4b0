#include "strata/btf/dump_cpp.h"

#include <set>

#include "c_printer.h"

namespace strata::btf {
namespace {

std::string IntegerName(std::uint32_t size_bytes, bool is_signed) {
  return fmt::format("std::{}int{}_t", is_signed ? "" : "u", size_bytes * 8);
}

class CppPrinter final : public CPrinter {
 public:
  CppPrinter(const Btf& types, const GivenNames& given)
      : CPrinter(types, CNames(types, CLanguage::kCpp, given)), is_plain_(types.type_count()) {
    FindPlainTypes();
  }

  // As it is written outside of the namespace `scope`; empty for what has no values.
  std::string Spell(TypeId id, std::string_view scope, int depth = 0) const {
    const auto resolved = types_.Resolve(id);
    const auto type = resolved ? types_.TypeById(*resolved) : Result<Type>(resolved.error());
    if (!type || depth > kMaxChain) return {};
    if (const auto* number = std::get_if<Int>(&*type)) return SpellNumber(*number);
    if (const auto* number = std::get_if<Float>(&*type)) return CNumberName(*number);
    if (const auto* pointer = std::get_if<Pointer>(&*type)) return SpellPointer(pointer->target, scope, depth);
    if (const auto* array = std::get_if<Array>(&*type)) {
      const std::string element = Spell(array->element, scope, depth + 1);
      if (element.empty() || array->count == 0) return {};
      return fmt::format("std::array<{}, {}>", element, array->count);
    }
    const bool has_size = types_.SizeOf(*resolved).has_value();
    const std::string& name = names_.Of(*resolved);
    return has_size && !name.empty() ? fmt::format("{}::{}", scope, name) : "";
  }

 private:
  static std::string SpellNumber(const Int& type) {
    if (type.is_bool || type.name == "_Bool") return "bool";
    if (type.size_bytes == 1 && type.name == "char") return "char";
    if (type.size_bytes == 16) return type.is_signed ? "__int128" : "unsigned __int128";
    return IntegerName(type.size_bytes, type.is_signed);
  }

  std::string SpellPointer(TypeId target, std::string_view scope, int depth) const {
    const bool is_const = types_.KindOf(target) == Kind::kConst;
    const auto resolved = types_.Resolve(target);
    const bool is_object = resolved && types_.SizeOf(*resolved).has_value();
    const std::string pointee = is_object ? Spell(target, scope, depth + 1) : "";
    return fmt::format("{}{}*", is_const ? "const " : "", pointee.empty() ? "void" : pointee);
  }

  std::string NumberName(const Int& type) override {
    return type.is_bool || type.name == "_Bool" ? "bool" : CNumberName(type);
  }

  std::string EnumHead(std::string_view name, std::uint32_t size_bytes, bool is_signed) override {
    return fmt::format("enum {}{}: {} ", name, name.empty() ? "" : " ", IntegerName(size_bytes, is_signed));
  }
  std::string EnumTail(const Enum&) override { return {}; }
  std::string EnumTail(const Enum64&) override { return {}; }

  bool ShowsEveryGap() const override { return true; }
  std::string PaddingName() override { return fmt::format("padding_{}_", ++paddings_); }
  // An empty struct has no size in C, but one byte in C++.
  std::string EmptyBody(int level) override {
    return fmt::format("{}unsigned char {}[0];\n", Indent(level), PaddingName());
  }

  // What is held by value where compilers take no initializers: in unions, in structs without a name, and packed ones.
  void FindPlainTypes() {
    std::vector<TypeId> found;
    for (TypeId id{1}; id.value < types_.type_count(); ++id.value) {
      if (const auto either = types_.Get<Union>(id)) AddMemberTypes(either->members, &found);
      const auto composite = types_.Get<Struct>(id);
      const bool holds_plain =
          composite && (names_.Of(id).empty() || layouts_.OfStruct(*composite).form == CLayout::Form::kPacked);
      if (holds_plain) AddMemberTypes(composite->members, &found);
    }
    while (!found.empty()) {
      const TypeId id = found.back();
      found.pop_back();
      if (is_plain_[id.value]) continue;
      is_plain_[id.value] = true;
      if (const auto composite = types_.Get<Struct>(id)) AddMemberTypes(composite->members, &found);
    }
  }
  void AddMemberTypes(const RecordList<Member>& members, std::vector<TypeId>* found) {
    for (const Member member : members) {
      auto resolved = types_.Resolve(member.type);
      for (int step = 0; resolved && step < kMaxChain; ++step) {
        const auto array = types_.Get<Array>(*resolved);
        if (!array) break;
        resolved = types_.Resolve(array->element);
      }
      if (resolved && types_.KindOf(*resolved) == Kind::kStruct) found->push_back(*resolved);
    }
  }

  // Bits up to the next byte, then bytes, then bits. Zero from the start, where that is possible.
  void AddPadding(TypeId id, std::uint64_t from, std::uint64_t to, int level, std::string* text) override {
    const bool has_initializer = level == 1 && !names_.Of(id).empty() && !is_plain_[id.value];
    const std::string_view initializer = has_initializer ? " = {}" : "";
    const auto add_bits = [&](std::uint64_t bits) {
      if (bits > 0)
        *text += fmt::format("{}unsigned char {} : {}{};\n", Indent(level), PaddingName(), bits,
                             has_initializer ? " = 0" : "");
      from += bits;
    };
    if (from % 8 != 0) add_bits(std::min(to - from, 8 - from % 8));
    if (const std::uint64_t bytes = (to - from) / 8; bytes > 0) {
      *text += fmt::format("{}unsigned char {}[{}]{};\n", Indent(level), PaddingName(), bytes, initializer);
      from += bytes * 8;
    }
    add_bits(to - from);
  }

  // A name may not have meant a type before in the same struct ("pid_t pid_t").
  std::vector<std::string> MemberNames(const RecordList<Member>& members) override {
    std::set<std::string> taken;
    for (const Member member : members) {
      if (const std::string name = TypedefNameIn(member.type); !name.empty()) taken.insert(name);
    }
    std::vector<std::string> names;
    for (const Member member : members) {
      std::string name = CppIdentifier(member.name);
      while (!name.empty() && !taken.insert(name).second) name += '_';
      names.push_back(std::move(name));
    }
    return names;
  }

  std::string TypedefNameIn(TypeId id) const {
    for (int step = 0; step < kMaxChain; ++step) {
      const auto type = types_.TypeById(id);
      if (!type) return {};
      if (std::holds_alternative<Typedef>(*type)) return names_.IsNameOfTarget(id) ? "" : names_.Of(id);
      if (const auto* array = std::get_if<Array>(&*type)) {
        id = array->element;
      } else if (const auto* pointer = std::get_if<Pointer>(&*type)) {
        id = pointer->target;
      } else if (const auto* constant = std::get_if<Const>(&*type)) {
        id = constant->target;
      } else if (const auto* hidden = std::get_if<Volatile>(&*type)) {
        id = hidden->target;
      } else {
        return {};
      }
    }
    return {};
  }

  std::string Checks(TypeId id) override {
    paddings_ = 0;
    const auto size = types_.SizeOf(id);
    if (!size) return {};
    std::string text = fmt::format("static_assert(sizeof({}) == {});\n", names_.Of(id), *size);
    AddOffsetChecks(id, id, "", 0, 0, &text);
    return text;
  }

  // Of all members that have a place of their own: bitfields have none.
  void AddOffsetChecks(TypeId whole, TypeId part, const std::string& path, std::uint64_t base_bits, int depth,
                       std::string* text) {
    if (depth > kMaxDepth) return;
    if (const auto composite = types_.Get<Struct>(part)) {
      AddMemberChecks(whole, composite->members, layouts_.OfStruct(*composite), path, base_bits, depth, text);
    } else if (const auto either = types_.Get<Union>(part)) {
      AddMemberChecks(whole, either->members, layouts_.OfUnion(*either), path, base_bits, depth, text);
    }
  }

  void AddMemberChecks(TypeId whole, const RecordList<Member>& members, const CLayout& layout, const std::string& path,
                       std::uint64_t base_bits, int depth, std::string* text) {
    if (layout.form == CLayout::Form::kOpaque) return;
    const std::vector<std::string> names = MemberNames(members);
    for (std::uint32_t i = 0; i < members.size(); ++i) {
      const CField& field = layout.fields[i];
      const std::uint64_t offset_bits = base_bits + field.offset_bits;
      if (!names[i].empty() && field.bitfield_bits == 0) {
        *text += fmt::format("static_assert(offsetof({}, {}{}) == {});\n", names_.Of(whole), path, names[i],
                             offset_bits / 8);
      }
      // What has no name is checked where it stands.
      const auto resolved = types_.Resolve(members[i].type);
      if (!resolved || !names_.Of(*resolved).empty()) continue;
      const std::string inner = names[i].empty() ? path : path + names[i] + ".";
      AddOffsetChecks(whole, *resolved, inner, offset_bits, depth + 1, text);
    }
  }

  std::vector<bool> is_plain_;  // by id: has no initializers
  int paddings_ = 0;            // in the definition that is being printed
};

}  // namespace

Result<CppTypes> DumpCpp(const Btf& types, std::span<const CppRequest> requests, std::string_view scope) {
  std::vector<TypeId> wanted;
  GivenNames given;
  for (const CppRequest& request : requests) {
    wanted.push_back(request.type);
    given.emplace(request.type, request.name);
  }
  CppPrinter printer(types, given);
  CppTypes result;
  if (!wanted.empty()) result.definitions = STRATA_TRY(printer.Print(wanted));
  for (const TypeId id : wanted) result.spellings.push_back(printer.Spell(id, scope));
  return result;
}

}  // namespace strata::btf
