// The functions behind the table, by file. They are called as helpers are.
#pragma once

#include "../helpers/functions.h"

namespace strata::runtime {

// arena_functions.cc
STRATA_HELPER(FunctionArenaAllocPages);
STRATA_HELPER(FunctionArenaFreePages);
STRATA_HELPER(FunctionArenaReservePages);

// context_functions.cc
STRATA_HELPER(FunctionCastContext);
STRATA_HELPER(FunctionNothing);

// dynptr_functions.cc
STRATA_HELPER(FunctionDynptrAdjust);
STRATA_HELPER(FunctionDynptrClone);
STRATA_HELPER(FunctionDynptrIsNull);
STRATA_HELPER(FunctionDynptrIsReadOnly);
STRATA_HELPER(FunctionDynptrSize);
STRATA_HELPER(FunctionDynptrSlice);
STRATA_HELPER(FunctionDynptrSliceToWrite);

// iterator_functions.cc
STRATA_HELPER(FunctionIterNumNew);
STRATA_HELPER(FunctionIterNumNext);
STRATA_HELPER(FunctionIterNumDestroy);

}  // namespace strata::runtime
