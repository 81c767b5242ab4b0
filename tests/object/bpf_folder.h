// A BPF file system of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace strata::testing {

class BpfFolder {
 public:
  BpfFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "strata-bpf-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) return;
    path_ = pattern;
    is_mounted_ = ::mount("bpf", path_.c_str(), "bpf", 0, nullptr) == 0;
  }
  ~BpfFolder() {
    if (is_mounted_ && ::umount(path_.c_str()) != 0) ADD_FAILURE() << "cannot unmount " << path_;
    ::rmdir(path_.c_str());
  }
  bool is_mounted() const { return is_mounted_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  // The names in a folder of it, sorted; without the iterators that the kernel puts there ("maps.debug").
  std::vector<std::string> Names(const std::string& folder = "") const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(Path(folder), error)) {
      if (entry.path().extension() != ".debug") names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
  bool is_mounted_ = false;
};

}  // namespace strata::testing
