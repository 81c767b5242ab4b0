// Feeds the runtime files of a registry that are damaged, and works on maps whose shared memory is changed under it.
//
// Input: a word that chooses the file, a part with changes (offset and byte, 5 bytes each), and a part with operations.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "fuzz/fuzz_input.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"
#include "strata/backend/userspace/runtime/session_view.h"

namespace strata::runtime {
namespace {

constexpr std::uint32_t kSlots = 2;
constexpr std::uint32_t kLargestElement = 256;

// A session folder with a root, which the process keeps; the files of one input come and go.
class Sandbox {
 public:
  Sandbox() {
    std::string pattern = "/dev/shm/strata-fuzz-XXXXXX";
    test::Require(::mkdtemp(pattern.data()) != nullptr, "a folder can be made");
    path_ = pattern;
    folder_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    RootHeader root{};
    root.magic = static_cast<std::uint32_t>(FileMagic::kRoot);
    root.version = kLayoutVersion;
    root.next_id = 1;
    root.slot_count = kSlots;
    root.slots_offset = kPageSize;
    root.file_size = kPageSize + kSlots * sizeof(SlotWord);
    const int fd = Make("root", root.file_size);
    Write(fd, &root, sizeof(root), 0);
    ::close(fd);
  }
  ~Sandbox() {
    for (const char* name : {"root", "map-1", "prog-2", "link-3"}) ::unlinkat(folder_, name, 0);
    ::close(folder_);
    ::rmdir(path_.c_str());
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  int folder() const { return folder_; }
  const std::string& path() const { return path_; }

  int Make(const char* name, std::uint64_t size) const {
    const int fd = ::openat(folder_, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    test::Require(fd >= 0 && ::ftruncate(fd, static_cast<off_t>(size)) == 0, "a file can be made");
    return fd;
  }
  static void Write(int fd, const void* bytes, std::size_t size, std::uint64_t offset) {
    test::Require(::pwrite(fd, bytes, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size), "it is written");
  }

 private:
  std::string path_;
  int folder_ = -1;
};

// Changes bytes in place; offsets count from the file's end where `from_end`.
void Damage(int fd, std::uint64_t size, std::span<const std::byte> changes) {
  for (std::size_t at = 0; size != 0 && at + 5 <= changes.size(); at += 5) {
    std::uint32_t offset = 0;
    std::memcpy(&offset, changes.data() + at, sizeof(offset));
    // Half of the changes hit the last page, where a map's header is.
    const std::uint64_t place =
        (offset & 1) != 0 && size >= kPageSize ? size - kPageSize + (offset >> 1) % 512 : (offset >> 1) % size;
    Sandbox::Write(fd, changes.data() + at + 4, 1, place);
  }
}

// Every operation of the kind, as programs and user space call them.
void Operate(MapView& map, std::span<const std::byte> operations) {
  alignas(8) std::array<std::byte, kLargestElement> key{};
  alignas(8) std::array<std::byte, kLargestElement> value{};
  alignas(8) std::array<std::byte, kLargestElement> next{};
  if (map.key_size > key.size() || ElementSize(map) > value.size()) return;
  const auto visit = [](const void*, void*, void* argument) noexcept -> long {
    return ++*static_cast<std::uint64_t*>(argument) > 100'000 ? 1 : 0;
  };
  for (const std::byte operation : operations) {
    key[0] = operation & std::byte{0x1f};
    std::uint64_t visited = 0;
    switch (std::to_integer<unsigned>(operation) >> 5) {
      case 0:
        map.ops->lookup(map, key.data(), 0);
        break;
      case 1:
        map.ops->update(map, key.data(), value.data(), 0, 0);
        break;
      case 2:
        map.ops->erase(map, key.data());
        break;
      case 3:
        map.ops->for_each(map, 0, visit, &visited);
        break;
      case 4:
        map.ops->copy_out(map, key.data(), value.data(), 0);
        break;
      case 5:
        map.ops->copy_in(map, key.data(), value.data(), 0);
        break;
      case 6:
        map.ops->take(map, key.data(), value.data(), 0);
        break;
      default:
        map.ops->next_key(map, key.data(), next.data());
        break;
    }
  }
}

// What producers do, and how a consumer looks.
void OperateRing(MapView& ring, std::span<const std::byte> operations) {
  const std::array<std::byte, 512> record{};
  for (const std::byte operation : operations) {
    const unsigned choice = std::to_integer<unsigned>(operation);
    OutputRecord(ring, record.data(), choice, 0);
    QueryRing(ring, choice & 3);
    if (HasData(ring)) IsNextRecordBusy(ring);
    if (void* payload = ReserveRecord(ring, std::uint64_t{choice} * 2); payload != nullptr)
      EndRecord(ring, payload, (choice & 1) != 0 ? RecordEnd::kSubmit : RecordEnd::kDiscard, 0);
  }
}

void OperateAny(MapView& map, std::span<const std::byte> operations) {
  (map.ops->traits & map_traits::kRing) != 0 ? OperateRing(map, operations) : Operate(map, operations);
}

void FuzzMap(const Sandbox& sandbox, Process& process, std::uint32_t choice, test::FuzzInput& input) {
  const MapKindTable kinds = MapKinds();
  MapAttributes attributes;
  attributes.type = kinds.rows[choice % kinds.count].type;
  const bool is_ring = (kinds.rows[choice % kinds.count].ops->traits & map_traits::kRing) != 0;
  attributes.key_size = is_ring ? 0 : 4;
  attributes.value_size = is_ring ? 0 : 8;
  attributes.max_entries = is_ring ? kPageSize : 16;
  attributes.possible_cpus = kSlots;
  MapGeometry geometry;
  if (ComputeGeometry(attributes, &geometry) != 0) return;
  const int fd = sandbox.Make("map-1", geometry.file_size);
  MapIdentity identity;
  identity.id = 1;
  MapView* map = nullptr;
  if (CreateMap(process, fd, attributes, geometry, identity, &map, nullptr) == 0) {
    std::array<std::byte, 64> fill{};
    for (std::size_t i = 0; i < fill.size(); ++i) fill[i] = static_cast<std::byte>(0x20 | (i & 0x1f));  // updates
    OperateAny(*map, fill);
    Damage(fd, geometry.file_size, input.TakePart());
    OperateAny(*map, input.rest());
    ReleaseMap(map);
  }
  // And opened anew, as it is.
  if (OpenMap(process, fd, &map, nullptr) == 0) {
    OperateAny(*map, input.rest());
    ReleaseMap(map);
  }
  ::close(fd);
}

// A program of two instructions, or a link, with damage; never run, as code is only believed of its owner.
void FuzzProgram(const Sandbox& sandbox, Process& process, test::FuzzInput& input) {
  ProgramHeader header{};
  header.magic = static_cast<std::uint32_t>(FileMagic::kProgram);
  header.version = kLayoutVersion;
  header.image_abi = kImageAbi;
  header.id = 2;
  header.flags = program_flags::kInterpreted;
  header.instructions_offset = (sizeof(header) + 7) / 8 * 8;
  header.instruction_count = 2;
  header.image_offset = header.relocations_offset = header.maps_offset = header.instructions_offset + 16;
  header.file_size = header.maps_offset + 2 * sizeof(ProgramMap);
  const std::uint64_t code[2] = {0x00000007000000b7, 0x95};
  const int fd = sandbox.Make("prog-2", header.file_size);
  Sandbox::Write(fd, &header, sizeof(header), 0);
  Sandbox::Write(fd, code, sizeof(code), header.instructions_offset);
  const auto changes = input.TakePart();
  Damage(fd, header.file_size, changes);
  if (!input.rest().empty()) {
    const auto size = std::to_integer<std::uint64_t>(input.rest()[0]) * header.file_size / 255;
    test::Require(::ftruncate(fd, static_cast<off_t>(size)) == 0, "a file can be cut off");
  }
  ProgramInstance* program = nullptr;
  Reason reason;
  if (InstantiateProgram(process, sandbox.folder(), 2, &program, &reason) == 0) ReleaseProgram(program);
  ::close(fd);
}

void FuzzLink(const Sandbox& sandbox, test::FuzzInput& input) {
  LinkHeader header{};
  header.magic = static_cast<std::uint32_t>(FileMagic::kLink);
  header.version = kLayoutVersion;
  header.id = 3;
  header.counters_count = 1;
  header.counters_offset = (sizeof(header) + kCacheLine - 1) / kCacheLine * kCacheLine;
  header.config_offset = header.path_offset = header.plan_offset = sizeof(header);
  header.file_size = header.counters_offset + sizeof(LinkCounters);
  const int fd = sandbox.Make("link-3", header.file_size);
  Sandbox::Write(fd, &header, sizeof(header), 0);
  Damage(fd, header.file_size, input.TakePart());
  LinkView view;
  Reason reason;
  if (MapLinkFile(fd, 3, &view, &reason) == 0) {
    CountersOf(view, 0).run_count += 1;
    test::Require(std::strlen(view.path) < view.size_bytes, "the path ends in the file");
    UnmapLink(&view);
  }
  ::close(fd);
}

}  // namespace
}  // namespace strata::runtime

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace strata::runtime;
  static const Sandbox sandbox;
  strata::test::FuzzInput input(data, size);
  const std::uint32_t choice = input.TakeWord();
  Process* process = nullptr;
  strata::test::Require(OpenProcess(sandbox.path().c_str(), &process, nullptr) == 0, "the session opens");
  switch (choice & 3) {
    case 0:
      FuzzProgram(sandbox, *process, input);
      break;
    case 1:
      FuzzLink(sandbox, input);
      break;
    default:
      FuzzMap(sandbox, *process, choice >> 2, input);
      break;
  }
  CloseProcess(process);
  return 0;
}
