#include "session_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace strata::runtime {

void RuntimeTest::SetUp() {
  std::string pattern = "/dev/shm/strata-test-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  folder_fd_ = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::vector<std::byte> root(kPageSize + kTestSlots * sizeof(SlotWord));
  RootHeader header{};
  header.magic = static_cast<std::uint32_t>(FileMagic::kRoot);
  header.version = kLayoutVersion;
  header.next_id = 1;
  header.slot_count = kTestSlots;
  header.slots_offset = kPageSize;
  header.file_size = root.size();
  std::memcpy(root.data(), &header, sizeof(header));
  WriteFile(kRootFile, root);
  Reason reason;
  ASSERT_EQ(OpenProcess(folder_.c_str(), &process_, &reason), 0) << reason.text;
}

void RuntimeTest::TearDown() {
  if (process_ != nullptr) CloseProcess(process_);
  if (folder_fd_ >= 0) ::close(folder_fd_);
  std::filesystem::remove_all(folder_);
}

MapView& RuntimeTest::MakeMap(const MapAttributes& attributes) {
  MapAttributes complete = attributes;
  complete.possible_cpus = kTestSlots;
  MapGeometry geometry;
  EXPECT_EQ(ComputeGeometry(complete, &geometry), 0);
  MapIdentity identity;
  identity.id = next_id_++;
  identity.hash_seed = 12345;
  const std::string name = folder_ + "/map-" + std::to_string(identity.id);
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  EXPECT_EQ(::ftruncate(fd, static_cast<off_t>(geometry.file_size)), 0);
  MapView* view = nullptr;
  Reason reason;
  EXPECT_EQ(CreateMap(*process_, fd, complete, geometry, identity, &view, &reason), 0) << reason.text;
  ::close(fd);
  return *view;
}

MapView& RuntimeTest::MakeMap(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                              std::uint32_t flags) {
  MapAttributes attributes;
  attributes.type = type;
  attributes.key_size = key_size;
  attributes.value_size = value_size;
  attributes.max_entries = max_entries;
  attributes.flags = flags;
  return MakeMap(attributes);
}

void RuntimeTest::WriteFile(const std::string& name, std::span<const std::byte> bytes, unsigned mode) {
  const int fd = ::openat(folder_fd_, name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(::fchmod(fd, mode), 0);
  ::close(fd);
}

void RuntimeTest::Patch(const std::string& name, std::uint64_t offset, std::span<const std::byte> bytes) {
  const int fd = ::openat(folder_fd_, name.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)), static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

void RuntimeTest::Truncate(const std::string& name, std::uint64_t size) {
  ASSERT_EQ(::truncate((folder_ + "/" + name).c_str(), static_cast<off_t>(size)), 0);
}

void RuntimeTest::RunAndKill(const std::function<void(const std::function<void()>& die)>& body) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body([] { ::kill(::getpid(), SIGKILL); });
    ::_exit(1);  // it did not come to die
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
}

}  // namespace strata::runtime
