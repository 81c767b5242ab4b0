#include "strata/spec/json.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "print_names.h"
#include "strata/btf/core.h"
#include "strata/btf/format_value.h"
#include "strata/spec/type_names.h"

namespace strata {
namespace {

using nlohmann::ordered_json;

// Names come from the file, and a file may hold any bytes.
constexpr auto kReplaceBadUtf8 = ordered_json::error_handler_t::replace;

class SpecEncoder {
 public:
  explicit SpecEncoder(const CollectionSpec& spec) : spec_(spec) {}

  ordered_json Encode() const {
    return {
        {"name", spec_.name},
        {"byte_order", spec_.byte_order == std::endian::little ? "little" : "big"},
        {"maps", List(spec_.maps, [&](const std::string& name, const MapSpec& map) { return Map(name, map); })},
        {"programs", List(spec_.programs,
                          [&](const std::string& name, const ProgramSpec& program) { return Program(name, program); })},
        {"functions", List(spec_.functions, [&](const std::string& name,
                                                const FunctionSpec& function) { return Function(name, function); })},
        {"variables", List(spec_.variables, [&](const std::string& name,
                                                const VariableSpec& variable) { return Variable(name, variable); })},
        {"externs",
         List(spec_.externs, [&](const std::string& name, const ExternSpec& value) { return Extern(name, value); })},
        {"types", Types()}};
  }

 private:
  template <typename Values, typename Encoder>
  static ordered_json List(const Values& values, Encoder encode) {
    ordered_json list = ordered_json::array();
    for (const auto& [name, value] : values) list.push_back(encode(name, value));
    return list;
  }

  // Null for what has no type.
  ordered_json Type(btf::TypeId type) const {
    const std::string text = TypeText(spec_, type);
    return text.empty() ? ordered_json(nullptr) : ordered_json(text);
  }

  ordered_json Map(const std::string& name, const MapSpec& map) const {
    ordered_json json = {{"name", name},
                         {"kernel_name", map.name},
                         {"type", MapTypeName(map.type)},
                         {"key_size", map.key_size},
                         {"value_size", map.value_size},
                         {"max_entries", map.max_entries},
                         {"flags", map.flags},
                         {"map_extra", map.map_extra},
                         {"numa_node", map.numa_node},
                         {"pinning", PinTypeName(map.pinning)},
                         {"key_type", Type(map.key_type)},
                         {"value_type", Type(map.value_type)},
                         {"tags", map.tags},
                         {"data_section", map.is_data_section},
                         {"frozen", map.freeze},
                         {"autocreate", map.autocreate},
                         {"linkable", map.is_linkable},
                         {"slots", ordered_json::array()},
                         {"inner", nullptr}};
    for (const MapSlotInit& slot : map.slots) json["slots"].push_back({{"key", slot.key}, {"symbol", slot.symbol}});
    if (!map.inner.empty()) json["inner"] = Map(map.inner.front().name, map.inner.front());
    return json;
  }

  ordered_json Program(const std::string& name, const ProgramSpec& program) const {
    const std::string attach_type = AttachTypeName(program.attach_type);
    ordered_json json = {{"name", name},
                         {"section", program.section_name},
                         {"type", ProgramTypeName(program.type_of_program)},
                         {"attach_type", attach_type.empty() ? ordered_json(nullptr) : ordered_json(attach_type)},
                         {"attach_kind", program.attach_kind},
                         {"attach_to", program.attach_to},
                         {"autoload", program.autoload},
                         {"sleepable", program.is_sleepable},
                         {"xdp_frags", program.has_xdp_frags},
                         {"license", program.license},
                         {"kernel_version", program.kernel_version}};
    json.update(Code(program));
    return json;
  }

  ordered_json Function(const std::string& name, const FunctionSpec& function) const {
    ordered_json json = {{"name", name}, {"section", function.section_name}};
    json.update(Code(function));
    return json;
  }

  ordered_json Code(const FunctionSpec& function) const {
    return {{"static", function.is_static},
            {"instructions", function.instructions.size()},
            {"source_lines", function.line_infos.size()},
            {"references", References(function)},
            {"core_relocations", CoreRelocations(function)}};
  }

  static ordered_json References(const FunctionSpec& function) {
    ordered_json list = ordered_json::array();
    for (const Reference& reference : function.references) {
      list.push_back({{"instruction", reference.index.value},
                      {"kind", ReferenceKindName(reference.kind)},
                      {"symbol", reference.symbol.view()},
                      {"addend", reference.addend},
                      {"weak", reference.is_weak}});
    }
    return list;
  }

  ordered_json CoreRelocations(const FunctionSpec& function) const {
    ordered_json list = ordered_json::array();
    if (spec_.types == nullptr) return list;
    const btf::CoreRelocator relocator(spec_.types, btf::CoreTargets());
    for (const btf::CoreRelocation& relocation : function.core_relocations) {
      list.push_back({{"instruction", relocation.index.value},
                      {"kind", btf::CoreKindName(static_cast<btf::CoreKind>(relocation.kind))},
                      {"type", Type(relocation.type)},
                      {"access", relocation.access.view()},
                      {"text", relocator.Describe(relocation)}});
    }
    return list;
  }

  ordered_json Variable(const std::string& name, const VariableSpec& variable) const {
    return {{"name", name},
            {"map", variable.map_name},
            {"offset", variable.offset_bytes},
            {"size", variable.value.size()},
            {"type", Type(variable.type)},
            {"constant", variable.is_constant},
            {"value", Value(variable.type, variable.value)}};
  }

  // Decoded by its type, else hexadecimal digits.
  ordered_json Value(btf::TypeId type, std::span<const std::byte> bytes) const {
    if (spec_.types == nullptr || !type) return HexadecimalText(bytes);
    ordered_json value = ordered_json::parse(btf::FormatValueJson(*spec_.types, type, bytes), nullptr, false);
    return value.is_discarded() ? ordered_json(HexadecimalText(bytes)) : value;
  }

  ordered_json Extern(const std::string& name, const ExternSpec& value) const {
    ordered_json json = {
        {"name", name}, {"kind", ExternKindName(value.kind)}, {"weak", value.is_weak}, {"type", Type(value.type)}};
    if (value.kind != ExternKind::kKconfig) return json;
    json["kconfig_type"] = KconfigTypeName(value.kconfig_type);
    json["offset"] = value.offset_bytes;
    json["size"] = value.size_bytes;
    json["signed"] = value.is_signed;
    json["value"] = value.value ? ordered_json(HexadecimalText(*value.value)) : ordered_json(nullptr);
    return json;
  }

  // How many types of each kind; null for an object without BTF.
  ordered_json Types() const {
    if (spec_.types == nullptr) return nullptr;
    ordered_json kinds = ordered_json::object();
    for (std::uint32_t id = 1; id < spec_.types->type_count(); ++id) {
      const std::string kind(KindName(spec_.types->KindOf(btf::TypeId{id})));
      kinds[kind] = kinds.value(kind, 0) + 1;
    }
    return {{"count", spec_.types->type_count() - 1}, {"kinds", std::move(kinds)}};
  }

  const CollectionSpec& spec_;
};

// The slot as eight bytes in host order.
std::string SlotText(const isa::Instruction& instruction) {
  std::byte bytes[sizeof(instruction)];
  std::memcpy(bytes, &instruction, sizeof(instruction));
  return HexadecimalText(bytes);
}

}  // namespace

std::string FormatSpecJson(const CollectionSpec& spec) {
  return SpecEncoder(spec).Encode().dump(2, ' ', false, kReplaceBadUtf8) + "\n";
}

std::string FormatJson(std::string_view function, const DisassembledLine& line) {
  ordered_json json = {
      {"function", function}, {"index", line.index.value}, {"bytes", SlotText(line.instruction)}, {"text", line.text}};
  if (!line.label.empty()) json["label"] = line.label;
  if (!line.variable.empty()) json["variable"] = line.variable;
  if (line.source_line != 0) {
    json["source"] = {{"file", line.source_file}, {"line", line.source_line}, {"text", line.source_text}};
  }
  if (!line.relocations.empty()) json["core_relocations"] = line.relocations;
  return json.dump(-1, ' ', false, kReplaceBadUtf8);
}

}  // namespace strata
