// .BTF.ext: which function, source line and CO-RE relocation belongs to which instruction.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "strata/base/byte_reader.h"
#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_info.h"

namespace strata::btf {

// What .BTF.ext says about one code section: indices count from the section's start; each list is sorted by index.
struct SectionExtInfo {
  std::vector<FuncInfo> functions;
  std::vector<LineInfo> lines;
  std::vector<CoreRelocation> core_relocations;
  // `lines` where they lie: whole records of LineInfos::kRecordSize. Empty where they lie otherwise (another byte
  // order, records of a newer format, in pieces, or out of order).
  std::span<const std::byte> line_records = {};
};

using ExtInfo = std::map<std::string, SectionExtInfo, std::less<>>;  // by section name

// One section at a time: what is not asked for is not decoded, and its records are not checked. `bytes` and `types`
// must outlive it.
class STRATA_EXPORT ExtInfoReader {
 public:
  // Errors: kMalformed, starting with `where` and naming the offset, for what is wrong with the tables.
  static Result<ExtInfoReader> Open(std::span<const std::byte> bytes, const Btf& types, std::string_view where);

  // Empty lists for a section without records. Errors: kMalformed for a record that makes no sense.
  Result<SectionExtInfo> Read(std::string_view section);

  // The sections that have records, each once.
  std::set<std::string_view> Sections() const;

 private:
  // Records of one section in a table.
  struct Block {
    std::uint32_t section = 0;  // its name, in the strings
    std::uint32_t offset = 0;   // of the first record, in the table
    std::uint32_t count = 0;
  };
  struct Table {
    std::span<const std::byte> bytes;
    std::string where;
    std::uint32_t record_size = 0;
    std::vector<Block> blocks;  // by section
  };
  std::span<const Block> BlocksOf(const Table& table, std::string_view section) const;
  std::string_view NameOf(const Block& block) const;
  explicit ExtInfoReader(const Btf& types) : types_(&types) {}
  static Result<Table> OpenTable(const ByteReader& body, std::uint32_t offset, std::uint32_t size_bytes,
                                 std::string_view what, std::uint32_t known_size, const Btf& types);
  template <typename Info>
  Result<void> ReadTable(const Table& table, std::string_view section, std::vector<Info>& list);
  std::span<const std::byte> LineRecords(std::string_view section, const std::vector<LineInfo>& lines) const;
  Result<void> ReadRecord(ByteReader& reader, std::vector<FuncInfo>& functions);
  Result<void> ReadRecord(ByteReader& reader, std::vector<LineInfo>& lines);
  Result<void> ReadRecord(ByteReader& reader, std::vector<CoreRelocation>& relocations);

  const Btf* types_;
  Table functions_;
  Table lines_;
  Table core_relocations_;
  std::unordered_map<std::uint32_t, SharedString> accesses_;  // by offset in the strings
};

// All sections at once. `types` is the BTF of the same object, which holds the strings. Errors: kMalformed, starting
// with `where` and naming the offset.
STRATA_EXPORT Result<ExtInfo> ReadExtInfo(std::span<const std::byte> bytes, const Btf& types,
                                          std::string_view where = "BTF.ext");

}  // namespace strata::btf
