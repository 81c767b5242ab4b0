// The tag by which the kernel tells programs apart (bpf_prog_info::tag): a digest of the instructions as they are
// loaded.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "strata/base/export.h"
#include "strata/isa/instruction.h"

namespace strata::isa {

using Tag = std::array<std::uint8_t, 8>;

enum class TagHash : std::uint8_t {
  kSha1,    // Linux 4.10 to 6.17
  kSha256,  // since Linux 6.18
};

// The hash of a kernel of that version, KERNEL_VERSION(6, 1, 99).
STRATA_EXPORT TagHash TagHashOf(std::uint32_t kernel_version);

// kernel/bpf/core.c, bpf_prog_calc_tag: loads of maps count without descriptor and offset, since these differ from load
// to load; everything else, ids of BTF types included, counts as it is. Loads that refer to a map must say so (src
// kMapFd or kMapValue).
STRATA_EXPORT Tag ProgramTag(std::span<const Instruction> code, TagHash hash);

}  // namespace strata::isa
