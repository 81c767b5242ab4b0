#include "strata/btf/ext_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kMinimalHeader = 24;  // without CO-RE relocations
constexpr std::uint32_t kHeaderWithCore = 32;
constexpr std::uint32_t kInstructionSize = 8;

struct Table {
  std::uint32_t offset = 0;  // from the header's end
  std::uint32_t size_bytes = 0;
};

struct Header {
  std::uint32_t size_bytes = 0;
  Table functions;
  Table lines;
  Table core_relocations;
};

Result<Table> ReadTablePlace(ByteReader& reader, std::string_view what) {
  Table table;
  table.offset = STRATA_TRY(reader.Read<std::uint32_t>(what));
  table.size_bytes = STRATA_TRY(reader.Read<std::uint32_t>(what));
  return table;
}

Result<Header> ReadHeader(ByteReader& reader) {
  Header header;
  const auto magic = STRATA_TRY(reader.Read<std::uint16_t>("magic"));
  if (magic != kMagic) return reader.Malformed(fmt::format("magic is {:#06x}, not {:#06x}", magic, kMagic));
  const auto version = STRATA_TRY(reader.Read<std::uint8_t>("version"));
  if (version != 1) return reader.Malformed(fmt::format("version {} is not known", version));
  STRATA_TRY(reader.Skip(1, "flags"));
  header.size_bytes = STRATA_TRY(reader.Read<std::uint32_t>("header length"));
  if (header.size_bytes < kMinimalHeader) {
    return reader.Malformed(fmt::format("header length {} is too small", header.size_bytes));
  }
  header.functions = STRATA_TRY(ReadTablePlace(reader, "func_info"));
  header.lines = STRATA_TRY(ReadTablePlace(reader, "line_info"));
  if (header.size_bytes >= kHeaderWithCore) {
    header.core_relocations = STRATA_TRY(ReadTablePlace(reader, "core_relo"));
  }
  return header;
}

Result<isa::InsnIndex> ReadIndex(ByteReader& reader) {
  const auto offset = STRATA_TRY(reader.Read<std::uint32_t>("instruction offset"));
  if (offset % kInstructionSize != 0) {
    return reader.Malformed(fmt::format("instruction offset {} is no multiple of {}", offset, kInstructionSize));
  }
  return isa::InsnIndex{offset / kInstructionSize};
}

Result<TypeId> ReadType(ByteReader& reader, const Btf& types) {
  const TypeId type { STRATA_TRY(reader.Read<std::uint32_t>("type id")) };
  if (type.value >= types.type_count()) return reader.Malformed(fmt::format("there is no type {}", type.value));
  return type;
}

Result<std::uint32_t> ReadStringOffset(ByteReader& reader, const Btf& types, std::string_view what) {
  const auto offset = STRATA_TRY(reader.Read<std::uint32_t>(what));
  // One comparison for the many that are right.
  if (offset >= types.strings().size()) STRATA_TRY(types.StringAt(offset).Context(reader.where()));
  return offset;
}

Result<void> ReadRecord(ByteReader& reader, const Btf& types, std::vector<FuncInfo>& functions) {
  FuncInfo info;
  info.index = STRATA_TRY(ReadIndex(reader));
  info.type = STRATA_TRY(ReadType(reader, types));
  if (types.KindOf(info.type) != Kind::kFunc) {
    return reader.Malformed(
        fmt::format("type {} is a {} and no FUNC", info.type.value, KindName(types.KindOf(info.type))));
  }
  functions.push_back(info);
  return {};
}

Result<void> ReadRecord(ByteReader& reader, const Btf& types, std::vector<LineInfo>& lines) {
  LineInfo info;
  info.index = STRATA_TRY(ReadIndex(reader));
  info.file_name_offset = STRATA_TRY(ReadStringOffset(reader, types, "file name"));
  info.line_offset = STRATA_TRY(ReadStringOffset(reader, types, "line"));
  info.line_column = STRATA_TRY(reader.Read<std::uint32_t>("line number"));
  lines.push_back(info);
  return {};
}

Result<void> ReadRecord(ByteReader& reader, const Btf& types, std::vector<CoreRelocation>& relocations) {
  CoreRelocation relocation;
  relocation.index = STRATA_TRY(ReadIndex(reader));
  relocation.type = STRATA_TRY(ReadType(reader, types));
  relocation.access = STRATA_TRY(types.StringAt(STRATA_TRY(ReadStringOffset(reader, types, "access string"))));
  relocation.kind = STRATA_TRY(reader.Read<std::uint32_t>("kind"));
  relocations.push_back(std::move(relocation));
  return {};
}

// One of the three tables: a record size, then for each section its name, a count and the records. Records of a newer
// format may be longer.
template <typename Info>
Result<void> ReadTable(const ByteReader& body, const Table& place, std::string_view what, std::uint32_t known_size,
                       const Btf& types, std::vector<Info> SectionExtInfo::*list, ExtInfo& result) {
  if (place.size_bytes == 0) return {};
  ByteReader reader = STRATA_TRY(body.Slice(place.offset, place.size_bytes, what));
  const auto record_size = STRATA_TRY(reader.Read<std::uint32_t>("record size"));
  if (record_size < known_size) return reader.Malformed(fmt::format("records of {} bytes are too small", record_size));
  while (reader.remaining() > 0) {
    const auto name_offset = STRATA_TRY(reader.Read<std::uint32_t>("section name"));
    const auto name = STRATA_TRY(types.StringAt(name_offset).Context(reader.where()));
    const auto count = STRATA_TRY(reader.Read<std::uint32_t>("number of records"));
    std::vector<Info>& records = result[std::string(name)].*list;
    records.reserve(records.size() + std::min<std::size_t>(count, reader.remaining() / record_size));
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t start = reader.offset();
      STRATA_TRY(ReadRecord(reader, types, records));
      STRATA_TRY(reader.Skip(record_size - (reader.offset() - start), "record"));
    }
  }
  return {};
}

// Compilers write them in order.
template <typename Info>
void SortByIndex(std::vector<Info>& list) {
  const auto is_before = [](const Info& a, const Info& b) { return a.index < b.index; };
  if (!std::is_sorted(list.begin(), list.end(), is_before)) std::stable_sort(list.begin(), list.end(), is_before);
}

}  // namespace

Result<ExtInfo> ReadExtInfo(std::span<const std::byte> bytes, const Btf& types, std::string_view where) {
  ByteReader reader(bytes, std::string(where), types.byte_order());
  const Header header = STRATA_TRY(ReadHeader(reader));
  STRATA_TRY(reader.Seek(header.size_bytes, "header"));
  const ByteReader body(bytes.subspan(header.size_bytes), std::string(where), types.byte_order());

  ExtInfo result;
  STRATA_TRY(ReadTable(body, header.functions, "func_info", 8, types, &SectionExtInfo::functions, result));
  STRATA_TRY(ReadTable(body, header.lines, "line_info", 16, types, &SectionExtInfo::lines, result));
  STRATA_TRY(
      ReadTable(body, header.core_relocations, "core_relo", 16, types, &SectionExtInfo::core_relocations, result));
  for (auto& [name, section] : result) {
    SortByIndex(section.functions);
    SortByIndex(section.lines);
    SortByIndex(section.core_relocations);
  }
  return result;
}

}  // namespace strata::btf
