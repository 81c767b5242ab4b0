#include "strata/btf/parse_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

namespace strata::btf {
namespace {

using Json = nlohmann::json;
using Bytes = std::span<std::byte>;

constexpr int kMaxDepth = 32;
constexpr std::uint64_t kMaxSize = std::uint64_t{64} * 1024 * 1024;  // of a value: more than any map takes

Error Invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

std::string Shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// A whole number: its bits, and whether it is below zero.
struct Number {
  std::uint64_t bits = 0;
  bool is_negative = false;
};

std::optional<Number> NumberFromText(std::string_view text) {
  Number number;
  number.is_negative = text.starts_with('-');
  if (number.is_negative) text.remove_prefix(1);
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex) text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.bits, is_hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (number.is_negative && number.bits > std::uint64_t{1} << 63) return std::nullopt;
  if (number.is_negative) number.bits = ~number.bits + 1;
  if (number.bits == 0) number.is_negative = false;
  return number;
}

std::optional<Number> NumberFromJson(const Json& json) {
  if (json.is_boolean()) return Number{json.get<bool>() ? 1U : 0U, false};
  if (json.is_number_unsigned()) return Number{json.get<std::uint64_t>(), false};
  if (json.is_number_integer()) {
    const auto value = json.get<std::int64_t>();
    return Number{static_cast<std::uint64_t>(value), value < 0};
  }
  return json.is_string() ? NumberFromText(json.get_ref<const std::string&>()) : std::nullopt;
}

// Whether `bits` bits hold it. What is written in hexadecimal or as unsigned may fill a signed field.
bool Fits(Number number, std::uint32_t bits, bool is_signed) {
  if (bits >= 64) return !number.is_negative || is_signed;
  if (!number.is_negative) return number.bits >> bits == 0;
  return is_signed && number.bits >= ~std::uint64_t{0} << (bits - 1);
}

class Encoder {
 public:
  explicit Encoder(const Btf& types) : types_(types), is_little_(types.byte_order() == std::endian::little) {}

  Result<void> Encode(TypeId id, const Json& json, Bytes bytes, int depth = 0) {
    if (depth > kMaxDepth) return Invalid("is nested too deeply");
    const Type type = STRATA_TRY(types_.TypeById(STRATA_TRY(types_.Resolve(id))));
    return std::visit([&](const auto& kind) { return EncodeKind(kind, json, bytes, depth); }, type);
  }

 private:
  // The way back of the decoder's: on big-endian machines bits count from the most significant one.
  void Put(Bytes bytes, std::uint64_t offset, std::uint32_t bits, std::uint64_t value) const {
    for (std::uint32_t i = 0; i < bits; ++i) {
      const std::uint64_t to = offset + i;
      const std::uint64_t bit = value >> (is_little_ ? i : bits - 1 - i) & 1;
      const auto mask = static_cast<std::byte>(1U << (is_little_ ? to % 8 : 7 - to % 8));
      std::byte& byte = bytes[static_cast<std::size_t>(to / 8)];
      byte = bit != 0 ? byte | mask : byte & ~mask;
    }
  }

  struct Field {
    std::uint64_t offset_bits;
    std::uint32_t bits;
    bool is_signed;
  };

  Result<void> PutNumber(const Field& field, const Json& json, Bytes bytes) const {
    const auto number = NumberFromJson(json);
    if (!number) return Invalid(fmt::format("expected a whole number, got {}", Shown(json)));
    if (!Fits(*number, field.bits, field.is_signed)) {
      return Invalid(fmt::format("{} does not fit into {} {} bits", Shown(json), field.bits,
                                 field.is_signed ? "signed" : "unsigned"));
    }
    Put(bytes, field.offset_bits, field.bits, number->bits);
    return {};
  }

  static bool IsCharacter(const Int& type) { return type.size_bytes == 1 && (type.is_char || type.name == "char"); }

  static Json CharacterOrSame(const Int& type, const Json& json) {
    if (!IsCharacter(type) || !json.is_string()) return json;
    const auto& text = json.get_ref<const std::string&>();
    const bool is_one = text.size() == 1 && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
    return is_one ? Json(static_cast<int>(text[0])) : json;
  }

  Result<void> EncodeKind(const Int& type, const Json& json, Bytes bytes, int) const {
    if (type.size_bytes > 8) return PutBytes(json, bytes.first(type.size_bytes));
    if (type.bit_offset + type.bits > type.size_bytes * 8) return Invalid("its bits lie outside of its bytes");
    const bool is_signed = type.is_signed || IsCharacter(type);
    return PutNumber({type.bit_offset, type.bits, is_signed}, CharacterOrSame(type, json), bytes);
  }

  static Result<void> PutBytes(const Json& json, Bytes bytes) {
    if (!json.is_string()) return Invalid(fmt::format("expected bytes in hexadecimal, got {}", Shown(json)));
    const auto parsed = STRATA_TRY(ParseHexBytes(json.get_ref<const std::string&>(), bytes.size()));
    std::copy(parsed.begin(), parsed.end(), bytes.begin());
    return {};
  }

  Result<void> EncodeKind(const Pointer&, const Json& json, Bytes bytes, int) const {
    return PutNumber({0, 64, false}, json, bytes);
  }

  Result<void> EncodeKind(const Float& type, const Json& json, Bytes bytes, int) const {
    if (!json.is_number()) return Invalid(fmt::format("expected a number, got {}", Shown(json)));
    const auto value = json.get<double>();
    if (type.size_bytes == 4) {
      Put(bytes, 0, 32, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
    } else if (type.size_bytes == 8) {
      Put(bytes, 0, 64, std::bit_cast<std::uint64_t>(value));
    } else {
      return Invalid(fmt::format("floating point numbers of {} bytes are not supported", type.size_bytes));
    }
    return {};
  }

  template <typename AnyEnum>
  Result<void> PutEnum(const AnyEnum& type, const Field& field, const Json& json, Bytes bytes) const {
    if (json.is_string()) {
      const auto& wanted = json.get_ref<const std::string&>();
      for (const EnumValue candidate : type.values) {
        if (candidate.name != wanted) continue;
        Put(bytes, field.offset_bits, field.bits, static_cast<std::uint64_t>(candidate.value));
        return {};
      }
      if (!NumberFromText(wanted)) {
        return Invalid(fmt::format("{} is no value of enum {}", wanted, type.name.empty() ? "(anonymous)" : type.name));
      }
    }
    return PutNumber(field, json, bytes);
  }
  Result<void> EncodeKind(const Enum& type, const Json& json, Bytes bytes, int) const {
    return PutEnum(type, {0, type.size_bytes * 8, type.is_signed}, json, bytes);
  }
  Result<void> EncodeKind(const Enum64& type, const Json& json, Bytes bytes, int) const {
    return PutEnum(type, {0, type.size_bytes * 8, type.is_signed}, json, bytes);
  }

  bool IsCharacterType(TypeId id) const {
    const auto resolved = types_.Resolve(id);
    if (!resolved) return false;
    const auto type = types_.Get<Int>(*resolved);
    return type && IsCharacter(*type);
  }

  static Result<void> PutString(const Json& json, Bytes bytes) {
    const auto& text = json.get_ref<const std::string&>();
    if (text.size() > bytes.size()) {
      return Invalid(fmt::format("{} has {} bytes, there is room for {}", Shown(json), text.size(), bytes.size()));
    }
    std::transform(text.begin(), text.end(), bytes.begin(), [](char c) { return static_cast<std::byte>(c); });
    return {};
  }

  Result<void> EncodeKind(const Array& type, const Json& json, Bytes bytes, int depth) {
    const auto stride = static_cast<std::size_t>(STRATA_TRY(types_.SizeOf(type.element)));
    bytes = bytes.first(stride * type.count);
    if (json.is_string() && IsCharacterType(type.element)) return PutString(json, bytes);
    if (!json.is_array()) return Invalid(fmt::format("expected an array, got {}", Shown(json)));
    if (json.size() > type.count) {
      return Invalid(fmt::format("{} elements are given, there is room for {}", json.size(), type.count));
    }
    for (std::size_t i = 0; i < json.size(); ++i) {
      STRATA_TRY(
          Encode(type.element, json[i], bytes.subspan(i * stride, stride), depth + 1).Context(fmt::format("[{}]", i)));
    }
    return {};
  }

  Result<void> EncodeBitfield(const Member& member, const Json& json, Bytes bytes) const {
    const Field field{member.bit_offset, member.bitfield_bits, false};
    const Type type = STRATA_TRY(types_.TypeById(STRATA_TRY(types_.Resolve(member.type))));
    if (const auto* as_enum = std::get_if<Enum>(&type)) return PutEnum(*as_enum, field, json, bytes);
    if (const auto* as_enum64 = std::get_if<Enum64>(&type)) return PutEnum(*as_enum64, field, json, bytes);
    const auto* as_int = std::get_if<Int>(&type);
    return PutNumber({field.offset_bits, field.bits, as_int != nullptr && as_int->is_signed}, json, bytes);
  }

  Result<void> EncodeMember(const Member& member, const Json& json, Bytes bytes, int depth) {
    const std::uint64_t end_bits = member.bitfield_bits != 0
                                       ? std::uint64_t{member.bit_offset} + member.bitfield_bits
                                       : std::uint64_t{member.bit_offset} + STRATA_TRY(types_.SizeOf(member.type))
    *8;
    if ((end_bits + 7) / 8 > bytes.size()) return Invalid("lies outside of its struct");
    if (member.bitfield_bits != 0) return EncodeBitfield(member, json, bytes);
    return Encode(member.type, json, bytes.subspan(member.bit_offset / 8), depth + 1);
  }

  // The member called `name`, or the one of an anonymous struct or union inside.
  Result<bool> EncodeNamed(const RecordList<Member>& members, std::string_view name, const Json& json, Bytes bytes,
                           int depth) {
    if (depth > kMaxDepth) return Invalid("is nested too deeply");
    for (const Member member : members) {
      if (member.name == name) {
        STRATA_TRY(EncodeMember(member, json, bytes, depth));
        return true;
      }
      if (!member.name.empty() || member.bit_offset % 8 != 0 || member.bit_offset / 8 > bytes.size()) continue;
      const Type type = STRATA_TRY(types_.TypeById(STRATA_TRY(types_.Resolve(member.type))));
      const Bytes inside = bytes.subspan(member.bit_offset / 8);
      if (const auto* as_struct = std::get_if<Struct>(&type)) {
        if (STRATA_TRY(EncodeNamed(as_struct->members, name, json, inside, depth + 1))) return true;
      } else if (const auto* as_union = std::get_if<Union>(&type)) {
        if (STRATA_TRY(EncodeNamed(as_union->members, name, json, inside, depth + 1))) return true;
      }
    }
    return false;
  }

  template <typename Composite>
  Result<void> EncodeMembers(const Composite& type, const Json& json, Bytes bytes, int depth) {
    if (!json.is_object()) return Invalid(fmt::format("expected an object with members, got {}", Shown(json)));
    for (const auto& [name, value] : json.items()) {
      const bool found = STRATA_TRY(EncodeNamed(type.members, name, value, bytes, depth).Context("." + name));
      if (!found) return Invalid(fmt::format(".{}: there is no such member", name));
    }
    return {};
  }
  Result<void> EncodeKind(const Struct& type, const Json& json, Bytes bytes, int depth) {
    return EncodeMembers(type, json, bytes.first(type.size_bytes), depth);
  }
  Result<void> EncodeKind(const Union& type, const Json& json, Bytes bytes, int depth) {
    return EncodeMembers(type, json, bytes.first(type.size_bytes), depth);
  }

  template <typename Other>
  Result<void> EncodeKind(const Other&, const Json&, Bytes, int) const {
    return Invalid("its type has no values");
  }

  const Btf& types_;
  bool is_little_;
};

bool IsComposite(const Btf& types, TypeId resolved) {
  const Kind kind = types.KindOf(resolved);
  return kind == Kind::kStruct || kind == Kind::kUnion;
}

// "sort" and "RED" need no quotes, nor does 0x1f, which is no JSON.
Result<Json> ReadText(const Btf& types, TypeId resolved, std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool is_array = types.KindOf(resolved) == Kind::kArray;
  // A string of digits for an array of char is a string.
  if (is_array && json.is_number()) return Json(std::string(text));
  if (!json.is_discarded()) return json;
  const bool looks_like_json = text.starts_with('{') || text.starts_with('[') || text.starts_with('"');
  if (looks_like_json || IsComposite(types, resolved)) return Invalid(fmt::format("{} is no valid JSON", text));
  return Json(std::string(text));
}

}  // namespace

Result<std::vector<std::byte>> ParseValue(const Btf& types, TypeId type, std::string_view text) {
  const TypeId resolved = STRATA_TRY(types.Resolve(type));
  const std::uint64_t size = STRATA_TRY(types.SizeOf(resolved));
  if (size > kMaxSize) return Invalid(fmt::format("its type has {} bytes", size));
  const Json json = STRATA_TRY(ReadText(types, resolved, text));
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  STRATA_TRY(Encoder(types).Encode(resolved, json, bytes));
  return bytes;
}

Result<std::vector<std::byte>> ParseHexBytes(std::string_view text, std::size_t size_bytes) {
  const std::string_view whole = text;
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::vector<std::byte> bytes;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + std::min<std::size_t>(2, text.size()), value, 16);
    if (error != std::errc{} || end != text.data() + 2) {
      return Invalid(fmt::format("\"{}\" is no list of bytes in hexadecimal", whole));
    }
    bytes.push_back(static_cast<std::byte>(value));
    text.remove_prefix(2);
  }
  if (bytes.size() != size_bytes)
    return Invalid(fmt::format("{} bytes are given, expected {}", bytes.size(), size_bytes));
  return bytes;
}

}  // namespace strata::btf
