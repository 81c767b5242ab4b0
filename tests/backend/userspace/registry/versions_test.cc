// Sessions of another version of strata.
#include "registry_fixture.h"

namespace strata {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

class VersionsTest : public RegistryTest {
 protected:
  // Turns the session into one that another version made, and left with an object that nobody holds.
  void MakeOtherVersion(std::uint32_t version) {
    InKilledLoader([](Backend& loader) {
      auto map = loader.CreateMap(Spec(MapType::kArray, 4, 8, 1), nullptr);
      ::kill(::getpid(), SIGKILL);
    });
    CloseBackendQuietly();
    WriteVersion(version);
  }
  void WriteVersion(std::uint32_t version) const {
    const UniqueFd root(::open((session_folder() + "/root").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::pwrite(root.get(), &version, sizeof(version), offsetof(runtime::RootHeader, version)),
              static_cast<ssize_t>(sizeof(version)));
  }
  // Without the collection at the end of a loader: as if it were killed too.
  void CloseBackendQuietly() {
    const std::string aside = runtime_folder() + "/.aside";
    std::filesystem::rename(session_folder(), aside);
    CloseBackend();
    std::filesystem::rename(aside, session_folder());
  }
  void TearDown() override {
    if (std::filesystem::exists(session_folder())) WriteVersion(runtime::kLayoutVersion);
    Collect();
    RegistryTest::TearDown();
  }
};

TEST_F(VersionsTest, ANewerSessionAsksForANewerProgram) {
  MakeOtherVersion(runtime::kLayoutVersion + 1);
  const auto opened = OpenUserspaceBackend(Options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(opened.error().message(),
              AllOf(HasSubstr("upgrade this program"), HasSubstr("rm -r " + session_folder())));
}

TEST_F(VersionsTest, AnOlderSessionAsksForNewerLoaders) {
  MakeOtherVersion(1);
  EXPECT_THAT(OpenUserspaceBackend(Options()).error().message(),
              HasSubstr("is of layout version 1, this program has " + std::to_string(runtime::kLayoutVersion) +
                        ": upgrade the loaders and agents that use it"));
}

TEST_F(VersionsTest, NothingOfAnotherVersionIsTouched) {
  MakeOtherVersion(runtime::kLayoutVersion + 1);
  const auto before = Files();
  EXPECT_THAT(before, testing::Contains("map-1"));
  const SessionReport report = Collect();
  EXPECT_THAT(report.untouched, HasSubstr("has layout version"));
  EXPECT_THAT(report.objects, SizeIs(0));
  EXPECT_TRUE(CollectSessions(runtime_folder()));
  EXPECT_FALSE(OpenUserspaceBackend(Options()));
  EXPECT_EQ(Files(), before);
}

TEST_F(VersionsTest, AnAgentRefusesItToo) {
  MakeOtherVersion(runtime::kLayoutVersion + 1);
  runtime::Process* process = nullptr;
  runtime::Reason reason;
  EXPECT_EQ(runtime::OpenProcess(session_folder().c_str(), &process, &reason), -EPROTO);
  EXPECT_THAT(reason.text, HasSubstr("layout version"));
}

TEST_F(VersionsTest, ObjectsOfAnotherVersionAreRefusedByName) {
  Chain chain = MakeChain(backend());
  const std::uint32_t other = runtime::kLayoutVersion + 1;
  for (const char* name : {"/prog-2", "/link-3"}) {
    const UniqueFd file(::open((session_folder() + name).c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), &other, sizeof(other), 4), static_cast<ssize_t>(sizeof(other)));
  }
  EXPECT_EQ(backend().OpenProgram(2).error().code(), ErrorCode::kMalformed);
  EXPECT_EQ(backend().OpenLink(3).error().code(), ErrorCode::kMalformed);
}

}  // namespace
}  // namespace strata
