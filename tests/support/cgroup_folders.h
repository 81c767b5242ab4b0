// Folders of cgroups of version 2.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "strata/base/unique_fd.h"

namespace strata::testing {

// Empty where there are none.
inline std::string CgroupRoot() {
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (std::filesystem::exists(std::string(root) + "/cgroup.controllers")) return root;
  }
  return {};
}

inline std::string OwnCgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return CgroupRoot() + line.substr(3);
  }
  return {};
}

inline std::uint64_t InodeOf(const std::string& folder) {
  struct stat status {};
  return ::stat(folder.c_str(), &status) == 0 ? status.st_ino : 0;
}

inline UniqueFd OpenFolder(const std::string& folder) {
  return UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// With the calling process.
inline void EnterCgroup(const std::string& folder) {
  std::ofstream(folder + "/cgroup.procs") << ::getpid() << std::flush;
}

// One of the test's own, gone with the object.
class CgroupFolder {
 public:
  CgroupFolder() {
    static int count = 0;
    path_ = CgroupRoot() + "/strata_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
    is_made_ = ::mkdir(path_.c_str(), 0755) == 0;
  }
  ~CgroupFolder() { Remove(); }
  CgroupFolder(const CgroupFolder&) = delete;
  CgroupFolder& operator=(const CgroupFolder&) = delete;
  bool is_made() const { return is_made_; }
  const std::string& path() const { return path_; }
  UniqueFd Open() const { return OpenFolder(path_); }
  void Remove() {
    if (is_made_) ::rmdir(path_.c_str());
    is_made_ = false;
  }

 private:
  std::string path_;
  bool is_made_ = false;
};

}  // namespace strata::testing
