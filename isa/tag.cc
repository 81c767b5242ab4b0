#include "strata/isa/tag.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include <vector>

#include "strata/isa/opcode.h"

namespace strata::isa {
namespace {

constexpr std::uint32_t kFirstWithSha256 = (6U << 16) + (18U << 8);

bool IsMapLoad(const Instruction& instruction) {
  if (instruction.opcode != static_cast<std::uint8_t>(Opcode::kLoadImm64)) return false;
  return instruction.src == static_cast<std::uint8_t>(PseudoLoad::kMapFd) ||
         instruction.src == static_cast<std::uint8_t>(PseudoLoad::kMapValue);
}

bool IsSecondHalf(const Instruction& instruction) {
  return instruction.opcode == 0 && instruction.dst == 0 && instruction.src == 0 && instruction.offset == 0;
}

std::vector<Instruction> WithoutMaps(std::span<const Instruction> code) {
  std::vector<Instruction> stable(code.begin(), code.end());
  for (std::size_t i = 0; i < stable.size(); ++i) {
    if (!IsMapLoad(stable[i])) continue;
    stable[i].imm = 0;
    if (i + 1 < stable.size() && IsSecondHalf(stable[i + 1])) stable[++i].imm = 0;
  }
  return stable;
}

}  // namespace

TagHash TagHashOf(std::uint32_t kernel_version) {
  return kernel_version >= kFirstWithSha256 ? TagHash::kSha256 : TagHash::kSha1;
}

Tag ProgramTag(std::span<const Instruction> code, TagHash hash) {
  const std::vector<Instruction> stable = WithoutMaps(code);
  const std::size_t size_bytes = stable.size() * sizeof(Instruction);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(stable.data());
  Tag tag;
  if (hash == TagHash::kSha1) {
    sha1_ctx context;
    ::nettle_sha1_init(&context);
    ::nettle_sha1_update(&context, size_bytes, bytes);
    ::nettle_sha1_digest(&context, tag.size(), tag.data());
  } else {
    sha256_ctx context;
    ::nettle_sha256_init(&context);
    ::nettle_sha256_update(&context, size_bytes, bytes);
    ::nettle_sha256_digest(&context, tag.size(), tag.data());
  }
  return tag;
}

}  // namespace strata::isa
