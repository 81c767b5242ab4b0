// What iterators write.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class IteratorTest : public LinkTracingTest {};

std::vector<std::string> Lines(const Iterator& iterator) {
  std::istringstream text(iterator.Open()->ReadAll().value());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

std::string OwnLine() { return "tgid " + std::to_string(::getpid()) + " pid " + std::to_string(::syscall(SYS_gettid)); }

// A cgroup2 hierarchy of this test's own view, with one group in it.
class OwnCgroup {
 public:
  OwnCgroup() : root_("/tmp/strata-cgroup-" + std::to_string(::getpid())), group_(root_ + "/strata_iterator") {
    mounted_ = ::mkdir(root_.c_str(), 0700) == 0 && ::mount("none", root_.c_str(), "cgroup2", 0, nullptr) == 0;
    made_ = mounted_ && ::mkdir((group_ += std::to_string(::getpid())).c_str(), 0700) == 0;
  }
  ~OwnCgroup() {
    if (made_) ::rmdir(group_.c_str());
    if (mounted_) ::umount(root_.c_str());
    ::rmdir(root_.c_str());
  }
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;
  bool is_made() const { return made_; }
  const std::string& path() const { return group_; }
  // The folder's inode is the kernel's id of the group.
  std::uint64_t id() const {
    struct stat status {};
    return ::stat(group_.c_str(), &status) == 0 ? status.st_ino : 0;
  }

 private:
  std::string root_;
  std::string group_;
  bool mounted_ = false;
  bool made_ = false;
};

TEST_F(IteratorTest, ListsTheTasksOfTheSystem) {
  auto objects = Load({"lists_tasks"});
  const auto iterator = AttachIterator(ProgramOf(objects, "lists_tasks"));
  ASSERT_TRUE(iterator) << iterator.error().message();
  EXPECT_THAT(Lines(*iterator), ::testing::Contains(OwnLine()));
  EXPECT_THAT(Lines(*iterator), ::testing::Contains(OwnLine())) << "a second pass starts again";
}

TEST_F(IteratorTest, ListsOneProcessOnly) {
  auto objects = Load({"lists_tasks"});
  const Program& program = ProgramOf(objects, "lists_tasks");
  const auto tid = static_cast<std::int32_t>(::syscall(SYS_gettid));
  EXPECT_THAT(Lines(AttachIterator(program, {.scope = IterateThread{tid}}).value()), ElementsAre(OwnLine()));
  EXPECT_THAT(Lines(AttachIterator(program, {.scope = IterateProcess{::getpid()}}).value()), ElementsAre(OwnLine()));
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  auto by_descriptor = AttachIterator(program, {.scope = IterateProcessDescriptor{pidfd.get()}}).value();
  EXPECT_THAT(Lines(by_descriptor), ElementsAre(OwnLine()));
}

TEST_F(IteratorTest, IsMadeAgainFromADescriptorThatWasClosed) {
  auto objects = Load({"lists_tasks"});
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  auto iterator =
      AttachIterator(ProgramOf(objects, "lists_tasks"), {.scope = IterateProcessDescriptor{pidfd.get()}}).value();
  pidfd.Reset();
  ASSERT_TRUE(iterator.SetEnabled(false));
  EXPECT_FALSE(iterator.Open());
  ASSERT_TRUE(iterator.SetEnabled(true));
  EXPECT_THAT(Lines(iterator), ElementsAre(OwnLine()));
}

TEST_F(IteratorTest, ListsTheElementsOfAMap) {
  auto objects = Load({"lists_numbers"});
  auto numbers = objects.FindMap<HashMap<std::uint32_t, std::uint64_t>>("numbers").value();
  ASSERT_TRUE(numbers.Update(3, 300));
  ASSERT_TRUE(numbers.Update(4, 400));
  const Map* map = objects.FindMap("numbers").value();
  const auto iterator = AttachIterator(ProgramOf(objects, "lists_numbers"), {.scope = IterateMap{map}});
  ASSERT_TRUE(iterator) << iterator.error().message();
  EXPECT_THAT(Lines(*iterator), UnorderedElementsAre("3 is 300", "4 is 400"));
  const LinkInfo info = OpenedInfo(backend_, *iterator);
  EXPECT_EQ(info.kind, "iter");
  EXPECT_EQ(info.name, "bpf_map_elem");
  EXPECT_EQ(info.target_id, map->info().id);
}

TEST_F(IteratorTest, IsReadInPieces) {
  auto objects = Load({"lists_numbers"});
  auto numbers = objects.FindMap<HashMap<std::uint32_t, std::uint64_t>>("numbers").value();
  ASSERT_TRUE(numbers.Update(3, 300));
  const auto iterator =
      AttachIterator(ProgramOf(objects, "lists_numbers"), {.scope = IterateMap{objects.FindMap("numbers").value()}})
          .value();
  IteratorReader reader = iterator.Open().value();
  std::string text;
  std::array<char, 3> part{};
  for (std::size_t count = 0; (count = reader.Read(std::as_writable_bytes(std::span(part))).value()) != 0;) {
    EXPECT_LE(count, part.size());
    text.append(part.data(), count);
  }
  EXPECT_EQ(text, "3 is 300\n");
}

TEST_F(IteratorTest, ListsOneCgroup) {
  const OwnCgroup cgroup;
  if (!cgroup.is_made()) GTEST_SKIP() << "a cgroup2 hierarchy cannot be mounted here";
  auto objects = Load({"lists_cgroups"});
  const auto iterator =
      AttachIterator(ProgramOf(objects, "lists_cgroups"),
                     {.scope = IterateCgroup{.path = cgroup.path(), .order = IterateCgroup::Order::kSelf}});
  ASSERT_TRUE(iterator) << iterator.error().message();
  EXPECT_THAT(Lines(*iterator), ElementsAre("cgroup " + std::to_string(cgroup.id())));
  EXPECT_EQ(OpenedInfo(backend_, *iterator).target_id, cgroup.id());
}

TEST_F(IteratorTest, ScopesThatAreNoneAreRefused) {
  auto objects = Load({"lists_tasks"});
  const Program& program = ProgramOf(objects, "lists_tasks");
  const std::vector<IterationScope> scopes = {IterateMap{}, IterateCgroup{}, IterateThread{0}, IterateProcess{-1},
                                              IterateProcessDescriptor{}};
  for (const IterationScope& scope : scopes) {
    EXPECT_EQ(ErrorOf(AttachIterator(program, {.scope = scope})).code(), ErrorCode::kInvalidArgument) << scope.index();
  }
  const Error error = ErrorOf(AttachIterator(program, {.scope = IterateCgroup{.path = "/nonexistent"}}));
  EXPECT_THAT(error.message(), HasSubstr("iterator task: cgroup /nonexistent: No such file or directory"));
}

}  // namespace
}  // namespace strata::testing
