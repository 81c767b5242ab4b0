// Subprograms with a tagged context argument: natively, and as kernels before 6.8 are given them.
#include "strata/spec/context_arguments.h"
#include "kernel_fixture.h"

namespace strata {
namespace {

using ContextArgumentsInKernel = testing::KernelTest;

TEST_F(ContextArgumentsInKernel, TheTagIsEnough) {
  auto objects = Load(STRATA_BPF_CONTEXT_ARGUMENTS);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_GE(testing::RunOnPacket(*objects, "filter", 5), 14 + 5);  // an Ethernet header at least, and the mark
}

// The replaced types carry no tag, so that this kernel, too, has only them to go by.
TEST_F(ContextArgumentsInKernel, TheTypesForOlderKernelsAreEnoughWithoutTheTag) {
  for (const std::string program : {"filter", "probe"}) {
    auto spec = LoadCollectionSpec(STRATA_BPF_CONTEXT_ARGUMENTS).value();
    const ContextFixUp fixed = FixUpContextArguments(spec).value();
    for (auto& [name, other] : spec.programs) other.autoload = name == program;
    for (auto& [name, function] : spec.functions) {
      for (const ContextFunction& context : fixed.functions) {
        const bool is_it = context.program_type == spec.programs.at(program).type_of_program;
        if (is_it && context.function == function.type) function.type = context.replacement;
      }
    }
    spec.types = fixed.types;
    const auto objects = LoadCollection(backend_, std::move(spec));
    EXPECT_TRUE(objects) << program << ": " << objects.error().message() << objects.error().log();
  }
}

}  // namespace
}  // namespace strata
