// CO-RE: fitting an object's accesses to the types of the system it runs on. The same algorithm, rules and poison as
// libbpf's (relo_core.c), so that both give the same instructions; docs/core.md says where we know better.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/btf/btf.h"
#include "strata/btf/ext_info.h"
#include "strata/isa/instruction.h"

namespace strata::btf {

// Numbered as enum bpf_core_relo_kind (include/uapi/linux/bpf.h).
enum class CoreKind : std::uint32_t {
  kFieldByteOffset = 0,
  kFieldByteSize = 1,
  kFieldExists = 2,
  kFieldSigned = 3,
  kFieldLeftShift = 4,
  kFieldRightShift = 5,
  kTypeIdLocal = 6,
  kTypeIdTarget = 7,
  kTypeExists = 8,
  kTypeSize = 9,
  kEnumValueExists = 10,
  kEnumValue = 11,
  kTypeMatches = 12,
};

// "field_byte_offset": the constant's name in linux/bpf.h, in small letters; "unknown" for a number without a kind.
STRATA_EXPORT std::string_view CoreKindName(CoreKind kind);

// The imm of the helper call that stands for "this relocation has no answer": reads as "bad relo" in hexadecimal.
inline constexpr std::int32_t kCorePoison = 0xbad2310;

// What one relocation asks for, found in the target.
struct CoreResolution {
  std::uint64_t local = 0;   // what the compiler wrote
  std::uint64_t target = 0;  // what it shall be
  bool is_poisoned = false;  // there is none: the instruction must not run
  bool must_match = true;    // the instruction holds `local` before it is changed
  // The values are those of 32-bit enums that do not say whether they are signed; code may hold them zero-extended.
  bool has_open_sign = false;
  // Of a load or store: bytes accessed locally and in the target; 0 where that plays no part.
  std::uint32_t local_access_bytes = 0;
  std::uint32_t target_access_bytes = 0;
  bool cannot_adjust = false;  // the sizes differ and the types do not allow to change the access
  std::string reason = {};     // of is_poisoned: "no such field in the target"
};

// An instruction replaced because its relocation has no answer.
struct CorePoison {
  isa::InsnIndex index;
  std::string reason;  // "field_byte_offset of struct sk_buff.no_such (0:7): no such field in the target"
};

// Where types are looked for. Each source is asked once, and not before a relocation needs it.
struct CoreTargets {
  using Source = std::function<Result<std::vector<std::shared_ptr<const Btf>>>()>;
  Source first;   // the kernel's types, or what stands for them
  Source others;  // modules: for types of which `first` has no candidate; may be empty
};

// Relocates code that was compiled against `local`. Answers are remembered, so one relocator serves all programs of a
// collection. Not thread-safe. Keeps what it is given alive.
class STRATA_EXPORT CoreRelocator {
 public:
  CoreRelocator(std::shared_ptr<const Btf> local, CoreTargets targets);
  // The first target is CoreTargets::first, the rest are its others.
  CoreRelocator(std::shared_ptr<const Btf> local, const std::vector<std::shared_ptr<const Btf>>& targets);
  ~CoreRelocator();
  CoreRelocator(CoreRelocator&&) noexcept;
  CoreRelocator& operator=(CoreRelocator&&) noexcept;

  // Errors: kMalformed for an access string or a type that makes no sense; kInvalidArgument for candidates that
  // disagree (ambiguous); kNotSupported for types that take too long to compare; those of the sources. Each names the
  // relocation: "field_byte_offset of struct sk_buff.len (0:1)".
  Result<CoreResolution> Resolve(const CoreRelocation& relocation);

  // "field_byte_offset of struct task_struct.signal.live (0:35:2)"
  std::string Describe(const CoreRelocation& relocation) const;

  // Changes the instructions that the relocations name. What has no answer is poisoned, as libbpf does it, and returned
  // with its reason. Errors name instruction and relocation; the code is then half changed.
  Result<std::vector<CorePoison>> Relocate(std::span<const CoreRelocation> relocations,
                                           std::span<isa::Instruction> code);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace strata::btf
