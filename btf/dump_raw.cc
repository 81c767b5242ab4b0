#include <fmt/format.h>

#include <iterator>

#include "dump_words.h"
#include "strata/btf/dump.h"

namespace strata::btf {
namespace {

class Printer {
 public:
  Printer(const Btf& types, std::string* text) : types_(types), text_(*text) {}

  Result<void> Print(TypeId id) {
    const Type type = STRATA_TRY(types_.TypeById(id));
    const std::string_view name = types_.NameOf(id);
    Add("[{}] {} '{}'", id.value, KindName(types_.KindOf(id)), name.empty() ? "(anon)" : name);
    std::visit([this](const auto& kind) { PrintKind(kind); }, type);
    return {};
  }

 private:
  template <typename... Parts>
  void Add(fmt::format_string<Parts...> format, Parts&&... parts) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Parts>(parts)...);
  }
  static std::string_view Named(std::string_view name) { return name.empty() ? "(anon)" : name; }

  void PrintKind(const Void&) { Add("\n"); }
  void PrintKind(const Int& type) {
    Add(" size={} bits_offset={} nr_bits={} encoding={}\n", type.size_bytes, type.bit_offset, type.bits,
        EncodingName(type));
  }
  void PrintKind(const Array& type) {
    Add(" type_id={} index_type_id={} nr_elems={}\n", type.element.value, type.index.value, type.count);
  }
  void PrintKind(const Struct& type) { PrintMembers(type.size_bytes, type.members); }
  void PrintKind(const Union& type) { PrintMembers(type.size_bytes, type.members); }
  void PrintKind(const Enum& type) { PrintValues(type); }
  void PrintKind(const Enum64& type) { PrintValues(type); }
  void PrintKind(const Forward& type) { Add(" fwd_kind={}\n", type.is_union ? "union" : "struct"); }
  void PrintKind(const Func& type) { Add(" type_id={} linkage={}\n", type.prototype.value, LinkageName(type.linkage)); }
  void PrintKind(const FuncProto& type) {
    Add(" ret_type_id={} vlen={}\n", type.result.value, type.parameters.size());
    for (const Parameter parameter : type.parameters) {
      Add("\t'{}' type_id={}\n", Named(parameter.name), parameter.type.value);
    }
  }
  void PrintKind(const Var& type) { Add(" type_id={}, linkage={}\n", type.type.value, LinkageName(type.linkage)); }
  void PrintKind(const DataSec& type) {
    Add(" size={} vlen={}\n", type.size_bytes, type.variables.size());
    for (const SectionVariable variable : type.variables) {
      Add("\ttype_id={} offset={} size={} ({} '{}')\n", variable.type.value, variable.offset_bytes, variable.size_bytes,
          KindName(types_.KindOf(variable.type)), types_.NameOf(variable.type));
    }
  }
  void PrintKind(const Float& type) { Add(" size={}\n", type.size_bytes); }
  void PrintKind(const DeclTag& type) { Add(" type_id={} component_idx={}\n", type.target.value, type.component); }
  // All that only refer to another type.
  template <typename Reference>
  void PrintKind(const Reference& type) {
    Add(" type_id={}\n", type.target.value);
  }

  void PrintMembers(std::uint32_t size_bytes, const RecordList<Member>& members) {
    Add(" size={} vlen={}\n", size_bytes, members.size());
    for (const Member member : members) {
      Add("\t'{}' type_id={} bits_offset={}", Named(member.name), member.type.value, member.bit_offset);
      if (member.bitfield_bits != 0) Add(" bitfield_size={}", member.bitfield_bits);
      Add("\n");
    }
  }

  template <typename AnyEnum>
  void PrintValues(const AnyEnum& type) {
    constexpr bool kIsWide = std::is_same_v<AnyEnum, Enum64>;
    Add(" encoding={} size={} vlen={}\n", SignName(type.is_signed), type.size_bytes, type.values.size());
    for (const EnumValue value : type.values) {
      Add("\t'{}' val=", Named(value.name));
      if (type.is_signed) {
        Add("{}{}\n", value.value, kIsWide ? "LL" : "");
      } else {
        Add("{}{}\n", static_cast<std::uint64_t>(value.value), kIsWide ? "ULL" : "");
      }
    }
  }

  const Btf& types_;
  std::string& text_;
};

}  // namespace

Result<std::string> DumpRaw(const Btf& types, std::span<const TypeId> wanted) {
  std::string text;
  Printer printer(types, &text);
  for (const TypeId id : DumpedTypes(types, wanted)) STRATA_TRY(printer.Print(id));
  return text;
}

}  // namespace strata::btf
