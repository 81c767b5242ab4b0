// The table of functions by name. One more is one row here and one function in a file of its subject.
#include "strata/backend/userspace/runtime/functions/table.h"

#include "../text.h"
#include "functions.h"

namespace strata::runtime {
namespace {

constexpr ValueKind kNothing = ValueKind::kVoid;
constexpr ValueKind kBool = ValueKind::kByte;
constexpr ValueKind kInt = ValueKind::kWord;
constexpr ValueKind kLong = ValueKind::kDoubleWord;
constexpr ValueKind kPointer = ValueKind::kPointer;

constexpr FunctionRow kFunctions[] = {
    {"bpf_arena_alloc_pages", FunctionArenaAllocPages, {kPointer, 5, {kPointer, kPointer, kInt, kInt, kLong}}},
    {"bpf_arena_free_pages", FunctionArenaFreePages, {kNothing, 3, {kPointer, kPointer, kInt}}},
    {"bpf_arena_reserve_pages", FunctionArenaReservePages, {kInt, 3, {kPointer, kPointer, kInt}}},
    {"bpf_cast_to_kern_ctx", FunctionCastContext, {kPointer, 1, {kPointer}}},
    {"bpf_dynptr_adjust", FunctionDynptrAdjust, {kInt, 3, {kPointer, kInt, kInt}}},
    {"bpf_dynptr_clone", FunctionDynptrClone, {kInt, 2, {kPointer, kPointer}}},
    {"bpf_dynptr_is_null", FunctionDynptrIsNull, {kBool, 1, {kPointer}}},
    {"bpf_dynptr_is_rdonly", FunctionDynptrIsReadOnly, {kBool, 1, {kPointer}}},
    {"bpf_dynptr_size", FunctionDynptrSize, {kInt, 1, {kPointer}}},
    {"bpf_dynptr_slice", FunctionDynptrSlice, {kPointer, 4, {kPointer, kInt, kPointer, kInt}}},
    {"bpf_dynptr_slice_rdwr", FunctionDynptrSliceToWrite, {kPointer, 4, {kPointer, kInt, kPointer, kInt}}},
    {"bpf_iter_num_destroy", FunctionIterNumDestroy, {kNothing, 1, {kPointer}}},
    {"bpf_iter_num_new", FunctionIterNumNew, {kInt, 3, {kPointer, kInt, kInt}}},
    {"bpf_iter_num_next", FunctionIterNumNext, {kPointer, 1, {kPointer}}},
    {"bpf_preempt_disable", FunctionNothing, {kNothing, 0, {}}},
    {"bpf_preempt_enable", FunctionNothing, {kNothing, 0, {}}},
    {"bpf_rcu_read_lock", FunctionNothing, {kNothing, 0, {}}},
    {"bpf_rcu_read_unlock", FunctionNothing, {kNothing, 0, {}}},
};

}  // namespace

FunctionTable Functions() noexcept { return {kFunctions, sizeof(kFunctions) / sizeof(kFunctions[0])}; }

const FunctionRow* FindFunctionRow(const char* name) noexcept {
  for (const FunctionRow& row : Functions()) {
    if (TextEqual(row.name, name)) return &row;
  }
  return nullptr;
}

}  // namespace strata::runtime
