// Sessions that another user or a group may use: what they may do, and what they may not. Needs root.
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry_fixture.h"

namespace strata {
namespace {

using testing::HasSubstr;

constexpr uid_t kThem = 65534;
constexpr uid_t kStranger = 12345;
constexpr gid_t kTheirGroup = 4242;

class SharingTest : public RegistryTest {
 protected:
  void SetUp() override {
    RegistryTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
    CloseBackend();
  }

  static SessionSharing With(SessionSharing::With with, std::uint32_t id, bool maps_are_read_only = false) {
    return {with, id, maps_are_read_only};
  }
  Result<std::shared_ptr<Backend>> OpenShared(const SessionSharing& sharing) const {
    UserspaceOptions options = Options();
    options.sharing = sharing;
    return OpenUserspaceBackend(std::move(options));
  }
  // Runs `body` as that user in a child; what it returns is the number of the step that failed, 0 for none.
  static void As(uid_t user, gid_t group, const std::function<int()>& body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::alarm(30);
      if (::setgroups(0, nullptr) != 0 || ::setresgid(group, group, group) != 0 || ::setresuid(user, user, user) != 0)
        ::_exit(99);
      ::_exit(body());
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "see the step of that number";
  }
  // What an agent of that user does: 0, or the number of the step that failed.
  int RunAsAgent(
      const std::function<int(runtime::Process& process, int folder, runtime::ProgramInstance& program)>& use) const {
    runtime::Process* process = nullptr;
    runtime::Reason reason;
    if (runtime::OpenProcess(session_folder().c_str(), &process, &reason) != 0) return Say(1, reason);
    const int folder = runtime::OpenSessionFolder(session_folder().c_str(), &reason);
    if (folder < 0) return Say(2, reason);
    runtime::ProgramInstance* program = nullptr;
    if (runtime::InstantiateProgram(*process, folder, 2, &program, &reason) != 0) return Say(3, reason);
    return use(*process, folder, *program);
  }
  static int Say(int step, const runtime::Reason& reason) {
    std::fprintf(stderr, "step %d: %s\n", step, reason.text);
    return step;
  }
  bool MayOpen(const std::string& name, int flags) const {
    const UniqueFd fd(::open((session_folder() + "/" + name).c_str(), flags | O_CLOEXEC, 0600));
    return static_cast<bool>(fd);
  }

  int UseAll() const {
    return RunAsAgent([&](runtime::Process& process, int folder, runtime::ProgramInstance& program) {
      runtime::RunContext run;
      if (runtime::RunProgram(program, run) != 7) return 4;
      const std::uint32_t key = 3;
      const std::uint64_t value = 8;
      if (program.maps[0]->ops->update(*program.maps[0], &key, &value, 0, 0) != 0) return 5;
      runtime::LinkView view;
      runtime::Reason reason;
      if (runtime::MapLink(folder, 3, &view, &reason) != 0) return Say(6, reason);
      if (!runtime::IsEnabled(view) || !view.is_read_only) return 7;
      runtime::CountersOf(view, 0).missed_count += 1;  // its own
      runtime::InstanceRecord record{};
      record.link_id = 3;
      record.pid = 4321;
      record.state = runtime::InstanceState::kAttached;
      return runtime::WriteInstance(process, folder, record) == 0 ? 0 : 8;
    });
  }
  int TryForbidden() const {
    if (MayOpen("prog-2", O_RDWR) || MayOpen("link-3", O_RDWR) || MayOpen("sharing", O_RDWR)) return 1;
    if (MayOpen("map-99", O_RDWR | O_CREAT)) return 2;
    if (::unlink((session_folder() + "/prog-2").c_str()) == 0) return 3;
    if (::rename((session_folder() + "/map-1").c_str(), (session_folder() + "/map-9").c_str()) == 0) return 4;
    return ::chmod((session_folder() + "/prog-2").c_str(), 0666) == 0 ? 5 : 0;
  }
};

TEST_F(SharingTest, AnotherUserRunsProgramsAndWritesMapsAndAnswers) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem));
  ASSERT_TRUE(loader) << loader.error().message();
  Chain chain = MakeChain(**loader);
  As(kThem, kThem, [&] { return UseAll(); });
  const std::uint32_t key = 3;
  std::uint64_t value = 0;
  EXPECT_TRUE(chain.map->Lookup(BytesOf(key), WritableBytesOf(value)).value());
  EXPECT_EQ(value, 8U);
  ASSERT_EQ(chain.link->Instances()->size(), 1U);
  EXPECT_EQ(chain.link->Instances()->front().pid, 4321);
}

TEST_F(SharingTest, AGroupMayDoTheSame) {
  auto loader = OpenShared(With(SessionSharing::With::kGroup, kTheirGroup)).value();
  Chain chain = MakeChain(*loader);
  As(kStranger, kTheirGroup, [&] { return UseAll(); });
  As(kStranger, kTheirGroup, [&] { return TryForbidden(); });
}

TEST_F(SharingTest, ProgramsAndLinksAreReadOnlyForThem) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem)).value();
  Chain chain = MakeChain(*loader);
  As(kThem, kThem, [&] { return TryForbidden(); });
}

TEST_F(SharingTest, StrangersMayNothing) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem)).value();
  Chain chain = MakeChain(*loader);
  As(kStranger, kStranger, [&] {
    runtime::Process* process = nullptr;
    if (runtime::OpenProcess(session_folder().c_str(), &process, nullptr) != -EACCES) return 1;
    return MayOpen("root", O_RDONLY) || MayOpen("map-1", O_RDONLY) ? 2 : 0;
  });
}

TEST_F(SharingTest, MapsMayBeReadOnlyForThem) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem, true)).value();
  Chain chain = MakeChain(*loader);
  As(kThem, kThem, [&] {
    runtime::Process* process = nullptr;
    runtime::Reason reason;
    if (runtime::OpenProcess(session_folder().c_str(), &process, &reason) != 0) return Say(1, reason);
    const int folder = runtime::OpenSessionFolder(session_folder().c_str(), &reason);
    runtime::ProgramInstance* program = nullptr;
    if (runtime::InstantiateProgram(*process, folder, 2, &program, &reason) != -EACCES) return 2;
    if (std::string_view(reason.text).find("map 1 may only be read here") == std::string_view::npos)
      return Say(3, reason);
    return MayOpen("map-1", O_RDWR) ? 4 : 0;
  });
}

TEST_F(SharingTest, MapsThatProgramsMayOnlyReadAreReadOnlyInAnyCase) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem)).value();
  Chain chain;
  chain.map = loader->CreateMap(Spec(MapType::kHash, 4, 8, 4, map_flags::kReadOnlyProgram), nullptr).value();
  chain.program = loader->LoadProgram(ProgramOf(chain.map)).value();
  As(kThem, kThem, [&] {
    if (MayOpen("map-1", O_RDWR)) return 10;
    return RunAsAgent([](runtime::Process&, int, runtime::ProgramInstance& program) {
      runtime::RunContext run;
      return runtime::RunProgram(program, run) == 7 ? 0 : 11;
    });
  });
}

TEST_F(SharingTest, TheirToolsListAndReadAndChangeNothing) {
  auto loader = OpenShared(With(SessionSharing::With::kUser, kThem, true)).value();
  Chain chain = MakeChain(*loader);
  const std::uint32_t key = 5;
  ASSERT_TRUE(chain.map->Update(BytesOf(key), BytesOf(std::uint64_t{6}), UpdateMode::kAny));
  As(kThem, kThem, [&] {
    auto tool = OpenUserspaceBackend(Options());
    if (!tool) return std::fprintf(stderr, "%s\n", tool.error().message().c_str()), 1;
    const auto listing = (*tool)->List();
    if (!listing || listing->maps.size() != 1 || listing->programs.size() != 1 || listing->links.size() != 1) return 2;
    auto map = (*tool)->OpenMap(1);
    std::uint64_t value = 0;
    if (!map || !(*map)->Lookup(BytesOf(key), WritableBytesOf(value)).value() || value != 6) return 3;
    if ((*map)->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny)) return 4;
    auto link = (*tool)->OpenLink(3);
    if (!link || (*link)->Detach() || (*link)->SetEnabled(false)) return 5;
    if ((*tool)->CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr)) return 6;
    return 0;
  });
  EXPECT_TRUE(chain.link->Info());
}

TEST_F(SharingTest, ProgramsOfAUserWhoIsNotRootAreNotForOthers) {
  std::filesystem::permissions(runtime_folder(), std::filesystem::perms(0711));
  const std::string theirs = runtime_folder() + "/theirs";
  ASSERT_EQ(::mkdir(theirs.c_str(), 0711), 0);
  ASSERT_EQ(::chown(theirs.c_str(), kStranger, kStranger), 0);
  As(kStranger, kStranger, [&] {
    UserspaceOptions options = Options();
    options.runtime_folder = theirs;
    options.sharing = With(SessionSharing::With::kUser, kThem);
    auto loader = OpenUserspaceBackend(std::move(options));
    if (!loader) return 1;
    return MakeChain(**loader).program->Pin("kept") ? 0 : 2;
  });
  As(kThem, kThem, [&] {
    runtime::Process* process = nullptr;
    runtime::Reason reason;
    if (runtime::OpenProcess((theirs + "/test").c_str(), &process, &reason) != -EACCES) return 1;
    return std::string_view(reason.text).find("belongs to user 12345") != std::string_view::npos ? 0 : Say(2, reason);
  });
  std::filesystem::remove_all(theirs);
}

TEST_F(SharingTest, LaterLoadersShareInTheSameWay) {
  const SessionSharing sharing = With(SessionSharing::With::kUser, kThem);
  auto first = OpenShared(sharing).value();
  auto second = OpenShared({}).value();  // takes it as it is
  Chain chain = MakeChain(*second);
  As(kThem, kThem, [&] { return UseAll(); });
  EXPECT_TRUE(OpenShared(sharing));
  const auto other = OpenShared(With(SessionSharing::With::kUser, kStranger));
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("shared with somebody else"));
}

TEST_F(SharingTest, ASessionThatIsNotSharedDoesNotBecomeSo) {
  auto first = OpenShared({}).value();
  const auto later = OpenShared(With(SessionSharing::With::kUser, kThem));
  ASSERT_FALSE(later);
  EXPECT_THAT(later.error().message(), HasSubstr("is not shared"));
}

TEST(SessionSharing, IsWrittenAsText) {
  EXPECT_EQ(ParseSessionSharing("").value(), SessionSharing{});
  EXPECT_EQ(ParseSessionSharing("user:root").value(), (SessionSharing{SessionSharing::With::kUser, 0, false}));
  EXPECT_EQ(ParseSessionSharing("group:4242,maps=ro").value(),
            (SessionSharing{SessionSharing::With::kGroup, 4242, true}));
  for (const char* text : {"root", "user:", "users:1", "user:1,maps=no", "user:1,"})
    EXPECT_EQ(ParseSessionSharing(text).error().code(), ErrorCode::kInvalidArgument) << text;
  EXPECT_EQ(ParseSessionSharing("user:nobody-of-that-name").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace strata
