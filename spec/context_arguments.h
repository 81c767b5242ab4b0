// Subprograms that get the program's context by an argument tagged `__arg_ctx` (decl tag "arg:ctx").
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// The struct that programs of this type get ("__sk_buff", "xdp_md"), as the kernel's BTF names it
// (include/linux/bpf_types.h); empty for types whose context has no name.
STRATA_EXPORT std::string_view ContextTypeName(ProgramType type);

// In programs of that type, func_info names `replacement` instead of `function`.
struct ContextFunction {
  ProgramType program_type = ProgramType::kUnspec;
  btf::TypeId function;
  btf::TypeId replacement;
  bool operator==(const ContextFunction&) const = default;
};

struct ContextFixUp {
  std::shared_ptr<const btf::Btf> types;   // the collection's with the replacements behind them; ids stay
  std::vector<ContextFunction> functions;  // empty: nothing to do
};

// Kernels before 6.8 do not know the tag: they recognise a context by its type. Global functions whose tagged argument
// is a `void *` (in kprobes `struct pt_regs *`, in raw tracepoints `u64 *`) get a second type with the context's name,
// for each type of program in the collection. Equal to what libbpf does.
STRATA_EXPORT Result<ContextFixUp> FixUpContextArguments(const CollectionSpec& collection);

}  // namespace strata
