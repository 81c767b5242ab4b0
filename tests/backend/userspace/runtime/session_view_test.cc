#include "strata/backend/userspace/runtime/session_view.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "session_fixture.h"

namespace strata::runtime {
namespace {

struct LinkFile {
  LinkHeader header{};
  char config[16] = "configuration";
  char path[16] = "/usr/bin/thing";
  char plan[32] = "the plan";
  alignas(kCacheLine) LinkCounters counters[2] = {};
};

LinkFile MakeLinkFile(std::uint32_t id) {
  LinkFile file;
  LinkHeader& header = file.header;
  header.magic = static_cast<std::uint32_t>(FileMagic::kLink);
  header.version = kLayoutVersion;
  header.id = id;
  header.program_id = 3;
  header.pid = -1;
  header.cookie = 77;
  header.file_size = sizeof(LinkFile);
  header.enabled = 1;
  header.counters_count = 2;
  header.counters_offset = offsetof(LinkFile, counters);
  header.config_offset = offsetof(LinkFile, config);
  header.config_size = sizeof(file.config);
  header.path_offset = offsetof(LinkFile, path);
  header.path_size = sizeof("/usr/bin/thing");
  header.plan_offset = offsetof(LinkFile, plan);
  header.plan_size = sizeof(file.plan);
  std::strcpy(header.kind, "uprobe");
  return file;
}

class SessionViewTest : public RuntimeTest {
 protected:
  void TearDown() override {
    for (const int fd : held_) ::close(fd);
    RuntimeTest::TearDown();
  }
  // As a living loader holds it.
  void PublishLink(const LinkFile& file, unsigned mode = 0600) {
    const std::string name = "link-" + std::to_string(file.header.id);
    WriteFile(name, BytesOf(file), mode);
    held_.push_back(::openat(folder_fd(), name.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(held_.back(), LOCK_SH), 0);
  }
  long Map(std::uint32_t id) {
    LinkView view;
    const long error = MapLink(folder_fd(), id, &view, &reason_);
    if (error == 0) UnmapLink(&view);
    return error;
  }

  std::vector<int> held_;
  Reason reason_;
};

TEST_F(SessionViewTest, MapsALinkWithItsTables) {
  PublishLink(MakeLinkFile(7));
  LinkView view;
  ASSERT_EQ(MapLink(folder_fd(), 7, &view, &reason_), 0) << reason_.text;
  EXPECT_EQ(view.header.cookie, 77U);
  EXPECT_STREQ(view.path, "/usr/bin/thing");
  EXPECT_STREQ(reinterpret_cast<const char*>(view.plan), "the plan");
  EXPECT_STREQ(reinterpret_cast<const char*>(view.config), "configuration");
  EXPECT_TRUE(IsEnabled(view));
  view.shared->enabled = 0;
  EXPECT_FALSE(IsEnabled(view));
  CountersOf(view, 5).run_count = 9;
  EXPECT_EQ(view.counters[1].run_count, 9U);
  UnmapLink(&view);
}

TEST_F(SessionViewTest, ALinkOfADeadLoaderIsGone) {
  PublishLink(MakeLinkFile(7));
  ::close(held_.back());
  held_.clear();
  EXPECT_EQ(Map(7), -ENOENT);
  EXPECT_EQ(Map(8), -ENOENT);
}

TEST_F(SessionViewTest, RefusesALinkThatOthersMayWrite) {
  PublishLink(MakeLinkFile(7), 0620);
  EXPECT_EQ(Map(7), -EACCES);
  EXPECT_THAT(std::string(reason_.text), testing::HasSubstr("written by others"));
}

TEST_F(SessionViewTest, RefusesALinkWhoseTablesLieOutside) {
  std::uint32_t id = 10;
  const auto refused_with = [&](auto&& change) {
    LinkFile file = MakeLinkFile(++id);
    change(file.header);
    PublishLink(file);
    return Map(id);
  };
  EXPECT_EQ(refused_with([](LinkHeader&) {}), 0);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.magic = 1; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.version = 99; }), -EPROTO);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.file_size += 1; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.config_size = 0xffffffff; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.config_offset = 0xffffffff; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.plan_offset = sizeof(LinkFile) - 1; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.path_size = 5; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.counters_count = 0; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.counters_count = 0x10000000; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { header.counters_offset += 8; }), -EBADMSG);
  EXPECT_EQ(refused_with([](LinkHeader& header) { std::memset(header.kind, 'x', sizeof(header.kind)); }), -EBADMSG);
}

TEST_F(SessionViewTest, RefusesEveryTruncation) {
  PublishLink(MakeLinkFile(7));
  for (std::uint64_t size = 0; size < sizeof(LinkFile); size += 13) {
    WriteFile("link-7", BytesOf(MakeLinkFile(7)));
    Truncate("link-7", size);
    EXPECT_EQ(Map(7), -EBADMSG) << size;
  }
}

TEST_F(SessionViewTest, ListsIdsAndNothingElse) {
  for (const char* name : {"link-1", "link-20", "link-4294967295", "link-", "link-0", "link-01", "link-x", "link-1x",
                           "link-4294967296", "map-5"}) {
    WriteFile(name, {});
  }
  std::set<std::uint32_t> ids;
  const auto visit = [](std::uint32_t id, void* argument) -> long {
    return static_cast<std::set<std::uint32_t>*>(argument)->insert(id).second ? 0 : 1;
  };
  EXPECT_EQ(ForEachObject(folder_fd(), kLinkPrefix, visit, &ids), 0);
  EXPECT_EQ(ids, (std::set<std::uint32_t>{1, 20, 4294967295}));
}

TEST_F(SessionViewTest, ListsMoreFilesThanOneReadHolds) {
  for (int i = 1; i <= 300; ++i) WriteFile("link-" + std::to_string(i), {});
  std::set<std::uint32_t> ids;
  const auto visit = [](std::uint32_t id, void* argument) -> long {
    return static_cast<std::set<std::uint32_t>*>(argument)->insert(id).second ? 0 : 1;
  };
  EXPECT_EQ(ForEachObject(folder_fd(), kLinkPrefix, visit, &ids), 0);
  EXPECT_EQ(ids.size(), 300U);
}

TEST_F(SessionViewTest, InstanceRecordsAreReplacedAndRemoved) {
  InstanceRecord record{};
  record.link_id = 3;
  record.pid = 4711;
  record.state = InstanceState::kRefused;
  std::strcpy(record.reason, "because");
  const std::uint32_t seen = InstanceGeneration(process());
  ASSERT_EQ(WriteInstance(process(), folder_fd(), record), 0);
  record.state = InstanceState::kAttached;
  ASSERT_EQ(WriteInstance(process(), folder_fd(), record), 0);
  EXPECT_EQ(InstanceGeneration(process()), seen + 2);

  InstanceRecord read{};
  const int fd = ::openat(folder_fd(), "instance-3-4711", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::read(fd, &read, sizeof(read)), static_cast<ssize_t>(sizeof(read)));
  ::close(fd);
  EXPECT_EQ(read.magic, static_cast<std::uint32_t>(FileMagic::kInstance));
  EXPECT_EQ(read.state, InstanceState::kAttached);
  EXPECT_EQ(RemoveInstance(process(), folder_fd(), 3, 4711), 0);
  EXPECT_EQ(RemoveInstance(process(), folder_fd(), 3, 4711), -ENOENT);
}

TEST_F(SessionViewTest, PublishingIsOddWhileItGoesOn) {
  const std::uint32_t before = Generation(process());
  EXPECT_EQ(before % 2, 0U);
  BeginPublish(process());
  EXPECT_EQ(Generation(process()) % 2, 1U);
  EndPublish(process());
  EXPECT_EQ(Generation(process()), before + 2);
  // A publisher that died half-way: the next one makes it even again.
  BeginPublish(process());
  BeginPublish(process());
  EndPublish(process());
  EXPECT_EQ(Generation(process()) % 2, 0U);
  EXPECT_NE(Generation(process()), before + 2);
}

TEST_F(SessionViewTest, WaitersAreWokenByAChange) {
  const std::uint32_t seen = Generation(process());
  EXPECT_EQ(WaitForChange(process(), seen, 1'000'000), -ETIMEDOUT);
  EXPECT_EQ(WaitForChange(process(), seen + 2, -1), 0) << "it differs already";
  std::thread publisher([&] {
    BeginPublish(process());
    EndPublish(process());
  });
  while (Generation(process()) != seen + 2) WaitForChange(process(), Generation(process()), 10'000'000'000);
  publisher.join();
}

TEST_F(SessionViewTest, RefusesAFolderThatOthersMayWriteOrThatIsALink) {
  ASSERT_EQ(::chmod(folder().c_str(), 0770), 0);
  EXPECT_EQ(OpenSessionFolder(folder().c_str(), &reason_), -EACCES);
  ASSERT_EQ(::chmod(folder().c_str(), 0700), 0);
  const std::string link = folder() + "/alias";
  ASSERT_EQ(::symlink(folder().c_str(), link.c_str()), 0);
  EXPECT_LT(OpenSessionFolder(link.c_str(), &reason_), 0);
  EXPECT_EQ(OpenSessionFolder("/nonexistent/session", &reason_), -ENOENT);
}

TEST_F(SessionViewTest, RefusesAFolderOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give a folder away";
  const std::string path = folder() + "/theirs";
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  ASSERT_EQ(::chown(path.c_str(), 12345, 12345), 0);
  EXPECT_EQ(OpenSessionFolder(path.c_str(), &reason_), -EACCES);
  EXPECT_THAT(std::string(reason_.text), testing::HasSubstr("belongs to user 12345"));
}

TEST_F(SessionViewTest, RefusesARootThatIsNotWhatItSays) {
  Process* opened = nullptr;
  const auto refused_with = [&](std::size_t offset, std::uint32_t value) {
    std::uint32_t original = 0;
    std::memcpy(&original, reinterpret_cast<std::byte*>(process().root) + offset, sizeof(original));
    Patch(kRootFile, offset, BytesOf(value));
    const long error = OpenProcess(folder().c_str(), &opened, &reason_);
    Patch(kRootFile, offset, BytesOf(original));
    return error;
  };
  EXPECT_EQ(refused_with(offsetof(RootHeader, magic), 1), -EBADMSG);
  EXPECT_EQ(refused_with(offsetof(RootHeader, version), 9), -EPROTO);
  EXPECT_EQ(refused_with(offsetof(RootHeader, slot_count), 0), -EBADMSG);
  EXPECT_EQ(refused_with(offsetof(RootHeader, slot_count), 0xffffffff), -EBADMSG);
  EXPECT_EQ(refused_with(offsetof(RootHeader, slots_offset), 0xfffff000), -EBADMSG);
  EXPECT_EQ(refused_with(offsetof(RootHeader, slots_offset), kPageSize + 8), -EBADMSG);
}

}  // namespace
}  // namespace strata::runtime
