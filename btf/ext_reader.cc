#include "strata/btf/ext_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/byte_reader.h"
#include "strata/btf/line_infos.h"

namespace strata::btf {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kMinimalHeader = 24;  // without CO-RE relocations
constexpr std::uint32_t kHeaderWithCore = 32;
constexpr std::uint32_t kInstructionSize = 8;

struct TablePlace {
  std::uint32_t offset = 0;  // from the header's end
  std::uint32_t size_bytes = 0;
};

struct Header {
  std::uint32_t size_bytes = 0;
  TablePlace functions;
  TablePlace lines;
  TablePlace core_relocations;
};

Result<TablePlace> ReadTablePlace(ByteReader& reader, std::string_view what) {
  TablePlace table;
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
  // A newer format may have a longer header; as long as its new fields are zero, nothing in it changes what we know.
  const std::uint64_t known_size = std::min(header.size_bytes, kHeaderWithCore);
  if (header.size_bytes > known_size) {
    for (const std::byte byte : STRATA_TRY(reader.ReadBytes(header.size_bytes - known_size, "header"))) {
      if (byte != std::byte{0}) return reader.Malformed("the header has fields that are not known");
    }
  }
  STRATA_TRY(reader.Seek(header.size_bytes, "header"));
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

template <typename Info>
bool IsBefore(const Info& a, const Info& b) {
  return a.index < b.index;
}

}  // namespace

// A record size, then for each section its name, a count and the records. Records of a newer format may be longer.
Result<ExtInfoReader::Table> ExtInfoReader::OpenTable(const ByteReader& body, std::uint32_t offset,
                                                      std::uint32_t size_bytes, std::string_view what,
                                                      std::uint32_t known_size, const Btf& types) {
  Table table;
  if (size_bytes == 0) return table;
  ByteReader reader = STRATA_TRY(body.Slice(offset, size_bytes, what));
  table.where = reader.where();
  table.record_size = STRATA_TRY(reader.Read<std::uint32_t>("record size"));
  if (table.record_size < known_size) {
    return reader.Malformed(fmt::format("records of {} bytes are too small", table.record_size));
  }
  while (reader.remaining() > 0) {
    const auto name_offset = STRATA_TRY(reader.Read<std::uint32_t>("section name"));
    STRATA_TRY(types.StringAt(name_offset).Context(reader.where()));
    const auto count = STRATA_TRY(reader.Read<std::uint32_t>("number of records"));
    table.blocks.push_back(Block{name_offset, static_cast<std::uint32_t>(reader.offset()), count});
    STRATA_TRY(reader.Skip(std::uint64_t{count} * table.record_size, "record"));
  }
  reader = STRATA_TRY(body.Slice(offset, size_bytes, what));
  table.bytes = STRATA_TRY(reader.ReadBytes(size_bytes, what));
  std::ranges::stable_sort(table.blocks, {}, [&](const Block& block) { return types.StringAt(block.section).value(); });
  table.blocks.shrink_to_fit();
  return table;
}

Result<ExtInfoReader> ExtInfoReader::Open(std::span<const std::byte> bytes, const Btf& types, std::string_view where) {
  ByteReader reader(bytes, std::string(where), types.byte_order());
  const Header header = STRATA_TRY(ReadHeader(reader));
  const ByteReader body(bytes.subspan(header.size_bytes), std::string(where), types.byte_order());
  ExtInfoReader result(types);
  const auto open = [&](const TablePlace& place, std::string_view what, std::uint32_t known_size) {
    return OpenTable(body, place.offset, place.size_bytes, what, known_size, types);
  };
  result.functions_ = STRATA_TRY(open(header.functions, "func_info", 8));
  result.lines_ = STRATA_TRY(open(header.lines, "line_info", LineInfos::kRecordSize));
  result.core_relocations_ = STRATA_TRY(open(header.core_relocations, "core_relo", 16));
  return result;
}

Result<void> ExtInfoReader::ReadRecord(ByteReader& reader, std::vector<FuncInfo>& functions) {
  FuncInfo info;
  info.index = STRATA_TRY(ReadIndex(reader));
  info.type = STRATA_TRY(ReadType(reader, *types_));
  if (types_->KindOf(info.type) != Kind::kFunc) {
    return reader.Malformed(
        fmt::format("type {} is a {} and no FUNC", info.type.value, KindName(types_->KindOf(info.type))));
  }
  functions.push_back(info);
  return {};
}

Result<void> ExtInfoReader::ReadRecord(ByteReader& reader, std::vector<LineInfo>& lines) {
  LineInfo info;
  info.index = STRATA_TRY(ReadIndex(reader));
  info.file_name_offset = STRATA_TRY(ReadStringOffset(reader, *types_, "file name"));
  info.line_offset = STRATA_TRY(ReadStringOffset(reader, *types_, "line"));
  info.line_column = STRATA_TRY(reader.Read<std::uint32_t>("line number"));
  lines.push_back(info);
  return {};
}

// Few access strings serve many relocations.
Result<void> ExtInfoReader::ReadRecord(ByteReader& reader, std::vector<CoreRelocation>& relocations) {
  CoreRelocation relocation;
  relocation.index = STRATA_TRY(ReadIndex(reader));
  relocation.type = STRATA_TRY(ReadType(reader, *types_));
  const auto access = STRATA_TRY(ReadStringOffset(reader, *types_, "access string"));
  SharedString& text = accesses_[access];
  if (text.empty()) text = STRATA_TRY(types_->StringAt(access));
  relocation.access = text;
  relocation.kind = STRATA_TRY(reader.Read<std::uint32_t>("kind"));
  relocations.push_back(std::move(relocation));
  return {};
}

std::string_view ExtInfoReader::NameOf(const Block& block) const { return types_->StringAt(block.section).value(); }

std::span<const ExtInfoReader::Block> ExtInfoReader::BlocksOf(const Table& table, std::string_view section) const {
  const auto name_of = [this](const Block& block) { return NameOf(block); };
  const auto first = std::ranges::lower_bound(table.blocks, section, {}, name_of);
  return std::span(first, std::ranges::upper_bound(table.blocks, section, {}, name_of));
}

template <typename Info>
Result<void> ExtInfoReader::ReadTable(const Table& table, std::string_view section, std::vector<Info>& list) {
  for (const Block& block : BlocksOf(table, section)) {
    ByteReader reader(table.bytes, table.where, types_->byte_order());
    STRATA_TRY(reader.Seek(block.offset, "records"));
    list.reserve(list.size() + block.count);
    for (std::uint32_t i = 0; i < block.count; ++i) {
      const std::size_t start = reader.offset();
      STRATA_TRY(ReadRecord(reader, list));
      STRATA_TRY(reader.Skip(table.record_size - (reader.offset() - start), "record"));
    }
  }
  return {};
}

std::span<const std::byte> ExtInfoReader::LineRecords(std::string_view section,
                                                      const std::vector<LineInfo>& lines) const {
  const auto blocks = BlocksOf(lines_, section);
  const bool is_in_place = blocks.size() == 1 && lines_.record_size == LineInfos::kRecordSize &&
                           types_->byte_order() == std::endian::native &&
                           std::is_sorted(lines.begin(), lines.end(), IsBefore<LineInfo>);
  if (!is_in_place) return {};
  return lines_.bytes.subspan(blocks.front().offset, lines.size() * LineInfos::kRecordSize);
}

Result<SectionExtInfo> ExtInfoReader::Read(std::string_view section) {
  SectionExtInfo info;
  STRATA_TRY(ReadTable(functions_, section, info.functions));
  STRATA_TRY(ReadTable(lines_, section, info.lines));
  STRATA_TRY(ReadTable(core_relocations_, section, info.core_relocations));
  info.line_records = LineRecords(section, info.lines);
  // Compilers write them in order.
  std::stable_sort(info.functions.begin(), info.functions.end(), IsBefore<FuncInfo>);
  if (info.line_records.empty()) std::stable_sort(info.lines.begin(), info.lines.end(), IsBefore<LineInfo>);
  std::stable_sort(info.core_relocations.begin(), info.core_relocations.end(), IsBefore<CoreRelocation>);
  return info;
}

std::set<std::string_view> ExtInfoReader::Sections() const {
  std::set<std::string_view> sections;
  for (const Table* table : {&functions_, &lines_, &core_relocations_}) {
    for (const Block& block : table->blocks) sections.insert(NameOf(block));
  }
  return sections;
}

Result<ExtInfo> ReadExtInfo(std::span<const std::byte> bytes, const Btf& types, std::string_view where) {
  ExtInfoReader reader = STRATA_TRY(ExtInfoReader::Open(bytes, types, where));
  ExtInfo result;
  for (const std::string_view section : reader.Sections()) {
    result.emplace(section, STRATA_TRY(reader.Read(section)));
  }
  return result;
}

}  // namespace strata::btf
