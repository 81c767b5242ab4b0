#include "strata/backend/userspace/compile/compiler.h"

#include "program_scan.h"
#include "x86_64/translator.h"

namespace strata::compile {

Result<CompiledImage> CompileImage(const CompileInput& input) {
  const ProgramScan scan = STRATA_TRY(ScanProgram(input));
  return x86::Translate(input, scan);
}

}  // namespace strata::compile
