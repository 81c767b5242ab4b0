#include "externs_pass.h"

#include <fmt/format.h>

#include <iterator>

#include "strata/btf/type_compatibility.h"
#include "strata/isa/opcode.h"

namespace strata {
namespace {

using isa::Instruction;

bool IsOurs(const Reference& reference) {
  return reference.kind == ReferenceKind::kKsym || reference.kind == ReferenceKind::kKfunc;
}

std::string_view KindText(ExternKind kind) {
  return kind == ExternKind::kFunction ? "kernel function" : "kernel symbol";
}

// A call that was written by hand may name what the object does not declare.
ExternSpec Undeclared(const Reference& reference) {
  ExternSpec spec;
  spec.name = reference.symbol;
  spec.kind = reference.kind == ReferenceKind::kKfunc ? ExternKind::kFunction : ExternKind::kAddress;
  spec.is_weak = reference.is_weak;
  return spec;
}

Error Missing(const ExternSpec& spec, std::string_view why) {
  return Error(ErrorCode::kNotFound,
               fmt::format("{} {}: {}; declare it __weak to load without it", KindText(spec.kind), spec.name, why));
}

// Both halves of an ldimm64.
void SetLoad(std::span<Instruction> load, isa::PseudoLoad kind, std::uint64_t value) {
  load[0].src = static_cast<std::uint8_t>(kind);
  load[0].imm = static_cast<std::int32_t>(value);
  load[1].imm = static_cast<std::int32_t>(value >> 32);
}

void SetCall(Instruction& call, isa::PseudoCall kind, std::int32_t target) {
  call.dst = 0;
  call.src = static_cast<std::uint8_t>(kind);
  call.offset = 0;
  call.imm = target;
}

Result<void> CheckForm(const Reference& reference, std::span<const Instruction> code) {
  const std::size_t index = reference.index.value;
  const bool is_call = reference.kind == ReferenceKind::kKfunc;
  const auto opcode = static_cast<std::uint8_t>(is_call ? isa::Opcode::kCall : isa::Opcode::kLoadImm64);
  const std::size_t slots = is_call ? 1 : 2;
  if (index < code.size() && slots <= code.size() - index && code[index].opcode == opcode) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("refers to {} and is no {}", reference.symbol, is_call ? "call" : "64-bit load"));
}

}  // namespace

Result<std::vector<PoisonedInstruction>> ExternsPass::Bind(std::span<const Reference> references,
                                                           std::span<Instruction> code,
                                                           std::vector<FunctionCall>* calls) {
  std::vector<PoisonedInstruction> poisoned;
  for (const Reference& reference : references) {
    if (!IsOurs(reference)) continue;
    const std::string place = fmt::format("instruction {}", reference.index.value);
    STRATA_TRY(CheckForm(reference, code).Context(place));
    const Symbol& symbol = *STRATA_TRY(Find(reference).Context(place));
    const auto at = code.subspan(reference.index.value);
    if (symbol.is_outside) {
      // The address of a function is compared with null only.
      if (reference.kind == ReferenceKind::kKsym) {
        SetLoad(at, isa::PseudoLoad::kNone, 1);
      } else {
        SetCall(at[0], isa::PseudoCall::kKfunc, 0);
        calls->push_back({reference.index, std::string(reference.symbol)});
      }
    } else if (reference.kind == ReferenceKind::kKsym) {
      SetLoad(at, symbol.id ? isa::PseudoLoad::kBtfId : isa::PseudoLoad::kNone,
              symbol.id ? symbol.id->value : symbol.address.value_or(0));
    } else if (symbol.id) {
      SetCall(at[0], isa::PseudoCall::kKfunc, static_cast<std::int32_t>(symbol.id->value));
    } else {
      SetCall(at[0], isa::PseudoCall::kHelper, kMissingFunctionBase + PositionOf(reference.symbol));
      poisoned.push_back(
          {reference.index, fmt::format("kernel function {}: {}", reference.symbol, symbol.why_missing)});
    }
  }
  return poisoned;
}

Result<const ExternsPass::Symbol*> ExternsPass::Find(const Reference& reference) {
  const auto known = symbols_.find(reference.symbol);
  if (known != symbols_.end()) return &known->second;
  const auto declared = collection_.externs.find(reference.symbol);
  Symbol symbol = STRATA_TRY(Resolve(declared != collection_.externs.end() ? declared->second : Undeclared(reference)));
  return &symbols_.emplace(reference.symbol, std::move(symbol)).first->second;
}

Result<ExternsPass::Symbol> ExternsPass::Resolve(const ExternSpec& spec) {
  switch (spec.kind) {
    case ExternKind::kAddress:
      return ResolveAddress(spec);
    case ExternKind::kVariable:
    case ExternKind::kFunction:
      return ResolveType(spec);
    case ExternKind::kKconfig:
      break;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: is a configuration value, not a kernel symbol", spec.name));
}

Result<ExternsPass::Symbol> ExternsPass::ResolveAddress(const ExternSpec& spec) {
  STRATA_TRY(ReadAddresses(spec.name));
  Symbol symbol;
  if (const auto found = addresses_->find(spec.name); found != addresses_->end()) {
    symbol.address = found->second;
    return symbol;
  }
  symbol.why_missing = "is not in /proc/kallsyms";
  if (!spec.is_weak) return Missing(spec, symbol.why_missing);
  return symbol;
}

Result<ExternsPass::Symbol> ExternsPass::ResolveType(const ExternSpec& spec) {
  Symbol symbol;
  if (!options_.runs_in_kernel) {
    if (STRATA_TRY(IsOutside(spec))) {
      symbol.is_outside = true;
      return symbol;
    }
    symbol.why_missing = "programs that run outside of the kernel cannot reach it";
    if (spec.is_weak) return symbol;
    return Error(ErrorCode::kNotSupported,
                 fmt::format("{} {}: {}", KindText(spec.kind), spec.name, symbol.why_missing));
  }
  const auto kernel = kernel_.Types();
  if (!kernel && !spec.is_weak) return Error(kernel.error()).WithContext(spec.name);
  const btf::Kind kind = spec.kind == ExternKind::kFunction ? btf::Kind::kFunc : btf::Kind::kVar;
  if (kernel) {
    const auto id = (*kernel)->FindByName(btf::EssentialName(spec.name), kind);
    if (id && STRATA_TRY(HasKernelsType(spec, **kernel, *id))) {
      symbol.id = *id;
      return symbol;
    }
    symbol.why_missing = id ? fmt::format("has another type in this kernel ({})", (*kernel)->Describe(*id))
                            : "is not in the kernel's BTF";
    if (id && !spec.is_weak) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} {}: {}", KindText(spec.kind), spec.name, symbol.why_missing));
    }
  } else {
    symbol.why_missing = "the kernel has no BTF";
  }
  if (!spec.is_weak) return Missing(spec, symbol.why_missing);
  return symbol;
}

// One of another prototype is missing where it is weak, as with kernels.
Result<bool> ExternsPass::IsOutside(const ExternSpec& spec) const {
  if (spec.kind != ExternKind::kFunction || !spec.type || collection_.types == nullptr || !options_.has_function) {
    return false;
  }
  const auto name = std::string(btf::EssentialName(spec.name));
  auto found = options_.has_function(name, *collection_.types, spec.type);
  if (!found && spec.is_weak && found.error().code() == ErrorCode::kInvalidArgument) return false;
  return found;
}

// Of a function its prototype is compared, of a variable its type.
Result<bool> ExternsPass::HasKernelsType(const ExternSpec& spec, const btf::Btf& kernel, btf::TypeId id) const {
  if (!spec.type || collection_.types == nullptr) return true;
  const btf::Btf& local = *collection_.types;
  btf::TypeId local_type = spec.type;
  btf::TypeId target_type;
  if (spec.kind == ExternKind::kFunction) {
    local_type = STRATA_TRY(local.Get<btf::Func>(local_type))
    .prototype;
    target_type = STRATA_TRY(kernel.Get<btf::Func>(id))
    .prototype;
  } else {
    local_type = STRATA_TRY(local.Resolve(local_type));
    target_type = STRATA_TRY(kernel.Resolve(STRATA_TRY(kernel.Get<btf::Var>(id)).type));
  }
  return btf::TypesAreCompatible(local, local_type, kernel, target_type).Context(spec.name);
}

Result<void> ExternsPass::ReadAddresses(const std::string& name) {
  const bool is_declared = collection_.externs.contains(name);
  if (addresses_ && is_declared) return {};
  std::vector<std::string> wanted;
  for (const auto& [symbol, spec] : collection_.externs) {
    if (spec.kind == ExternKind::kAddress) wanted.push_back(symbol);
  }
  if (!is_declared) wanted = {name};
  auto found = STRATA_TRY(kernel_.AddressesOf(wanted));
  if (!addresses_) addresses_.emplace();
  addresses_->merge(found);
  return {};
}

std::int32_t ExternsPass::PositionOf(std::string_view name) const {
  const auto found = collection_.externs.find(name);
  return static_cast<std::int32_t>(std::distance(collection_.externs.begin(), found));
}

}  // namespace strata
