#include "library_search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace strata {
namespace {

constexpr int kDeepestInclude = 8;

bool IsRegularFile(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool IsSameFile(const std::string& left, const std::string& right) {
  struct stat a {};
  struct stat b {};
  return ::stat(left.c_str(), &a) == 0 && ::stat(right.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

// ld.so.conf: one folder a line, "include PATTERN", comments after '#'.
void ReadLoaderConfiguration(const std::string& path, int depth, std::vector<std::string>* folders) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    if (word != "include") {
      folders->push_back(word);
      continue;
    }
    if (depth >= kDeepestInclude || !(words >> word)) continue;
    glob_t matches{};
    if (::glob(word.c_str(), 0, nullptr, &matches) == 0) {
      for (std::size_t i = 0; i < matches.gl_pathc; ++i) {
        ReadLoaderConfiguration(matches.gl_pathv[i], depth + 1, folders);
      }
    }
    ::globfree(&matches);
  }
}

std::vector<std::string> LibraryFolders() {
  std::vector<std::string> folders;
  ReadLoaderConfiguration("/etc/ld.so.conf", 0, &folders);
  for (const char* folder :
       {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}) {
    folders.emplace_back(folder);
  }
  return folders;
}

}  // namespace

std::string PathInProcess(std::int32_t pid, const std::string& path) {
  std::string through_root = fmt::format("/proc/{}/root{}", pid, path);
  // The plain path where it is the same file: it stays valid when the process ends.
  if (IsSameFile(through_root, path) || !IsRegularFile(through_root)) return path;
  return through_root;
}

Result<std::string> FindMappedFile(std::int32_t pid, std::string_view name) {
  const std::string maps_path = fmt::format("/proc/{}/maps", pid);
  std::ifstream maps(maps_path);
  if (!maps) return Error(ErrorCode::kNotFound, fmt::format("process {}: does not exist or may not be inspected", pid));
  std::string line;
  while (std::getline(maps, line)) {
    const std::size_t start = line.find('/');
    if (start == std::string::npos) continue;
    const std::string path = line.substr(start);
    const std::string_view base = std::string_view(path).substr(path.rfind('/') + 1);
    if (base == name) return PathInProcess(pid, path);
  }
  return Error(ErrorCode::kNotFound, fmt::format("process {}: has not mapped {}", pid, name));
}

Result<std::string> FindLibrary(std::string_view name) {
  const auto folders = LibraryFolders();
  for (const std::string& folder : folders) {
    std::string path = fmt::format("{}/{}", folder, name);
    if (IsRegularFile(path)) return path;
  }
  return Error(ErrorCode::kNotFound, fmt::format("library {}: not found in {}", name, fmt::join(folders, ", ")));
}

Result<std::string> FindProgramFile(std::string_view name, const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    std::string path = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    if (IsRegularFile(path) && ::access(path.c_str(), X_OK) == 0) return path;
  }
  return Error(ErrorCode::kNotFound, fmt::format("program {}: not found in {}", name, fmt::join(folders, ", ")));
}

}  // namespace strata
