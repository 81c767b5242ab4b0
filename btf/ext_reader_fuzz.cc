// .BTF.ext beside its BTF: the lists that come out are sorted and refer to what exists.
#include <algorithm>

#include "fuzz/fuzz_input.h"
#include "strata/btf/builder.h"
#include "strata/btf/ext_reader.h"
#include "strata/btf/ext_writer.h"

namespace {

using strata::test::Require;

template <typename Info>
bool IsSorted(const std::vector<Info>& list) {
  return std::is_sorted(list.begin(), list.end(), [](const Info& a, const Info& b) { return a.index < b.index; });
}

using strata::btf::Btf;
using strata::btf::ExtInfo;

// The lines of `info` with the strings of another BTF.
bool MoveLines(const Btf& types, strata::btf::Builder& builder, ExtInfo& info) {
  for (auto& [name, section] : info) {
    for (auto& line : section.lines) {
      const auto file = builder.CopyString(types, line.file_name_offset);
      const auto text = builder.CopyString(types, line.line_offset);
      if (!file || !text) return false;
      line.file_name_offset = *file;
      line.line_offset = *text;
    }
  }
  return true;
}

// Written and read again, it says the same.
void WriteAndReadAgain(const Btf& types, ExtInfo info) {
  strata::btf::Builder builder;
  if (!builder.Copy(types) || !MoveLines(types, builder, info)) return;
  std::erase_if(info, [](const auto& entry) {
    const auto& section = entry.second;
    return section.functions.empty() && section.lines.empty() && section.core_relocations.empty();
  });
  const auto bytes = strata::btf::WriteExtInfo(info, &builder, types.byte_order());
  const auto built = builder.Build(types.byte_order());
  if (!bytes || !built) return;
  const auto again_types = Btf::Parse(*built);
  Require(again_types.has_value(), "types written with line infos do not parse");
  const auto again = strata::btf::ReadExtInfo(*bytes, **again_types);
  Require(again.has_value() && again->size() == info.size(), "what was written is not read back");
  for (const auto& [name, section] : info) {
    const auto found = again->find(name);
    Require(found != again->end() && found->second.functions == section.functions &&
                found->second.lines == section.lines && found->second.core_relocations == section.core_relocations,
            "records written and read again differ");
  }
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
  WriteAndReadAgain(**types, *info);
  return 0;
}
