// A program or subprogram, before load: instructions whose references are still names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/base/shared_list.h"
#include "strata/base/shared_string.h"
#include "strata/btf/ext_info.h"
#include "strata/btf/line_infos.h"
#include "strata/btf/type_id.h"
#include "strata/isa/instruction.h"
#include "strata/spec/program_type.h"

namespace strata {

enum class ReferenceKind : std::uint8_t {
  kMap,           // ldimm64: the map itself
  kMapValue,      // ldimm64: `addend` bytes into the first value of a data section's map (.kconfig included) or arena
  kFunctionCall,  // call of the subprogram
  kFunctionAddress,  // ldimm64: a callback
  kKsym,             // ldimm64: an extern of .ksyms: its address or BTF id, 0 for a weak one that is missing
  kKfunc,            // call of a kernel function
};

// One instruction that means something by name.
struct Reference {
  isa::InsnIndex index;
  ReferenceKind kind = ReferenceKind::kMap;
  bool is_weak = false;
  SharedString symbol;
  std::int64_t addend = 0;

  bool operator==(const Reference&) const = default;
};

// A subprogram (bpf-to-bpf) as it stands in its section. The side tables are sorted by instruction.
struct STRATA_EXPORT FunctionSpec {
  std::string name;
  std::string section_name;
  SharedList<isa::Instruction> instructions;
  std::vector<Reference> references;
  btf::LineInfos line_infos;
  std::vector<btf::CoreRelocation> core_relocations;
  btf::TypeId type;  // BTF_KIND_FUNC; kVoid without .BTF.ext
  bool is_static = false;
  // Why it cannot run: something in its code that the object's reader could not represent. Empty for a good function;
  // Flatten refuses whatever reaches another one. Whoever edits the cause away clears it.
  std::string unusable;

  bool operator==(const FunctionSpec&) const = default;

  const Reference* FindReference(isa::InsnIndex index) const;

  // The code in one form where a reference describes it: an imm of 0 (-1 in a call) and the src of the kind. Equal
  // meaning, equal instructions, whichever compiler or linker wrote them. What references past the end is left out.
  std::vector<isa::Instruction> CanonicalCode() const;

  // Edit the code and keep jumps, references, line infos and relocations aligned with it. `index` counts slots;
  // kInvalidArgument where it lies outside, would split an ldimm64, or a jump would leave the range of its field.
  Result<void> Insert(isa::InsnIndex index, const std::vector<isa::Instruction>& added);
  Result<void> Erase(isa::InsnIndex index, std::uint32_t count);
  Result<void> Replace(isa::InsnIndex index, std::uint32_t count, const std::vector<isa::Instruction>& with);
};

struct STRATA_EXPORT ProgramSpec : FunctionSpec {
  ProgramType type_of_program = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
  std::string attach_to;    // what follows the section's prefix: "libc.so.6:malloc" of "uprobe/libc.so.6:malloc"
  std::string attach_kind;  // the AttachKind row that the section name chose; empty for none
  bool is_sleepable = false;
  bool hooks_btf_function = false;  // attach_to names what it hooks by BTF: attach_btf_id (fentry, tp_btf, iter, lsm)
  bool is_attach_type_optional = false;  // a kernel too old for the attach type loads it without
  bool has_xdp_frags = false;            // handles packets of several fragments (BPF_F_XDP_HAS_FRAGS)
  bool autoload = true;                  // false for SEC("?...")
  std::string license;
  std::uint32_t kernel_version = 0;

  bool operator==(const ProgramSpec&) const = default;
};

}  // namespace strata
