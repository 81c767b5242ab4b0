// Kernel symbols and functions (.ksyms): from names to addresses and BTF ids of the running kernel.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/backend/linked_program.h"
#include "strata/base/result.h"
#include "strata/object/prepare/prepare.h"

namespace strata {

// The imm of a call that stands for a weak kernel function which does not exist, plus the extern's position by name: no
// helper has such a number, and the verifier's message shows it (libbpf uses the same).
inline constexpr std::int32_t kMissingFunctionBase = 2'002'000'000;

// One for all programs of a collection: each symbol is looked up once, all addresses in one pass over the kernel's
// symbols. What it is given must outlive it.
class ExternsPass {
 public:
  ExternsPass(const CollectionSpec& collection, const KernelFacts& kernel, const PrepareOptions& options)
      : collection_(collection), kernel_(kernel), options_(options) {}

  // Fills in the instructions that `references` (those of other kinds are left alone) name; returns the calls that had
  // to be poisoned. Errors name instruction and symbol: kNotFound for one that does not exist and is not weak,
  // kInvalidArgument for one whose type is another in this kernel, kNotSupported where programs run elsewhere.
  // Calls of functions that the backend has outside of the kernel are appended to `calls`.
  Result<std::vector<PoisonedInstruction>> Bind(std::span<const Reference> references, std::span<isa::Instruction> code,
                                                std::vector<FunctionCall>* calls);

 private:
  // What a name stands for; neither for a weak one that does not exist.
  struct Symbol {
    std::optional<std::uint64_t> address;
    std::optional<btf::TypeId> id;
    bool is_outside = false;  // a function that the backend has
    std::string why_missing;
  };

  Result<const Symbol*> Find(const Reference& reference);
  Result<Symbol> Resolve(const ExternSpec& spec);
  Result<Symbol> ResolveAddress(const ExternSpec& spec);
  Result<Symbol> ResolveType(const ExternSpec& spec);
  Result<bool> IsOutside(const ExternSpec& spec) const;
  Result<bool> HasKernelsType(const ExternSpec& spec, const btf::Btf& kernel, btf::TypeId id) const;
  Result<void> ReadAddresses(const std::string& name);
  std::int32_t PositionOf(std::string_view name) const;

  const CollectionSpec& collection_;
  const KernelFacts& kernel_;
  const PrepareOptions& options_;
  std::map<std::string, Symbol, std::less<>> symbols_;
  std::optional<KernelFacts::Addresses> addresses_;  // of all symbols of the collection
};

}  // namespace strata
