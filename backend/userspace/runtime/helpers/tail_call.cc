// bpf_tail_call where it takes a call: a target that is met for the first time, a map that the compiler does not know,
// and the interpreter. Compiled code does the rest itself (compile/x86_64/known_objects.cc).
#include "../maps/object_array.h"
#include "functions.h"
#include "strata/backend/userspace/runtime/slots.h"

namespace strata::runtime {

// A compiled target that uses a slot asks for it (compile/x86_64/frames.cc).
STRATA_HELPER(HelperLeaseSlot) { return LeaseSlotForTarget(*run->program, *run) ? 1 : 0; }

// Counts and announces the call, and gives the instance to enter; 0 where the program goes on, or where the run ends
// because the target finds no slot.
STRATA_HELPER(HelperTailCall) {
  auto& array = *PointerFrom<MapView>(r2);
  const auto index = static_cast<std::uint32_t>(r3);
  if (array.type != MapType::kProgArray || index >= array.max_entries || run->tail_calls_left == 0) return 0;
  const std::uint32_t id = __atomic_load_n(ObjectIdAt(array, index), __ATOMIC_ACQUIRE);
  if (id == 0) return 0;
  const ProgramInstance* target = FindProgram(array, index, id);
  if (target == nullptr) {
    run->flags |= run_flags::kMissed;
    return 0;
  }
  if (!LeaseSlotForTarget(*target, *run)) return 0;
  --run->tail_calls_left;
  run->program = target;
  return reinterpret_cast<std::uint64_t>(target);
}

}  // namespace strata::runtime
