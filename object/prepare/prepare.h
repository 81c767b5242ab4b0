// From a program's specification to what a backend loads: the same passes for every backend.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// The map that a reference's name stands for (a key of CollectionSpec::maps).
using MapResolver = std::function<Result<std::shared_ptr<BackendMap>>(std::string_view name)>;

// Flattens the program with the subprograms it reaches and binds what its references name. LinkedProgram::types is left
// to the caller. Errors name the program and the instruction: kNotFound for a function that is called and not defined,
// kNotSupported for references that this version cannot bind (CO-RE, kernel symbols and functions, .kconfig), and
// whatever `resolve_map` returns.
Result<LinkedProgram> PrepareProgram(const CollectionSpec& collection, const ProgramSpec& program,
                                     const MapResolver& resolve_map);

}  // namespace strata
