// Arenas in the kernel: the loader's mapping decides where they are, and holds their variables.
#include "kernel_fixture.h"

namespace strata {
namespace {

class Arena : public testing::KernelTest {};

TEST_F(Arena, VariablesAreSharedWithPrograms) {
  auto spec = LoadCollectionSpec(STRATA_BPF_ARENA).value();
  ASSERT_TRUE(spec.variables.at("step").Set(std::int64_t{5}));
  auto objects = LoadCollection(backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  auto counter = objects->FindVariable("counter");
  ASSERT_TRUE(counter) << counter.error().message();
  EXPECT_EQ(counter->Get<std::int64_t>().value(), 40);
  EXPECT_EQ(testing::RunAsSyscall(*objects, "advances"), 45);
  EXPECT_EQ(counter->Get<std::int64_t>().value(), 45);
  ASSERT_TRUE(counter->Set(std::int64_t{100}));
  EXPECT_EQ(testing::RunAsSyscall(*objects, "advances"), 105);
}

TEST_F(Arena, IsWhereItsDefinitionWantsIt) {
  auto objects = Load(STRATA_BPF_ARENA_PLACED);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  const auto counter = objects->FindVariable("counter").value();
  const auto address = reinterpret_cast<std::uintptr_t>(counter.bytes().data());
  EXPECT_EQ(address & ~std::uintptr_t{0xffff}, 0x200000000000U);
}

TEST_F(Arena, ThatIsTooSmallForItsVariablesIsRefused) {
  auto spec = LoadCollectionSpec(STRATA_BPF_ARENA).value();
  spec.maps.at("arena").contents.resize(17 * 4096);
  EXPECT_THAT(ErrorOf(LoadCollection(backend_, std::move(spec))).message(),
              ::testing::HasSubstr("map arena: 69632 bytes of variables do not fit into 16 pages"));
}

}  // namespace
}  // namespace strata
