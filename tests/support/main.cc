// main() of every test program: after the last test no descriptor may be open that was not open before the first.
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <string>

namespace {

std::set<std::string> OpenDescriptors() {
  std::set<std::string> open;
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return open;
  const std::string own = std::to_string(::dirfd(folder));
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.' || own == entry->d_name) continue;
    char target[256];
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t length = ::readlink(path.c_str(), target, sizeof(target));
    open.insert(std::string(entry->d_name) + " -> " +
                std::string(target, length > 0 ? static_cast<size_t>(length) : 0));
  }
  ::closedir(folder);
  return open;
}

class NoDescriptorLeaks : public testing::Environment {
 public:
  void SetUp() override { before_ = OpenDescriptors(); }
  void TearDown() override {
    for (const std::string& descriptor : OpenDescriptors()) {
      EXPECT_TRUE(before_.contains(descriptor)) << "leaked descriptor " << descriptor;
    }
  }

 private:
  std::set<std::string> before_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::AddGlobalTestEnvironment(new NoDescriptorLeaks);
  return RUN_ALL_TESTS();
}
