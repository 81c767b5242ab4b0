// Stack trace maps, and the helpers that take stacks.
#include <unistd.h>

#include "map_kinds_fixture.h"

extern "C" long strata_test_stack_leaf(long number);
extern "C" long strata_test_stack_one(long number);

namespace strata {
namespace {

using namespace strata::testing;  // NOLINT: its helpers are this file's vocabulary

constexpr std::uint64_t kUser = 1 << 8;
constexpr std::uint64_t kFastCompare = 1 << 9;
constexpr std::uint64_t kReuse = 1 << 10;
using Frames = std::array<std::uint64_t, 16>;

template <typename T>
class StackTest : public MapKindsTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    this->LoadObjects(STRATA_BPF_STACK);
    const auto self = OpenExecutable("/proc/self/exe").value();
    probe_.emplace(
        self.AttachUprobe("strata_test_stack_leaf", **this->objects_->FindProgram("take_stack"), {.pid = ::getpid()})
            .value());
  }
  template <typename V>
  V Get(const char* name) {
    return *this->objects_->FindVariable(name)->template Get<V>();
  }
  std::int64_t Result(const char* name) { return Get<std::int64_t>(name); }
  void SetVariable(const char* name, std::uint64_t value) {
    ASSERT_TRUE(this->objects_->FindVariable(name)->template Set<std::uint64_t>(value));
  }
  Map& map(const char* name) { return **this->objects_->FindMap(name); }
  static std::uint64_t LeafAddress() { return reinterpret_cast<std::uint64_t>(&strata_test_stack_leaf); }

  std::optional<Uprobe> probe_;
};
TYPED_TEST_SUITE(StackTest, BackendKinds, BackendNames);

TYPED_TEST(StackTest, BothHelpersGiveTheSameStack) {
  strata_test_stack_one(1);
  ASSERT_GE(this->Result("id"), 0);
  Frames stored{};
  const auto id = static_cast<std::uint32_t>(this->Result("id"));
  ASSERT_TRUE(*this->map("stacks").Lookup(Bytes(id), Writable(stored)));
  EXPECT_EQ(stored, this->template Get<Frames>("frames"));
  EXPECT_EQ(stored[0], this->LeafAddress());
  EXPECT_GT(this->Result("copied"), 8) << "a caller was found";
  EXPECT_EQ(this->Result("copied") % 8, 0);
  for (auto i = static_cast<std::size_t>(this->Result("copied")) / 8; i < stored.size(); ++i) EXPECT_EQ(stored[i], 0U);
}

TYPED_TEST(StackTest, TheSameStackHasTheSameId) {
  std::int64_t ids[3];
  for (std::int64_t& id : ids) {
    strata_test_stack_one(1);
    id = this->Result("id");
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_LT(ids[0], 64);
}

TYPED_TEST(StackTest, SkippedFramesAreLeftOut) {
  const auto call = [] { return strata_test_stack_one(1); };  // from one place
  const std::uint64_t skips[] = {kUser, kUser | 1};
  Frames whole{};
  for (const std::uint64_t flags : skips) {
    this->SetVariable("flags", flags);
    call();
    const auto frames = this->template Get<Frames>("frames");
    if (flags == kUser)
      whole = frames;
    else
      EXPECT_EQ(frames[0], whole[1]);
  }
  this->SetVariable("flags", kUser | 200);
  call();
  EXPECT_EQ(this->Result("id"), -EFAULT);
  EXPECT_EQ(this->Result("copied"), -EFAULT);
  EXPECT_EQ(this->template Get<Frames>("frames"), Frames{});
}

TYPED_TEST(StackTest, APlaceWithAnotherStackIsKeptUnlessItMayBeReused) {
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("id_in_one"), 0);
  this->SetVariable("flags", kUser | 1);  // another stack
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("id_in_one"), -EEXIST);
  this->SetVariable("flags", kUser | 1 | kFastCompare);
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("id_in_one"), -EEXIST) << "their hashes differ";
}

TYPED_TEST(StackTest, FlagsAreTheKernels) {
  for (const std::uint64_t flags : {kUser | 1ULL << 12, kUser | 1ULL << 63}) {
    this->SetVariable("flags", flags);
    strata_test_stack_one(1);
    EXPECT_EQ(this->Result("id"), -EINVAL);
    EXPECT_EQ(this->Result("copied"), -EINVAL);
  }
  this->SetVariable("flags", kUser | kReuse);
  strata_test_stack_one(1);
  EXPECT_GE(this->Result("id"), 0);
  EXPECT_EQ(this->Result("copied"), -EINVAL);
  this->SetVariable("flags", kUser);
  this->SetVariable("size", 12);
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("copied"), -EINVAL);
}

TYPED_TEST(StackTest, AProbeOfUserSpaceHasNoKernelStack) {
  this->SetVariable("flags", 0);
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("id"), -EFAULT);
  EXPECT_EQ(this->Result("copied"), 0);
  this->SetVariable("flags", 1);
  strata_test_stack_one(1);
  EXPECT_EQ(this->Result("copied"), -EFAULT);
}

TYPED_TEST(StackTest, UserSpaceOperationsAreTheKernels) {
  strata_test_stack_one(1);
  auto key = static_cast<std::uint32_t>(this->Result("id"));
  Map& stacks = this->map("stacks");
  Frames frames{};
  std::uint32_t next = 0;
  EXPECT_EQ(ErrnoOf(stacks.Update(Bytes(key), Bytes(frames))), EINVAL);
  EXPECT_EQ(ErrnoOf(stacks.backend_map()->NextKey(std::nullopt, Writable(next))), 0);
  EXPECT_EQ(next, key);
  EXPECT_EQ(ErrnoOf(stacks.backend_map()->NextKey(Bytes(key), Writable(next))), ENOENT);
  EXPECT_EQ(ErrnoOf(stacks.LookupAndDelete(Bytes(key), Writable(frames))), 0);
  EXPECT_EQ(frames[0], this->LeafAddress());
  EXPECT_EQ(ErrnoOf(stacks.Lookup(Bytes(key), Writable(frames))), ENOENT);
  EXPECT_EQ(ErrnoOf(stacks.Delete(Bytes(key))), ENOENT);
  key = 64;
  EXPECT_EQ(ErrnoOf(stacks.Delete(Bytes(key))), E2BIG);
  EXPECT_EQ(ErrnoOf(stacks.Lookup(Bytes(key), Writable(frames))), ENOENT);
}

TYPED_TEST(StackTest, CreationChecksSizesAndFlags) {
  constexpr MapType kType = MapType::kStackTrace;
  const MapSpec bad[] = {this->SpecOf(kType, 4, 4, 1),
                         this->SpecOf(kType, 4, 12, 1),
                         this->SpecOf(kType, 4, 1024, 1),
                         this->SpecOf(kType, 8, 8, 1),
                         this->SpecOf(kType, 4, 8, 0),
                         this->SpecOf(kType, 4, 8, 1, map_flags::kNoPrealloc),
                         this->SpecOf(kType, 4, 8, 1, map_flags::kReadOnlyProgram)};
  for (const MapSpec& spec : bad) EXPECT_EQ(this->CreationErrno(spec), EINVAL);
  EXPECT_EQ(this->CreationErrno(this->SpecOf(kType, 4, 1016, 3, map_flags::kReadOnly)), 0);
}

}  // namespace
}  // namespace strata
