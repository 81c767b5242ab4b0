// Where pins may lie, and what they are.
#include <sys/stat.h>

#include "registry_fixture.h"

namespace strata {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class PinsTest : public RegistryTest {
 protected:
  void TearDown() override {
    std::filesystem::remove_all(session_folder() + "/pinned");
    RegistryTest::TearDown();
  }
};

TEST_F(PinsTest, RelativePathsLieInTheSession) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin("demo/maps/counts"));
  EXPECT_TRUE(std::filesystem::is_regular_file(PinnedPath("demo/maps/counts")));
  EXPECT_EQ(std::filesystem::hard_link_count(PinnedPath("demo/maps/counts")), 2U);
  EXPECT_EQ(backend().PinPath("./demo/maps/counts").value(), PinnedPath("demo/maps/counts"));
}

TEST_F(PinsTest, AbsolutePathsHaveToLieThereToo) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin(PinnedPath("counts")));
  EXPECT_TRUE(backend().OpenPinnedMap("counts", MapAccess::kReadWrite));
  for (const std::string& path :
       {std::string("/sys/fs/bpf/counts"), session_folder() + "/counts", std::string("../counts"),
        std::string("a/../../counts"), std::string("."), std::string(""), std::string("a/")}) {
    const auto pinned = map->Pin(path);
    ASSERT_FALSE(pinned) << path;
    EXPECT_EQ(pinned.error().code(), ErrorCode::kInvalidArgument) << path;
    EXPECT_EQ(backend().OpenPinnedMap(path, MapAccess::kReadWrite).error().code(), ErrorCode::kInvalidArgument) << path;
  }
}

TEST_F(PinsTest, AreNotFollowedElsewhere) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin("counts"));
  ASSERT_EQ(::symlink("counts", PinnedPath("alias").c_str()), 0);
  EXPECT_FALSE(backend().OpenPinnedMap("alias", MapAccess::kReadWrite));
  ASSERT_EQ(::symlink("/tmp", PinnedPath("elsewhere").c_str()), 0);
  EXPECT_FALSE(map->Pin("elsewhere/counts"));
}

TEST_F(PinsTest, FoldersThatOthersMayWriteAreRefused) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin("open/counts"));
  ASSERT_EQ(::chmod(PinnedPath("open").c_str(), 0777), 0);
  EXPECT_THAT(map->Pin("open/more").error().message(), HasSubstr("chmod 700"));
}

TEST_F(PinsTest, ADetachedLinkIsStillAtItsPin) {
  Chain chain = MakeChain(backend());
  ASSERT_TRUE(chain.link->Pin("probe"));
  ASSERT_TRUE(chain.link->Detach());
  auto opened = backend().OpenPinnedLink("probe");
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ((*opened)->SetEnabled(true).error().sys_errno(), ENOENT);
  EXPECT_TRUE((*opened)->Detach());
  EXPECT_EQ(backend().OpenLink(chain.link->id()).error().code(), ErrorCode::kNotFound);
}

TEST_F(PinsTest, AFileThatIsNoObjectIsSaidToBeNone) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  ASSERT_TRUE(map->Pin("counts"));
  std::filesystem::copy_file(PinnedPath("counts"), PinnedPath("copy"));
  EXPECT_THAT(backend().OpenPinnedMap("copy", MapAccess::kReadWrite).error().message(),
              HasSubstr("is no object of this session, not a map"));
  EXPECT_THAT(backend().OpenPinnedProgram("counts").error().message(), HasSubstr("is a map, not a program"));
}

}  // namespace
}  // namespace strata
