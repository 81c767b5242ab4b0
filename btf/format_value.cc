#include "strata/btf/format_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

using Bytes = std::span<const std::byte>;

// A hostile BTF can describe more members than there is memory: values are cut off here.
constexpr int kMaxDepth = 32;
constexpr int kMaxNodes = 1 << 18;

// A decoded value, before it becomes text of either form.
struct Node {
  enum class Form : std::uint8_t {
    kMissing,  // the bytes end before the value
    kSigned,
    kUnsigned,
    kFloat,
    kBool,
    kCharacter,
    kName,    // an enum's value
    kString,  // an array of char
    kHex,     // addresses and bytes without a type
    kList,
    kFields,
  };
  Form form = Form::kMissing;
  std::uint64_t number = 0;
  double real = 0;
  std::string text;
  std::string name;            // of a field; empty in a list
  std::vector<Node> children;  // of a list or of fields

  bool IsZero() const {
    switch (form) {
      case Form::kSigned:
      case Form::kUnsigned:
      case Form::kBool:
      case Form::kCharacter:
      case Form::kName:
        return number == 0;
      case Form::kHex:
        return text.find_first_not_of("0x ") == std::string::npos;
      case Form::kFloat:
        return std::bit_cast<std::uint64_t>(real) == 0;
      case Form::kString:
        return text.empty();
      case Form::kMissing:
        return false;
      case Form::kList:
      case Form::kFields:
        return std::all_of(children.begin(), children.end(), [](const Node& child) { return child.IsZero(); });
    }
    return false;
  }
};

Bytes Part(Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset >= bytes.size()) return {};
  const std::uint64_t room = bytes.size() - offset;
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(std::min(size, room)));
}

std::string HexBytes(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<int>(byte));
  return text;
}

class Decoder {
 public:
  explicit Decoder(const Btf& types) : types_(types), is_little_(types.byte_order() == std::endian::little) {}

  Node Decode(TypeId id, Bytes bytes, int depth = 0) {
    const auto resolved = types_.Resolve(id);
    if (++nodes_ > kMaxNodes || !resolved || depth > kMaxDepth) return {};
    const auto type = types_.TypeById(*resolved);
    if (!type) return {};
    return std::visit([&](const auto& kind) { return DecodeKind(kind, bytes, depth); }, *type);
  }

 private:
  // `bits` bits from bit `offset` of `bytes`, which hold them all; at most 64. On big-endian machines bits count from
  // the most significant one.
  std::uint64_t Extract(Bytes bytes, std::uint64_t offset, std::uint32_t bits) const {
    std::uint64_t value = 0;
    for (std::uint32_t i = 0; i < bits; ++i) {
      const std::uint64_t from = offset + i;
      const auto byte = std::to_integer<std::uint32_t>(bytes[static_cast<std::size_t>(from / 8)]);
      const std::uint32_t bit = (is_little_ ? byte >> (from % 8) : byte >> (7 - from % 8)) & 1;
      value |= std::uint64_t{bit} << (is_little_ ? i : bits - 1 - i);
    }
    return value;
  }

  static std::uint64_t SignExtend(std::uint64_t value, std::uint32_t bits) {
    if (bits == 0 || bits >= 64) return value;
    const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
    return (value ^ sign) - sign;
  }

  static Node Number(std::uint64_t value, bool is_signed) {
    Node node;
    node.form = is_signed ? Node::Form::kSigned : Node::Form::kUnsigned;
    node.number = value;
    return node;
  }

  static Node Hex(std::string text) {
    Node node;
    node.form = Node::Form::kHex;
    node.text = std::move(text);
    return node;
  }

  static Node WithoutType(Bytes bytes) { return bytes.empty() ? Node{} : Hex(HexBytes(bytes)); }

  static bool IsCharacter(const Int& type) { return type.size_bytes == 1 && (type.is_char || type.name == "char"); }

  Node IntegerNode(const Int& type, std::uint64_t value) const {
    Node node = Number(value, type.is_signed);
    if (type.is_bool) node.form = Node::Form::kBool;
    if (IsCharacter(type)) node.form = Node::Form::kCharacter;
    return node;
  }

  Node DecodeKind(const Int& type, Bytes bytes, int) const {
    if (bytes.size() < type.size_bytes) return {};
    if (type.size_bytes > 8) return WithoutType(bytes.first(type.size_bytes));
    const std::uint64_t value = Extract(bytes, type.bit_offset, type.bits);
    return IntegerNode(type, type.is_signed ? SignExtend(value, type.bits) : value);
  }

  Node DecodeKind(const Pointer&, Bytes bytes, int) const {
    if (bytes.size() < 8) return {};
    return Hex(fmt::format("{:#x}", Extract(bytes, 0, 64)));
  }

  Node DecodeKind(const Float& type, Bytes bytes, int) const {
    if (bytes.size() < type.size_bytes) return {};
    Node node;
    node.form = Node::Form::kFloat;
    if (type.size_bytes == 4) {
      node.real = static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(Extract(bytes, 0, 32))));
    } else if (type.size_bytes == 8) {
      node.real = std::bit_cast<double>(Extract(bytes, 0, 64));
    } else {
      return WithoutType(bytes.first(type.size_bytes));
    }
    return node;
  }

  template <typename AnyEnum>
  Node EnumNode(const AnyEnum& type, std::uint64_t value) const {
    for (const EnumValue candidate : type.values) {
      if (static_cast<std::uint64_t>(candidate.value) != value) continue;
      Node node;
      node.form = Node::Form::kName;
      node.number = value;
      node.text = candidate.name;
      return node;
    }
    return Number(value, type.is_signed);
  }

  template <typename AnyEnum>
  Node DecodeEnum(const AnyEnum& type, Bytes bytes) const {
    if (bytes.size() < type.size_bytes) return {};
    const std::uint64_t value = Extract(bytes, 0, type.size_bytes * 8);
    return EnumNode(type, type.is_signed ? SignExtend(value, type.size_bytes * 8) : value);
  }
  Node DecodeKind(const Enum& type, Bytes bytes, int) const { return DecodeEnum(type, bytes); }
  Node DecodeKind(const Enum64& type, Bytes bytes, int) const { return DecodeEnum(type, bytes); }

  bool IsCharacterType(TypeId id) const {
    const auto resolved = types_.Resolve(id);
    if (!resolved) return false;
    const auto type = types_.Get<Int>(*resolved);
    return type && IsCharacter(*type);
  }

  static Node StringNode(Bytes bytes) {
    Node node;
    node.form = Node::Form::kString;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    node.text = text.substr(0, text.find('\0'));
    return node;
  }

  Node DecodeKind(const Array& type, Bytes bytes, int depth) {
    const auto element_size = types_.SizeOf(type.element);
    if (!element_size) return {};
    if (IsCharacterType(type.element)) return StringNode(Part(bytes, 0, type.count));
    Node node;
    node.form = Node::Form::kList;
    if (*element_size == 0) return node;
    for (std::uint32_t i = 0; i < type.count && nodes_ < kMaxNodes; ++i) {
      const Bytes element = Part(bytes, i * *element_size, *element_size);
      if (element.empty()) break;
      node.children.push_back(Decode(type.element, element, depth + 1));
    }
    return node;
  }

  Node DecodeBitfield(const Member& member, Bytes bytes) const {
    const bool fits = (std::uint64_t{member.bit_offset} + member.bitfield_bits + 7) / 8 <= bytes.size();
    const auto resolved = types_.Resolve(member.type);
    if (!fits || !resolved || member.bitfield_bits > 64) return {};
    const std::uint64_t value = Extract(bytes, member.bit_offset, member.bitfield_bits);
    const auto type = types_.TypeById(*resolved);
    if (!type) return {};
    const auto extended = [&](bool is_signed) { return is_signed ? SignExtend(value, member.bitfield_bits) : value; };
    if (const auto* as_int = std::get_if<Int>(&*type)) return IntegerNode(*as_int, extended(as_int->is_signed));
    if (const auto* as_enum = std::get_if<Enum>(&*type)) return EnumNode(*as_enum, extended(as_enum->is_signed));
    if (const auto* as_enum64 = std::get_if<Enum64>(&*type))
      return EnumNode(*as_enum64, extended(as_enum64->is_signed));
    return Number(value, false);
  }

  static void AddField(Node& fields, std::string_view name, Node value) {
    value.name = name;
    fields.children.push_back(std::move(value));
  }

  Node DecodeMembers(const RecordList<Member>& members, Bytes bytes, int depth) {
    Node node;
    node.form = Node::Form::kFields;
    for (const Member member : members) {
      if (nodes_ >= kMaxNodes) break;
      Node value = member.bitfield_bits != 0
                       ? DecodeBitfield(member, bytes)
                       : Decode(member.type, Part(bytes, member.bit_offset / 8, UINT64_MAX), depth + 1);
      // The members of an anonymous struct or union belong to the one around it, as in C.
      if (member.name.empty() && value.form == Node::Form::kFields) {
        std::move(value.children.begin(), value.children.end(), std::back_inserter(node.children));
      } else if (!member.name.empty()) {
        AddField(node, member.name, std::move(value));
      }
    }
    return node;
  }
  Node DecodeKind(const Struct& type, Bytes bytes, int depth) {
    return DecodeMembers(type.members, Part(bytes, 0, type.size_bytes), depth);
  }
  Node DecodeKind(const Union& type, Bytes bytes, int depth) {
    return DecodeMembers(type.members, Part(bytes, 0, type.size_bytes), depth);
  }

  Node DecodeKind(const Var& type, Bytes bytes, int depth) { return Decode(type.type, bytes, depth + 1); }

  Node DecodeKind(const DataSec& type, Bytes bytes, int depth) {
    Node node;
    node.form = Node::Form::kFields;
    for (const SectionVariable variable : type.variables) {
      if (nodes_ >= kMaxNodes) break;
      AddField(node, types_.NameOf(variable.type),
               Decode(variable.type, Part(bytes, variable.offset_bytes, variable.size_bytes), depth + 1));
    }
    return node;
  }

  // What has no size has no value; bytes that are there all the same are shown as they are.
  Node DecodeKind(const Void&, Bytes bytes, int) const { return WithoutType(bytes); }
  Node DecodeKind(const Forward&, Bytes, int) const { return {}; }
  Node DecodeKind(const Typedef&, Bytes, int) const { return {}; }
  Node DecodeKind(const Volatile&, Bytes, int) const { return {}; }
  Node DecodeKind(const Const&, Bytes, int) const { return {}; }
  Node DecodeKind(const Restrict&, Bytes, int) const { return {}; }
  Node DecodeKind(const TypeTag&, Bytes, int) const { return {}; }
  Node DecodeKind(const Func&, Bytes, int) const { return {}; }
  Node DecodeKind(const FuncProto&, Bytes, int) const { return {}; }
  Node DecodeKind(const DeclTag&, Bytes, int) const { return {}; }

  const Btf& types_;
  bool is_little_;
  int nodes_ = 0;
};

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      escaped += '\\';
      escaped += c;
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      escaped += fmt::format("\\x{:02x}", byte);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string ToText(const Node& node);

std::string ListText(const Node& node) {
  std::size_t count = node.children.size();
  while (count > 0 && node.children[count - 1].IsZero()) --count;
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + ToText(node.children[i]);
  return text + "}";
}

std::string FieldsText(const Node& node) {
  std::string text = "{";
  for (const Node& field : node.children) {
    text += fmt::format("{}.{} = {}", text.size() == 1 ? "" : ", ", field.name, ToText(field));
  }
  return text + "}";
}

std::string CharacterText(const Node& node) {
  const bool is_printable = node.number < 0x7f && std::isprint(static_cast<int>(node.number)) != 0;
  return is_printable ? fmt::format("'{}'", static_cast<char>(node.number))
                      : fmt::format("{}", static_cast<std::int64_t>(node.number));
}

std::string ToText(const Node& node) {
  switch (node.form) {
    case Node::Form::kMissing:
      return "?";
    case Node::Form::kSigned:
      return fmt::format("{}", static_cast<std::int64_t>(node.number));
    case Node::Form::kUnsigned:
      return fmt::format("{}", node.number);
    case Node::Form::kFloat:
      return fmt::format("{}", node.real);
    case Node::Form::kBool:
      return node.number != 0 ? "true" : "false";
    case Node::Form::kCharacter:
      return CharacterText(node);
    case Node::Form::kName:
    case Node::Form::kHex:
      return node.text;
    case Node::Form::kString:
      return fmt::format("\"{}\"", Escaped(node.text));
    case Node::Form::kList:
      return ListText(node);
    case Node::Form::kFields:
      return FieldsText(node);
  }
  return "?";
}

nlohmann::ordered_json ToJson(const Node& node) {
  switch (node.form) {
    case Node::Form::kMissing:
      return nullptr;
    case Node::Form::kSigned:
    case Node::Form::kCharacter:
      return static_cast<std::int64_t>(node.number);
    case Node::Form::kUnsigned:
      return node.number;
    case Node::Form::kFloat:
      return node.real;
    case Node::Form::kBool:
      return node.number != 0;
    case Node::Form::kName:
    case Node::Form::kHex:
    case Node::Form::kString:
      return node.text;
    case Node::Form::kList: {
      auto list = nlohmann::ordered_json::array();
      for (const Node& element : node.children) list.push_back(ToJson(element));
      return list;
    }
    case Node::Form::kFields: {
      auto fields = nlohmann::ordered_json::object();
      for (const Node& field : node.children) fields[field.name] = ToJson(field);
      return fields;
    }
  }
  return nullptr;
}

}  // namespace

std::string FormatValue(const Btf& types, TypeId type, std::span<const std::byte> bytes) {
  return ToText(Decoder(types).Decode(type, bytes));
}

std::string FormatValueJson(const Btf& types, TypeId type, std::span<const std::byte> bytes) {
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;
  return ToJson(Decoder(types).Decode(type, bytes)).dump(-1, ' ', false, replace);
}

}  // namespace strata::btf
