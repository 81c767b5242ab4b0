// What a program's section name says: "uprobe/libc.so.6:malloc" is a kprobe program that attaches by uprobe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "strata/base/export.h"
#include "strata/spec/program_type.h"

namespace strata::elf {

// How a row's prefix is compared with a section name.
enum class SectionMatch : std::uint8_t {
  kExact,           // "xdp"
  kExactOrDetails,  // "uprobe" and "uprobe/..."
};

namespace section_flags {
inline constexpr std::uint8_t kNone = 0;
inline constexpr std::uint8_t kSleepable = 1U << 0;           // loaded with BPF_F_SLEEPABLE
inline constexpr std::uint8_t kXdpFrags = 1U << 1;            // loaded with BPF_F_XDP_HAS_FRAGS
inline constexpr std::uint8_t kAttachBtf = 1U << 2;           // hooks a kernel function that BTF names
inline constexpr std::uint8_t kUsdt = 1U << 3;                // gets a USDT probe's arguments
inline constexpr std::uint8_t kAttachable = 1U << 4;          // attached by its attach type alone
inline constexpr std::uint8_t kAttachTypeOptional = 1U << 5;  // a kernel too old for the attach type loads it without
}  // namespace section_flags

struct SectionKind {
  std::string_view prefix;
  SectionMatch match = SectionMatch::kExact;
  ProgramType program_type = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
  std::uint8_t flags = section_flags::kNone;
  std::string_view attach_kind;  // how a program of this section is attached; empty where it is only run or called
};

// All rows, in the order in which they are tried.
STRATA_EXPORT std::span<const SectionKind> SectionKinds();

struct SectionName {
  const SectionKind* kind = nullptr;
  std::string_view details;  // what follows "prefix/"; a part of the name given
  bool autoload = true;      // false after a leading '?'
};

enum class NameMatching : std::uint8_t {
  kExact,     // as the rows say
  kByPrefix,  // where no row fits, one that the name starts with ("xdp_drop"): as libbpf before 1.0 did
};

// The first row that fits, as libbpf decides it; nothing for a name that names no kind of program. `rows` are tried
// before the built-in ones.
STRATA_EXPORT std::optional<SectionName> ParseSectionName(std::string_view name, std::span<const SectionKind> rows = {},
                                                          NameMatching matching = NameMatching::kExact);

}  // namespace strata::elf
