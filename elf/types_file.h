// The types that a file describes, whatever kind of file it is.
#pragma once

#include <memory>
#include <string>

#include "strata/base/export.h"
#include "strata/base/result.h"
#include "strata/btf/btf.h"

namespace strata::elf {

// Of a file of raw BTF (/sys/kernel/btf/vmlinux, a BTF archive's), or of an ELF file of any machine with a section
// .BTF: an eBPF object, a kernel, a module. `base` is what split BTF continues; a module that brings a distilled base
// (.BTF.base, Linux 6.11) is moved from that onto `base`, or stays on it without one. Unlike ReadCollectionSpec, this
// gives the types as they are in the file. Errors: those of opening it; kNotFound for an ELF file without .BTF;
// kMalformed names file and section.
STRATA_EXPORT Result<std::shared_ptr<const btf::Btf>> ReadTypes(const std::string& path,
                                                                std::shared_ptr<const btf::Btf> base = nullptr);

}  // namespace strata::elf
