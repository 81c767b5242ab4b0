#include "strata/btf/ext_writer.h"

#include <fmt/format.h>

#include <cstring>

#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::uint32_t kHeaderSize = 32;  // with the table of CO-RE relocations
constexpr std::uint32_t kInstructionSize = 8;

class WordWriter {
 public:
  explicit WordWriter(std::endian order) : order_(order) {}

  template <typename Integer>
  void Put(Integer value) {
    if (order_ != std::endian::native) value = SwapBytes(value);
    const std::size_t end = bytes_.size();
    bytes_.resize(end + sizeof(value));
    std::memcpy(bytes_.data() + end, &value, sizeof(value));
  }
  void Append(const WordWriter& other) { bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end()); }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::endian order_;
  std::vector<std::byte> bytes_;
};

void PutRecord(const FuncInfo& info, Builder&, WordWriter& table) {
  table.Put(info.index.value * kInstructionSize);
  table.Put(info.type.value);
}

void PutRecord(const LineInfo& info, Builder&, WordWriter& table) {
  table.Put(info.index.value * kInstructionSize);
  table.Put(info.file_name_offset);
  table.Put(info.line_offset);
  table.Put(info.line_column);
}

void PutRecord(const CoreRelocation& relocation, Builder& types, WordWriter& table) {
  table.Put(relocation.index.value * kInstructionSize);
  table.Put(relocation.type.value);
  table.Put(types.AddString(relocation.access));
  table.Put(relocation.kind);
}

// The size of a record, then for each section its name, a count and the records; nothing when there are none.
template <typename Info>
WordWriter MakeTable(const ExtInfo& info, std::uint32_t record_size, std::vector<Info> SectionExtInfo::*list,
                     Builder& types, std::endian order) {
  WordWriter table(order);
  for (const auto& [name, section] : info) {
    const std::vector<Info>& records = section.*list;
    if (records.empty()) continue;
    if (table.size() == 0) table.Put(record_size);
    table.Put(types.AddString(name));
    table.Put(static_cast<std::uint32_t>(records.size()));
    for (const Info& record : records) PutRecord(record, types, table);
  }
  return table;
}

}  // namespace

Result<std::vector<std::byte>> WriteExtInfo(const ExtInfo& info, Builder* types, std::endian order) {
  const WordWriter tables[] = {MakeTable(info, 8, &SectionExtInfo::functions, *types, order),
                               MakeTable(info, 16, &SectionExtInfo::lines, *types, order),
                               MakeTable(info, 16, &SectionExtInfo::core_relocations, *types, order)};
  WordWriter out(order);
  out.Put(kMagic);
  out.Put(std::uint8_t{1});  // version
  out.Put(std::uint8_t{0});  // flags
  out.Put(kHeaderSize);
  std::uint64_t offset = 0;
  for (const WordWriter& table : tables) {
    out.Put(static_cast<std::uint32_t>(offset));
    out.Put(static_cast<std::uint32_t>(table.size()));
    offset += table.size();
  }
  if (offset > UINT32_MAX) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("BTF.ext: {} bytes are too many", offset));
  }
  for (const WordWriter& table : tables) out.Append(table);
  return std::move(out.bytes());
}

}  // namespace strata::btf
