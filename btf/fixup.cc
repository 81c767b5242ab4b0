#include "strata/btf/fixup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

// Writes words of one BTF in its byte order; every offset comes from Btf, which has checked it.
class Patcher {
 public:
  Patcher(std::vector<std::byte>& bytes, std::endian order) : bytes_(bytes), order_(order) {}

  std::uint32_t Get(std::size_t offset) const {
    std::uint32_t word;
    std::memcpy(&word, bytes_.data() + offset, sizeof(word));
    return order_ == std::endian::native ? word : SwapBytes(word);
  }
  void Set(std::size_t offset, std::uint32_t word) {
    if (order_ != std::endian::native) word = SwapBytes(word);
    std::memcpy(bytes_.data() + offset, &word, sizeof(word));
  }

 private:
  std::vector<std::byte>& bytes_;
  std::endian order_;
};

std::uint32_t Narrow(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

Error Malformed(std::string message) { return Error(ErrorCode::kMalformed, std::move(message)); }

Result<std::vector<SectionVariable>> PlaceVariables(const Btf& types, const DataSec& section,
                                                    const SectionLayout& layout) {
  std::vector<SectionVariable> placed(section.variables.begin(), section.variables.end());
  for (SectionVariable& variable : placed) {
    const std::string_view name = types.NameOf(variable.type);
    const auto offset = layout.variable_offsets.find(name);
    if (offset == layout.variable_offsets.end()) {
      return Malformed(fmt::format("section {}: variable {} of its BTF has no symbol", section.name, name));
    }
    if (offset->second > layout.size_bytes || variable.size_bytes > layout.size_bytes - offset->second) {
      return Malformed(fmt::format("section {}: variable {} ({} bytes at {}) is outside of its {} bytes", section.name,
                                   name, variable.size_bytes, offset->second, layout.size_bytes));
    }
    variable.offset_bytes = Narrow(offset->second);
  }
  // The kernel wants ascending offsets.
  std::stable_sort(placed.begin(), placed.end(),
                   [](const SectionVariable& a, const SectionVariable& b) { return a.offset_bytes < b.offset_bytes; });
  return placed;
}

Result<void> FixSection(const Btf& types, const DataSec& section, std::size_t type_offset, const SectionLayout& layout,
                        Patcher& patcher) {
  if (layout.size_bytes > UINT32_MAX) return Malformed(fmt::format("section {}: larger than 4 GiB", section.name));
  const auto variables = STRATA_TRY(PlaceVariables(types, section, layout));
  patcher.Set(type_offset + 8, Narrow(layout.size_bytes));
  std::size_t record = type_offset + 12;
  for (const SectionVariable& variable : variables) {
    patcher.Set(record, variable.type.value);
    patcher.Set(record + 4, variable.offset_bytes);
    patcher.Set(record + 8, variable.size_bytes);
    record += 12;
  }
  return {};
}

}  // namespace

Result<std::vector<std::byte>> FixUpForKernel(const Btf& types, const ObjectLayout& layout) {
  std::vector<std::byte> bytes(types.bytes().begin(), types.bytes().end());
  Patcher patcher(bytes, types.byte_order());
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    const auto offset = types.OffsetOf(TypeId{id});
    if (!offset) continue;
    const Type type = STRATA_TRY(types.TypeById(TypeId{id}));
    if (const auto* section = std::get_if<DataSec>(&type); section != nullptr && section->size_bytes == 0) {
      // Sections of names only (.ksyms) have no layout.
      const auto known = layout.sections.find(section->name);
      if (known != layout.sections.end()) STRATA_TRY(FixSection(types, *section, *offset, known->second, patcher));
    }
    if (const auto* function = std::get_if<Func>(&type)) {
      const bool is_hidden = function->linkage == Linkage::kGlobal && layout.hidden_functions.contains(function->name);
      // A FUNC keeps its linkage where other kinds count their records.
      if (is_hidden) patcher.Set(*offset + 4, (patcher.Get(*offset + 4) & ~std::uint32_t{0xffff}));
    }
  }
  return bytes;
}

}  // namespace strata::btf
