#include "strata/btf/line_infos.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace strata::btf {
namespace {

constexpr std::uint32_t kInstructionSize = 8;

// As .BTF.ext has them: the place in bytes, file name, line, number.
using Record = std::array<std::uint32_t, 4>;
static_assert(sizeof(Record) == LineInfos::kRecordSize);

}  // namespace

LineInfos::LineInfos(const std::vector<LineInfo>& infos) : count_(static_cast<std::uint32_t>(infos.size())) {
  if (infos.empty()) return;
  std::shared_ptr<Record[]> records(new Record[infos.size()]);
  std::ranges::transform(infos, records.get(), [](const LineInfo& info) {
    return Record{info.index.value * kInstructionSize, info.file_name_offset, info.line_offset, info.line_column};
  });
  records_ = reinterpret_cast<const std::byte*>(records.get());
  owner_ = std::move(records);
}

LineInfos::LineInfos(std::shared_ptr<const void> owner, std::span<const std::byte> records, isa::InsnIndex start)
    : owner_(std::move(owner)),
      records_(records.data()),
      count_(static_cast<std::uint32_t>(records.size() / kRecordSize)),
      start_(start) {}

LineInfo LineInfos::operator[](std::size_t index) const {
  Record record;  // a file may have it anywhere
  std::memcpy(&record, records_ + index * kRecordSize, kRecordSize);
  return LineInfo{{record[0] / kInstructionSize - start_.value}, record[1], record[2], record[3]};
}

bool LineInfos::operator==(const LineInfos& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

}  // namespace strata::btf
