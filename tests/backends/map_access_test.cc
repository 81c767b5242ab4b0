// Maps that programs may only read, or only write: BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG.
#include <cerrno>
#include <string>

#include "fixture.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

template <typename T>
class MapAccessTest : public BackendTest<T> {
 protected:
  // The errno of a load.
  int Load(const char* program, std::uint32_t flags) {
    CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_MAP_ACCESS).value();
    spec.maps["target"].flags = flags;
    LoadOptions options;
    options.programs = {program};
    auto objects = LoadCollection(this->backend_, std::move(spec), options);
    if (!objects) return objects.error().sys_errno();
    objects_.emplace(*std::move(objects));
    return 0;
  }
  std::int64_t Run(const char* program, std::uint64_t value = 0) {
    EXPECT_TRUE(objects_->FindVariable("value")->Set(value));
    EXPECT_TRUE((*objects_->FindProgram(program))->TestRun());
    return objects_->FindVariable("result")->template Get<std::int64_t>().value();
  }
  Array<std::uint64_t> Target() { return objects_->template FindMap<Array<std::uint64_t>>("target").value(); }

  std::optional<Collection> objects_;
};
TYPED_TEST_SUITE(MapAccessTest, BackendKinds, BackendNames);

TYPED_TEST(MapAccessTest, MapsForReadingAreReadByProgramsAndWrittenByUserSpace) {
  ASSERT_EQ(this->Load("get_through_pointer", map_flags::kReadOnlyProgram), 0);
  ASSERT_TRUE(this->Target().Update(1, 42));
  EXPECT_EQ(this->Run("get_through_pointer"), 42);
}

TYPED_TEST(MapAccessTest, MapsForReadingAreNotChangedByHelpers) {
  EXPECT_EQ(this->Load("put", map_flags::kReadOnlyProgram), EACCES);
}

TYPED_TEST(MapAccessTest, MapsForWritingAreWrittenByProgramsAndReadByUserSpace) {
  ASSERT_EQ(this->Load("put", map_flags::kWriteOnlyProgram), 0);
  EXPECT_EQ(this->Run("put", 7), 0);
  EXPECT_EQ(**this->Target().Lookup(1), 7U);
  ASSERT_EQ(this->Load("put_through_pointer", map_flags::kWriteOnlyProgram), 0);
  this->Run("put_through_pointer", 8);
  EXPECT_EQ(**this->Target().Lookup(1), 8U);
}

TYPED_TEST(MapAccessTest, AccessesThroughPointersAreRefused) {
  EXPECT_EQ(this->Load("put_through_pointer", map_flags::kReadOnlyProgram), EACCES);
  EXPECT_EQ(this->Load("get_through_pointer", map_flags::kWriteOnlyProgram), EACCES);
  EXPECT_EQ(this->Load("add_through_pointer", map_flags::kReadOnlyProgram), EACCES);
  EXPECT_EQ(this->Load("add_through_pointer", map_flags::kWriteOnlyProgram), EACCES);
  EXPECT_EQ(this->Load("put_in_a_function", map_flags::kReadOnlyProgram), EACCES);
}

TYPED_TEST(MapAccessTest, OtherMapsOfTheProgramAreWrittenAndRead) {
  ASSERT_EQ(this->Load("put_in_a_function", map_flags::kWriteOnlyProgram), 0);
  this->Run("put_in_a_function", 9);
  EXPECT_EQ(**this->Target().Lookup(1), 9U);
}

}  // namespace
}  // namespace strata
