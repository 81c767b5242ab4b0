#include "functions.h"

namespace strata::runtime {

// What a program gets is what the runtime has.
STRATA_HELPER(FunctionCastContext) { return r1; }

// bpf_rcu_read_lock and the like: elements stay valid during each run, and nobody can keep the processor.
STRATA_HELPER(FunctionNothing) { return 0; }

}  // namespace strata::runtime
