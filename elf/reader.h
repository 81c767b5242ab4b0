// A compiled eBPF object as a value.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata::elf {

struct ReadOptions {
  std::string path = {};  // starts the text of errors; nothing is opened
  std::string name = {};  // of the collection; empty: the path's last part up to its first dot
};

// Reads everything that an ELF object for the BPF machine says, of either byte order. Keeps nothing of `bytes`. Pure:
// no system call, equal bytes give equal specs. May be called from any thread.
//
// - CollectionSpec::maps are keyed by the map variable's name, data sections by their section's (".rodata",
// ".data.counters"); MapSpec::name is what the
//   kernel shall call them. A reference to a global variable is a kMapValue with the section's name as symbol.
// - programs are the functions outside of .text, functions those in it. Instructions that a Reference describes have an
// imm of 0 (-1 in a call).
// - types is BTF as the kernel takes it: sizes and offsets of data sections, which clang leaves to the loader, are
// filled in.
//
// Errors: kMalformed names the file, section, symbol or offset that breaks the format; kNotSupported names the section
// and symbol that this version cannot represent (.kconfig, .ksyms, struct_ops, legacy maps).
STRATA_EXPORT Result<CollectionSpec> ReadCollectionSpec(std::span<const std::byte> bytes,
                                                        const ReadOptions& options = {});

}  // namespace strata::elf
