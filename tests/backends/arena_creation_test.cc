// What makes an arena, and what its elements are not.
#include <sys/mman.h>

#include <cerrno>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;

constexpr std::uint64_t kAddress = 0x200000000000;

template <typename T>
class ArenaCreationTest : public strata::testing::BackendTest<T> {
 protected:
  static MapSpec Spec(std::uint32_t pages = 4) {
    MapSpec spec;
    spec.name = "test_arena";
    spec.type = MapType::kArena;
    spec.max_entries = pages;
    spec.flags = map_flags::kMmapable;
    return spec;
  }
  int ErrnoOf(const MapSpec& spec) {
    const auto map = this->backend_->CreateMap(spec, nullptr);
    return map ? 0 : map.error().sys_errno();
  }
};
TYPED_TEST_SUITE(ArenaCreationTest, BackendKinds, BackendNames);

TYPED_TEST(ArenaCreationTest, SizesAndFlagsAreTheKernels) {
  const auto with = [this](auto change) {
    MapSpec spec = this->Spec();
    change(&spec);
    return this->ErrnoOf(spec);
  };
  EXPECT_EQ(with([](MapSpec*) {}), 0);
  EXPECT_EQ(with([](MapSpec* spec) { spec->flags |= map_flags::kSegvOnFault | map_flags::kNoUserConversion; }), 0);
  EXPECT_EQ(with([](MapSpec* spec) { spec->key_size = 4; }), EINVAL);
  EXPECT_EQ(with([](MapSpec* spec) { spec->value_size = 8; }), EINVAL);
  EXPECT_EQ(with([](MapSpec* spec) { spec->max_entries = 0; }), EINVAL);
  EXPECT_EQ(with([](MapSpec* spec) { spec->flags = 0; }), EINVAL);
  EXPECT_EQ(with([](MapSpec* spec) { spec->flags |= map_flags::kNoPrealloc; }), EINVAL);
  EXPECT_EQ(with([](MapSpec* spec) { spec->flags |= map_flags::kReadOnlyProgram; }), EINVAL);
}

TYPED_TEST(ArenaCreationTest, AtMostFourGibibytesInOneHalf) {
  const auto with = [this](std::uint32_t pages, std::uint64_t address) {
    MapSpec spec = this->Spec(pages);
    spec.map_extra = address;
    return this->ErrnoOf(spec);
  };
  EXPECT_EQ(with(1U << 20, kAddress), 0);
  EXPECT_EQ(with((1U << 20) + 1, 0), E2BIG);
  EXPECT_EQ(with(4, kAddress + 8), EINVAL);
  EXPECT_EQ(with(4, kAddress - 4096), ERANGE);
  EXPECT_EQ(with(1U << 20, kAddress + 4096), ERANGE);
}

TYPED_TEST(ArenaCreationTest, HasNoElements) {
  Map map(this->backend_, this->backend_->CreateMap(this->Spec(), nullptr).value(), this->Spec());
  const std::span<std::byte> none;
  EXPECT_EQ(map.Lookup(none, none).error().sys_errno(), EINVAL);
  EXPECT_EQ(map.Update(none, none).error().sys_errno(), EOPNOTSUPP);
  EXPECT_EQ(map.Delete(none).error().sys_errno(), EOPNOTSUPP);
}

TYPED_TEST(ArenaCreationTest, MemoryIsAtOneAddressOnly) {
  MapSpec spec = this->Spec();
  spec.map_extra = kAddress;
  const auto map = this->backend_->CreateMap(spec, nullptr).value();
  auto memory = map->Memory().value();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->bytes().data()), kAddress);
  EXPECT_EQ(memory->bytes().size(), 4U * 4096);
  memory->bytes()[4096] = std::byte{5};
  EXPECT_EQ(map->Memory().error().sys_errno(), EEXIST);
  memory.reset();
  memory = map->Memory().value();
  EXPECT_EQ(memory->bytes()[4096], std::byte{5});
}

// r1 = each of the maps; r0 = 0; exit
LinkedProgram ProgramOf(const std::vector<std::shared_ptr<BackendMap>>& maps) {
  LinkedProgram program;
  program.name = "test";
  program.type = ProgramType::kSyscall;
  program.is_sleepable = true;
  program.license = "GPL";
  for (const auto& map : maps) {
    program.map_references.push_back({isa::InsnIndex{static_cast<std::uint32_t>(program.instructions.size())}, map});
    program.instructions.insert(program.instructions.end(), {{0x18, 1, 0, 0, 0}, {0, 0, 0, 0, 0}});
  }
  program.instructions.insert(program.instructions.end(), {{0xb7, 0, 0, 0, 0}, {0x95, 0, 0, 0, 0}});
  return program;
}

TYPED_TEST(ArenaCreationTest, ProgramsWantOneThatIsMapped) {
  const auto map = this->backend_->CreateMap(this->Spec(), nullptr).value();
  const Error unmapped = this->backend_->LoadProgram(ProgramOf({map})).error();
  EXPECT_EQ(unmapped.sys_errno(), EINVAL);
  EXPECT_EQ(unmapped.code(), ErrorCode::kVerifierRejected);
  const auto memory = map->Memory().value();
  EXPECT_TRUE(this->backend_->LoadProgram(ProgramOf({map, map})));
  const auto second = this->backend_->CreateMap(this->Spec(), nullptr).value();
  const auto also_mapped = second->Memory().value();
  EXPECT_EQ(this->backend_->LoadProgram(ProgramOf({map, second})).error().sys_errno(), EBUSY);
}

}  // namespace
}  // namespace strata
