#include "strata/object/program.h"

namespace strata {

Program::Program(std::shared_ptr<Backend> backend, std::shared_ptr<BackendProgram> program, ProgramSpec spec)
    : backend_(std::move(backend)), program_(std::move(program)), spec_(std::move(spec)) {}

}  // namespace strata
