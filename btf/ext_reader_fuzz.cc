// .BTF.ext beside its BTF: the lists that come out are sorted and refer to what exists.
#include <algorithm>

#include "fuzz/fuzz_input.h"
#include "strata/btf/ext_reader.h"

namespace {

using strata::test::Require;

template <typename Info>
bool IsSorted(const std::vector<Info>& list) {
  return std::is_sorted(list.begin(), list.end(), [](const Info& a, const Info& b) { return a.index < b.index; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  strata::test::FuzzInput input(data, size);
  const auto types = strata::btf::Btf::Parse(strata::test::CopyOf(input.TakePart()));
  if (!types) return 0;
  const auto info = strata::btf::ReadExtInfo(input.rest(), **types);
  if (!info) return 0;
  for (const auto& [name, section] : *info) {
    Require(IsSorted(section.functions) && IsSorted(section.lines) && IsSorted(section.core_relocations),
            "records are not sorted");
    for (const auto& line : section.lines) {
      Require((*types)->StringAt(line.line_offset).has_value(), "a line without text");
    }
  }
  return 0;
}
