// How BTF lies in bytes (include/uapi/linux/btf.h): the one table of what each kind holds, for all that read, write or
// renumber types.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "strata/btf/btf.h"

namespace strata::btf {

inline constexpr std::uint16_t kMagic = 0xeb9f;
inline constexpr std::uint16_t kSwappedMagic = 0x9feb;
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::uint32_t kHeaderSize = 24;
inline constexpr std::uint32_t kTypeSize = 12;
inline constexpr std::uint32_t kMaxRecords = 0xffff;  // the field is of 16 bits
inline constexpr std::uint32_t kNoField = 0xffffffff;

// What follows the 12 bytes that all types share, and where in it names and ids stand. All in bytes.
struct KindLayout {
  std::string_view name;
  bool has_target;            // the third word is a type id
  std::uint32_t fixed_size;   // after the type
  std::uint32_t record_size;  // of each of the `vlen` records after that
  std::uint32_t record_name;  // offset of the record's name, or kNoField
  std::uint32_t record_type;  // offset of the record's type id, or kNoField
};

inline constexpr std::array<KindLayout, kKindCount> kLayouts = {{
    {"VOID", false, 0, 0, kNoField, kNoField},
    {"INT", false, 4, 0, kNoField, kNoField},
    {"PTR", true, 0, 0, kNoField, kNoField},
    {"ARRAY", false, 12, 0, kNoField, kNoField},
    {"STRUCT", false, 0, 12, 0, 4},
    {"UNION", false, 0, 12, 0, 4},
    {"ENUM", false, 0, 8, 0, kNoField},
    {"FWD", false, 0, 0, kNoField, kNoField},
    {"TYPEDEF", true, 0, 0, kNoField, kNoField},
    {"VOLATILE", true, 0, 0, kNoField, kNoField},
    {"CONST", true, 0, 0, kNoField, kNoField},
    {"RESTRICT", true, 0, 0, kNoField, kNoField},
    {"FUNC", true, 0, 0, kNoField, kNoField},
    {"FUNC_PROTO", true, 0, 8, 0, 4},
    {"VAR", true, 4, 0, kNoField, kNoField},
    {"DATASEC", false, 0, 12, kNoField, 0},
    {"FLOAT", false, 0, 0, kNoField, kNoField},
    {"DECL_TAG", true, 4, 0, kNoField, kNoField},
    {"TYPE_TAG", true, 0, 0, kNoField, kNoField},
    {"ENUM64", false, 0, 12, 0, kNoField},
}};

inline constexpr const KindLayout& LayoutOf(Kind kind) { return kLayouts[static_cast<std::size_t>(kind)]; }

// The second word of a type.
inline constexpr std::uint32_t KindNumber(std::uint32_t info) { return (info >> 24) & 0x1f; }
inline constexpr std::uint32_t VariableLength(std::uint32_t info) { return info & kMaxRecords; }
inline constexpr bool KindFlag(std::uint32_t info) { return (info >> 31) != 0; }
inline constexpr std::uint32_t MakeInfo(Kind kind, std::uint32_t count, bool kind_flag) {
  return std::uint32_t{kind_flag} << 31 | static_cast<std::uint32_t>(kind) << 24 | count;
}

inline constexpr bool IsModifier(Kind kind) {
  return kind == Kind::kTypedef || kind == Kind::kVolatile || kind == Kind::kConst || kind == Kind::kRestrict ||
         kind == Kind::kTypeTag;
}

// A type as words in host byte order: name, info, size or target, then what the kind adds.
inline constexpr std::uint32_t kNameWord = 0;
inline constexpr std::uint32_t kInfoWord = 1;
inline constexpr std::uint32_t kTargetWord = 2;  // or the size
inline constexpr std::uint32_t kExtraWord = 3;

inline constexpr Kind KindOfInfo(std::uint32_t info) { return static_cast<Kind>(KindNumber(info)); }

inline constexpr std::uint32_t WordCount(std::uint32_t info) {
  const KindLayout& layout = LayoutOf(KindOfInfo(info));
  return (kTypeSize + layout.fixed_size + layout.record_size * VariableLength(info)) / 4;
}

// Calls `visit` for each word that is a string's offset.
template <typename Words, typename Visit>
void ForEachName(Words&& words, Visit visit) {
  visit(words[kNameWord]);
  const KindLayout& layout = LayoutOf(KindOfInfo(words[kInfoWord]));
  if (layout.record_name == kNoField) return;
  const std::uint32_t count = VariableLength(words[kInfoWord]);
  const std::uint32_t first = (kTypeSize + layout.fixed_size + layout.record_name) / 4;
  for (std::uint32_t i = 0; i < count; ++i) visit(words[first + i * layout.record_size / 4]);
}

// Calls `visit` for each word that is a type's id.
template <typename Words, typename Visit>
void ForEachReference(Words&& words, Visit visit) {
  const Kind kind = KindOfInfo(words[kInfoWord]);
  const KindLayout& layout = LayoutOf(kind);
  if (layout.has_target) visit(words[kTargetWord]);
  if (kind == Kind::kArray) {
    visit(words[kExtraWord]);
    visit(words[kExtraWord + 1]);
  }
  if (layout.record_type == kNoField) return;
  const std::uint32_t count = VariableLength(words[kInfoWord]);
  const std::uint32_t first = (kTypeSize + layout.fixed_size + layout.record_type) / 4;
  for (std::uint32_t i = 0; i < count; ++i) visit(words[first + i * layout.record_size / 4]);
}

}  // namespace strata::btf
