#include <nlohmann/json.hpp>

#include "dump_words.h"
#include "strata/btf/dump.h"

namespace strata::btf {
namespace {

using Json = nlohmann::ordered_json;

// The members of a type's object after id, kind and name.
class Members {
 public:
  Members(const Btf& types, Json* object) : types_(types), object_(*object) {}

  void operator()(const Void&) {}
  void operator()(const Int& type) {
    object_["size"] = type.size_bytes;
    object_["bits_offset"] = type.bit_offset;
    object_["nr_bits"] = type.bits;
    object_["encoding"] = EncodingName(type);
  }
  void operator()(const Array& type) {
    object_["type_id"] = type.element.value;
    object_["index_type_id"] = type.index.value;
    object_["nr_elems"] = type.count;
  }
  void operator()(const Struct& type) { Composite(type); }
  void operator()(const Union& type) { Composite(type); }
  void operator()(const Enum& type) { Values(type); }
  void operator()(const Enum64& type) { Values(type); }
  void operator()(const Forward& type) { object_["fwd_kind"] = type.is_union ? "union" : "struct"; }
  void operator()(const Func& type) {
    object_["type_id"] = type.prototype.value;
    object_["linkage"] = LinkageName(type.linkage);
  }
  void operator()(const FuncProto& type) {
    object_["ret_type_id"] = type.result.value;
    Json& params = object_["params"] = Json::array();
    for (const Parameter parameter : type.parameters) {
      params.push_back({{"name", parameter.name}, {"type_id", parameter.type.value}});
    }
  }
  void operator()(const Var& type) {
    object_["type_id"] = type.type.value;
    object_["linkage"] = LinkageName(type.linkage);
  }
  void operator()(const DataSec& type) {
    object_["size"] = type.size_bytes;
    Json& vars = object_["vars"] = Json::array();
    for (const SectionVariable variable : type.variables) {
      vars.push_back({{"name", types_.NameOf(variable.type)},
                      {"type_id", variable.type.value},
                      {"offset", variable.offset_bytes},
                      {"size", variable.size_bytes}});
    }
  }
  void operator()(const Float& type) { object_["size"] = type.size_bytes; }
  void operator()(const DeclTag& type) {
    object_["type_id"] = type.target.value;
    object_["component_idx"] = type.component;
  }
  // All that only refer to another type.
  template <typename Reference>
  void operator()(const Reference& type) {
    object_["type_id"] = type.target.value;
  }

 private:
  template <typename AnyComposite>
  void Composite(const AnyComposite& type) {
    object_["size"] = type.size_bytes;
    Json& members = object_["members"] = Json::array();
    for (const Member member : type.members) {
      members.push_back({{"name", member.name},
                         {"type_id", member.type.value},
                         {"bits_offset", member.bit_offset},
                         {"bitfield_size", member.bitfield_bits}});
    }
  }
  template <typename AnyEnum>
  void Values(const AnyEnum& type) {
    object_["size"] = type.size_bytes;
    object_["encoding"] = SignName(type.is_signed);
    Json& values = object_["values"] = Json::array();
    for (const EnumValue value : type.values) {
      Json number = value.value;
      if (!type.is_signed) number = static_cast<std::uint64_t>(value.value);
      values.push_back({{"name", value.name}, {"val", std::move(number)}});
    }
  }

  const Btf& types_;
  Json& object_;
};

}  // namespace

Result<std::string> DumpJson(const Btf& types, std::span<const TypeId> wanted) {
  std::string text = "{\"types\": [";
  bool is_first = true;
  for (const TypeId id : DumpedTypes(types, wanted)) {
    const Type type = STRATA_TRY(types.TypeById(id));
    Json object = {{"id", id.value}, {"kind", KindName(types.KindOf(id))}, {"name", types.NameOf(id)}};
    std::visit(Members(types, &object), type);
    text += is_first ? "\n" : ",\n";
    text += object.dump(-1, ' ', false, Json::error_handler_t::replace);
    is_first = false;
  }
  return text + "\n]}\n";
}

}  // namespace strata::btf
