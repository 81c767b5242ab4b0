// A compiled eBPF object as a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/elf/section_kinds.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

enum class Strictness : std::uint8_t {
  kStrict,   // as libbpf since 1.0
  kRelaxed,  // old samples: section names by prefix ("xdp_drop", "tc-ingress"), map fields that are not known skipped
};

struct ReadOptions {
  std::string path = {};  // starts the text of errors; nothing is opened
  std::string name = {};  // of the collection; empty: the path's last part up to its first dot
  // The caller's kinds of program, tried before the built-in rows. Their strings must live as long as the call.
  std::span<const SectionKind> section_kinds = {};
  Strictness strictness = Strictness::kStrict;
  // Keeps the bytes alive and unchanged for as long as it lives: the spec and its copies share code and source lines
  // with them instead of copying. For an object that is a part of the program, any pointer that is not null will do
  // (KeepForever). Not for a mapping of a file that others can write to.
  std::shared_ptr<const void> owner = nullptr;
};

// The owner of bytes that live until the program ends.
STRATA_EXPORT std::shared_ptr<const void> KeepForever(std::span<const std::byte> bytes);

// Reads everything that an ELF object for the BPF machine says, of either byte order. Keeps nothing of `bytes` unless
// the options have an owner. Pure: no system call, equal bytes give equal specs. May be called from any thread.
//
// - CollectionSpec::maps are keyed by the map variable's name, data sections by their section's (".rodata",
//   ".data.counters", ".kconfig"); MapSpec::name is what the kernel shall call them. A reference to a global variable
//   is a kMapValue with the section's name as symbol, or the arena's.
// - programs are the functions of program sections that other files may call; functions are those of .text and static
//   ones. Their instructions are those of the file: where a Reference describes one, what stands in it
//   has no meaning (FunctionSpec::CanonicalCode).
// - Where two static functions or variables share a name, the second one's key is "name@section+offset".
// - What one function has that cannot be represented makes that function unusable (FunctionSpec::unusable), not the
//   object.
// - types is BTF as the kernel takes it: what clang leaves to the loader is filled in (strata/btf/fixup.h).
//
// Errors: kMalformed names the file, section, symbol or offset that breaks the format; kNotSupported names the section
// and symbol that this version cannot represent.
STRATA_EXPORT Result<CollectionSpec> ReadCollectionSpec(std::span<const std::byte> bytes,
                                                        const ReadOptions& options = {});

}  // namespace strata::elf
