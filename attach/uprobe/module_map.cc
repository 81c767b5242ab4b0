#include "strata/attach/uprobe/module_map.h"

#include "x86_64/system_calls.h"

namespace strata::attach {
namespace {

constexpr std::size_t kModuleMapSize = 1 << 20;  // address space; touched as far as needed
constexpr std::size_t kBufferSize = 8192;        // more than the longest line: PATH_MAX and six numbers

// One line: "begin-end rwxp offset major:minor inode   path".
class Line {
 public:
  explicit Line(const char* text) : at_(text) {}

  std::uint64_t Hex() { return Number(16); }
  std::uint64_t Decimal() { return Number(10); }
  char Next() { return *at_ == '\0' ? '\0' : *at_++; }
  const char* Rest() {
    while (*at_ == ' ') ++at_;
    return at_;
  }

 private:
  static int DigitOf(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    return 16;
  }
  std::uint64_t Number(int base) {
    std::uint64_t value = 0;
    while (*at_ == ' ') ++at_;
    for (; DigitOf(*at_) < base; ++at_)
      value = value * static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(DigitOf(*at_));
    return value;
  }
  const char* at_;
};

// st_dev of a device number as the C library's makedev builds it.
std::uint64_t MakeDevice(std::uint64_t major, std::uint64_t minor) {
  return ((major & 0xfffff000ULL) << 32) | ((major & 0xfffULL) << 8) | ((minor & 0xffffff00ULL) << 12) |
         (minor & 0xffULL);
}

Mapping ParseLine(const char* text) {
  Line line(text);
  Mapping mapping = {};
  mapping.begin = line.Hex();
  line.Next();
  mapping.end = line.Hex();
  line.Next();
  mapping.is_readable = line.Next() == 'r';
  mapping.is_writable = line.Next() == 'w';
  mapping.is_executable = line.Next() == 'x';
  mapping.is_shared = line.Next() == 's';
  mapping.file_offset = line.Hex();
  const std::uint64_t major = line.Hex();
  line.Next();
  mapping.device = MakeDevice(major, line.Hex());
  mapping.inode = line.Decimal();
  mapping.path = line.Rest();
  return mapping;
}

// Visits the whole lines in buffer[0, size) and returns how many bytes they took; `stop` is set when the visitor has
// enough.
std::size_t VisitLines(char* buffer, std::size_t size, MappingVisitor visit, void* argument, bool* stop) {
  std::size_t start = 0;
  for (std::size_t at = 0; at < size && !*stop; ++at) {
    if (buffer[at] != '\n') continue;
    buffer[at] = '\0';
    *stop = !visit(ParseLine(buffer + start), argument);
    start = at + 1;
  }
  return start;
}

bool TextEquals(const char* left, const char* right) {
  for (; *left == *right; ++left, ++right) {
    if (*left == '\0') return true;
  }
  return false;
}

std::size_t TextLength(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

// On btrfs and overlayfs a mapping's device is not what stat tells: there the path decides, if it still names that
// file.
bool IsSameFileByPath(const FilePlace& place) {
  sys::FileStatus status;
  if (place.path == nullptr || place.path[0] != '/' || sys::Stat(place.path, &status) != 0) return false;
  return status.device == place.device && status.inode == place.inode;
}

}  // namespace

int ForEachMapping(MappingVisitor visit, void* argument) noexcept {
  const int fd = sys::Open("/proc/self/maps", sys::kReadOnly);
  if (fd < 0) return -fd;
  char buffer[kBufferSize];
  std::size_t filled = 0;
  bool stop = false;
  long got = 0;
  while (!stop && filled < kBufferSize && (got = sys::Read(fd, buffer + filled, kBufferSize - filled)) > 0) {
    filled += static_cast<std::size_t>(got);
    const std::size_t used = VisitLines(buffer, filled, visit, argument, &stop);
    for (std::size_t i = used; i < filled; ++i) buffer[i - used] = buffer[i];
    filled -= used;
  }
  sys::Close(fd);
  return got < 0 ? static_cast<int>(-got) : 0;
}

struct ModuleMap::Row {
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t file_offset;
  std::uint64_t device;
  std::uint64_t inode;
  const char* path;
  bool is_code;
  bool is_data;
};

// Rows grow from the memory's start, paths from its end.
struct ModuleMap::Filling {
  ModuleMap* map;
  char* paths;
};

bool ModuleMap::Add(const Mapping& mapping, void* argument) {
  auto& filling = *static_cast<Filling*>(argument);
  ModuleMap& map = *filling.map;
  const bool is_data = mapping.is_writable && !mapping.is_shared;
  if ((!mapping.is_executable && !is_data) || mapping.inode == 0) return true;
  const std::size_t length = TextLength(mapping.path) + 1;
  Row* row = map.rows_ + map.count_;
  if (reinterpret_cast<char*>(row + 1) + length > filling.paths) {
    map.error_ = sys::kEnomem;
    return false;
  }
  filling.paths -= length;
  for (std::size_t i = 0; i < length; ++i) filling.paths[i] = mapping.path[i];
  *row = {mapping.begin, mapping.end,   mapping.file_offset,   mapping.device,
          mapping.inode, filling.paths, mapping.is_executable, is_data};
  ++map.count_;
  return true;
}

ModuleMap::ModuleMap() noexcept : size_bytes_(kModuleMapSize) {
  const long mapped = sys::Mmap(0, size_bytes_, sys::kProtectRead | sys::kProtectWrite, sys::kMapNoReserve);
  if (sys::IsError(mapped)) {
    error_ = static_cast<int>(-mapped);
    return;
  }
  rows_ = reinterpret_cast<Row*>(mapped);
  Filling filling = {this, reinterpret_cast<char*>(mapped) + size_bytes_};
  const int error = ForEachMapping(Add, &filling);
  if (error != 0) error_ = error;
}

ModuleMap::~ModuleMap() {
  if (rows_ != nullptr) sys::Raw(sys::Call::kMunmap, sys::Wide(rows_), size_bytes_);
}

std::size_t ModuleMap::FindBy(bool by_path, Use use, const FilePlace& place, std::uint64_t* addresses,
                              std::size_t capacity) const noexcept {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Row& row = rows_[i];
    if (use == Use::kCode ? !row.is_code : !row.is_data) continue;
    const bool is_file =
        by_path ? TextEquals(row.path, place.path) : row.inode == place.inode && row.device == place.device;
    if (!is_file || place.file_offset < row.file_offset || place.file_offset - row.file_offset >= row.end - row.begin)
      continue;
    if (found < capacity) addresses[found] = row.begin + (place.file_offset - row.file_offset);
    ++found;
  }
  return found;
}

std::size_t ModuleMap::Find(Use use, const FilePlace& place, std::uint64_t* addresses,
                            std::size_t capacity) const noexcept {
  const std::size_t found = FindBy(false, use, place, addresses, capacity);
  if (found != 0 || place.path == nullptr || FindBy(true, use, place, addresses, 0) == 0 || !IsSameFileByPath(place))
    return found;
  return FindBy(true, use, place, addresses, capacity);
}

std::size_t ModuleMap::Find(const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) const noexcept {
  return Find(Use::kCode, place, addresses, capacity);
}

std::size_t ModuleMap::FindData(const FilePlace& place, std::uint64_t* addresses, std::size_t capacity) const noexcept {
  return Find(Use::kData, place, addresses, capacity);
}

}  // namespace strata::attach
