// A program as every backend takes it: flat instructions and handles instead of names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "strata/isa/instruction.h"
#include "strata/isa/tag.h"
#include "strata/spec/program_type.h"

namespace strata {

class BackendMap;
class BackendProgram;
class BackendTypes;

// The ldimm64 at `index` refers to `map`: to the map itself, or to `value_offset` bytes into its first value.
struct MapReference {
  isa::InsnIndex index;
  std::shared_ptr<BackendMap> map;
  bool is_value = false;
  std::uint32_t value_offset = 0;  // bytes
};

// The call at `index` is of a function by name, for which Backend::HasFunction() said yes.
struct FunctionCall {
  isa::InsnIndex index;
  std::string name;
};

struct PoisonedInstruction {
  isa::InsnIndex index;
  std::string
      reason;  // "CO-RE relocation field_byte_offset of struct task_struct.no_such (0:1): no such field in the target"
};

// All of it can also be had from a bpf(2) BPF_PROG_LOAD, which is what keeps the seam at the right height.
struct LinkedProgram {
  std::string name;
  ProgramType type = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
  std::string license;
  std::uint32_t kernel_version = 0;
  bool is_sleepable = false;
  bool has_xdp_frags = false;
  bool is_attach_type_optional = false;
  std::uint32_t attach_btf_id =
      0;  // in the kernel's BTF: what fentry, tp_btf, iter, lsm and struct_ops programs hook; 0 for none
  // What it hooks instead, by the name of a function there (freplace; fentry and fexit of a program); null for none.
  std::shared_ptr<BackendProgram> attach_program;
  std::string attach_function;
  std::vector<isa::Instruction>
      instructions;  // calls and callbacks resolved; map references have src 0 and imm 0 until the backend fills them
  std::vector<MapReference> map_references;  // sorted by index

  // Calls of functions outside of the kernel. The instructions have src kKfunc, and no meaning in imm.
  std::vector<FunctionCall> function_calls;

  // Instructions that cannot work and were replaced by one that no verifier accepts: harmless where it never gets
  // there, and where it does, the text explains the rejection.
  std::vector<PoisonedInstruction> poisoned;

  // What the verifier shall say of a program that it accepts: a sum of 1 (branches), 2 (every state), 4 (statistics).
  std::uint32_t log_level = 0;

  std::shared_ptr<BackendTypes> types;  // the collection's BTF, loaded once per collection; null for none
  std::vector<std::byte> func_info;     // records of 8 bytes: struct bpf_func_info, instruction indices
  std::vector<std::byte> line_info;     // records of 16 bytes: struct bpf_line_info, instruction indices
};

// The tag that a kernel with that hash gives the program.
STRATA_EXPORT isa::Tag TagOf(const LinkedProgram& program, isa::TagHash hash);

}  // namespace strata
