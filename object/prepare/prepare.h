// From a program's specification to what a backend loads: the same passes for every backend.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/backend/kernel_facts.h"
#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"
#include "strata/spec/context_arguments.h"

namespace strata {

// The map that a reference's name stands for (a key of CollectionSpec::maps).
using MapResolver = std::function<Result<std::shared_ptr<BackendMap>>(std::string_view name)>;

struct PrepareOptions {
  // What CO-RE fits the code to, instead of the BTF of the kernel and its modules.
  std::shared_ptr<const btf::Btf> target_types;
  // Searched for types of which the target has no candidate: modules, a traced program's own types.
  std::vector<std::shared_ptr<const btf::Btf>> extra_target_types;
  // False for programs that run elsewhere: what they take from the kernel by BTF id is refused, or missing if it is
  // weak.
  bool runs_in_kernel = true;
  // Functions whose type in func_info another one replaces.
  std::vector<ContextFunction> context_functions = {};
  // By program: the one whose function it hooks instead of one of the kernel's.
  std::map<std::string, std::shared_ptr<BackendProgram>, std::less<>> attach_programs = {};
  // Functions that programs outside of the kernel may call (Backend::HasFunction); empty for none.
  std::function<Result<bool>(const std::string& name, const btf::Btf& types, btf::TypeId declared)> has_function = {};
};

// Prepares the programs of one collection; what they share (CO-RE candidates) is found once. Not thread-safe.
// `collection` and `kernel` must outlive it.
class ProgramPreparer {
 public:
  ProgramPreparer(const CollectionSpec& collection, const KernelFacts& kernel, PrepareOptions options);
  ~ProgramPreparer();

  // Flattens the program with the subprograms it reaches and binds what its references name. LinkedProgram::types is
  // left to the caller. Errors name the program and the instruction: kNotFound for a function that is called and not
  // defined and for a strong kernel symbol that does not exist, and whatever `resolve_map` returns.
  Result<LinkedProgram> Prepare(const ProgramSpec& program, const MapResolver& resolve_map);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace strata
