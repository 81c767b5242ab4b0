#include "strata/elf/types_file.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "elf_file.h"
#include "strata/base/unique_fd.h"
#include "strata/btf/distill.h"

namespace strata::elf {
namespace {

constexpr const char* kTypesSection = ".BTF";
constexpr const char* kDistilledBaseSection = ".BTF.base";

using Types = std::shared_ptr<const btf::Btf>;

Result<Types> ParseSection(const ElfFile& file, const ElfSection& section, Types base) {
  const auto content = STRATA_TRY(file.Contents(section));
  return btf::Btf::Parse({content.begin(), content.end()}, fmt::format("{}: section {}", file.where(), section.name),
                         std::move(base));
}

Result<Types> ReadFromElf(const ElfFile& file, Types base) {
  const auto section = file.FindSection(kTypesSection);
  if (!section) {
    return Error(ErrorCode::kNotFound, fmt::format("{}: has no section {}", file.where(), kTypesSection));
  }
  const auto distilled = file.FindSection(kDistilledBaseSection);
  if (!distilled) return ParseSection(file, *section, std::move(base));
  const Types split = STRATA_TRY(ParseSection(file, *section, STRATA_TRY(ParseSection(file, *distilled, nullptr))));
  if (base == nullptr) return split;
  auto relocated = STRATA_TRY(btf::RelocateOntoBase(*split, base).Context(file.where()));
  return btf::Btf::Parse(std::move(relocated), split->where(), std::move(base));
}

}  // namespace

Result<Types> ReadTypes(const std::string& path, Types base) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, path);
  char magic[SELFMAG] = {};
  const bool is_elf =
      ::pread(fd.get(), magic, sizeof(magic), 0) == sizeof(magic) && std::memcmp(magic, ELFMAG, SELFMAG) == 0;
  if (!is_elf) return btf::Btf::Open(path, std::move(base));
  return ReadFromElf(STRATA_TRY(ElfFile::FromDescriptor(fd.get(), path)), std::move(base));
}

}  // namespace strata::elf
