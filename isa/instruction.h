// One slot of eBPF code.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace strata::isa {

// Counts 8-byte slots; a 64-bit immediate load (ldimm64) takes two. Apart from a position in bytes (ByteOffset).
struct InsnIndex {
  std::uint32_t value = 0;
  auto operator<=>(const InsnIndex&) const = default;
};

// An 8-byte slot exactly as RFC 9669 section 3 encodes it on a little-endian host (struct bpf_insn in linux/bpf.h), so
// that a vector of slots is what bpf(2) takes.
struct Instruction {
  std::uint8_t opcode = 0;
  std::uint8_t dst : 4 = 0;
  std::uint8_t src : 4 = 0;
  std::int16_t offset = 0;
  std::int32_t imm = 0;

  bool operator==(const Instruction&) const = default;
};
static_assert(sizeof(Instruction) == 8);

// Values of `src` in a 64-bit immediate load and in a call (linux/bpf.h BPF_PSEUDO_*).
enum class PseudoLoad : std::uint8_t {
  kNone = 0,
  kMapFd = 1,
  kMapValue = 2,
  kBtfId = 3,
  kFunction = 4,
  kMapIndex = 5,
  kMapIndexValue = 6
};
enum class PseudoCall : std::uint8_t { kHelper = 0, kFunction = 1, kKfunc = 2 };

}  // namespace strata::isa
