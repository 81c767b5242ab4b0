#include "collector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "folder.h"
#include "strata/backend/userspace/runtime/mapped_files.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/runtime/sys.h"

namespace strata::userspace {
namespace {

constexpr int kCollectorAttempts = 1000;  // a millisecond each: another collector may be at work, or stopped

// Only one collector at a time works on a session: two would each take what the other has locked for held. The lock is
// the folder's own. Empty when another keeps it, which then collects.
UniqueFd LockCollector(int folder_fd) {
  UniqueFd own(::openat(folder_fd, ".", kFolderFlags));
  for (int attempt = 0; own && attempt < kCollectorAttempts; ++attempt) {
    if (::flock(own.get(), LOCK_EX | LOCK_NB) == 0) return own;
    ::usleep(1000);
  }
  return {};
}

// The root's words for telling agents; nothing where the file is no root.
class RootWords {
 public:
  explicit RootWords(int folder_fd) {
    const UniqueFd fd(::openat(folder_fd, runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_size < static_cast<off_t>(runtime::kPageSize)) return;
    const long memory = runtime::MapShared(nullptr, runtime::kPageSize, PROT_READ | PROT_WRITE, fd.get());
    if (!runtime::sys::IsError(memory)) process_.root = reinterpret_cast<runtime::RootHeader*>(memory);
  }
  ~RootWords() {
    if (process_.root != nullptr) runtime::UnmapShared(process_.root, runtime::kPageSize);
  }
  RootWords(const RootWords&) = delete;
  RootWords& operator=(const RootWords&) = delete;

  runtime::RootHeader* get() const { return process_.root; }
  void Begin() {
    if (process_.root != nullptr) runtime::BeginPublish(process_);
  }
  void End() {
    if (process_.root != nullptr) runtime::EndPublish(process_);
  }

 private:
  runtime::Process process_{};
};

// A file, mapped for as long as a few words of it are read or changed.
template <typename Header>
class MappedHeader {
 public:
  MappedHeader(int fd, runtime::FileMagic magic) {
    struct stat status {};
    if (::fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(Header))) return;
    size_ = static_cast<std::size_t>(status.st_size);
    const long memory = runtime::MapShared(nullptr, size_, PROT_READ | PROT_WRITE, fd);
    if (runtime::sys::IsError(memory)) return;
    header_ = reinterpret_cast<Header*>(memory);
    is_valid_ = header_->magic == static_cast<std::uint32_t>(magic) && header_->version == runtime::kLayoutVersion;
  }
  ~MappedHeader() {
    if (header_ != nullptr) runtime::UnmapShared(header_, size_);
  }
  MappedHeader(const MappedHeader&) = delete;
  MappedHeader& operator=(const MappedHeader&) = delete;

  Header* get() const { return is_valid_ ? header_ : nullptr; }
  std::size_t size() const { return size_; }

 private:
  Header* header_ = nullptr;
  std::size_t size_ = 0;
  bool is_valid_ = false;
};

UniqueFd OpenWritable(int folder_fd, ObjectId object) {
  return UniqueFd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

// The counters of a link's file, added up; zero where they would lie outside of it.
runtime::LinkCounters CountsOf(const runtime::LinkHeader* link, std::size_t size) {
  runtime::LinkCounters sum{};
  const std::uint64_t offset = link->counters_offset;
  const std::uint64_t count = link->counters_count;
  if (offset % runtime::kCacheLine != 0 || offset > size || count > (size - offset) / sizeof(runtime::LinkCounters))
    return sum;
  const auto* lines = reinterpret_cast<const runtime::LinkCounters*>(reinterpret_cast<const std::byte*>(link) + offset);
  for (std::uint64_t i = 0; i < count; ++i) {
    sum.run_count += __atomic_load_n(&lines[i].run_count, __ATOMIC_RELAXED);
    sum.run_ticks += __atomic_load_n(&lines[i].run_ticks, __ATOMIC_RELAXED);
    sum.missed_count += __atomic_load_n(&lines[i].missed_count, __ATOMIC_RELAXED);
  }
  return sum;
}

void Add(const runtime::LinkCounters& counts, runtime::ProgramHeader* program) {
  __atomic_fetch_add(&program->run_count, counts.run_count, __ATOMIC_RELAXED);
  __atomic_fetch_add(&program->run_ticks, counts.run_ticks, __ATOMIC_RELAXED);
  __atomic_fetch_add(&program->missed_count, counts.missed_count, __ATOMIC_RELAXED);
}

// The flags that stats files ask for which somebody holds.
std::uint32_t WantedStats(int folder_fd) {
  std::uint32_t flags = 0;
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kStats) continue;
    const UniqueFd fd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    runtime::StatsRecord record{};
    if (!fd || !runtime::IsAlive(fd.get()) || ::pread(fd.get(), &record, sizeof(record), 0) != sizeof(record)) continue;
    if (record.magic == static_cast<std::uint32_t>(runtime::FileMagic::kStats)) flags |= record.flags;
  }
  return flags & (runtime::link_flags::kCounted | runtime::link_flags::kTimed);
}

// --- Mark and sweep ----------------------------------------------------------------------------------------------

struct Candidate {
  UniqueFd lock;  // exclusive
};

// Why an object stays.
struct Mark {
  bool is_root = false;
  ObjectId by;
};

class Collector {
 public:
  Collector(int folder_fd, const std::string& folder) : folder_fd_(folder_fd), folder_(folder) {}

  // The objects that nothing keeps, locked. Order matters: whoever makes a reference to an object holds its lock, so
  // once a candidate is locked no new reference to it can appear, and those that exist are seen by what is read later.
  void Find() {
    LockCandidates();
    MarkRoots();
    while (!queue_.empty()) {
      const ObjectId object = queue_.front();
      queue_.pop_front();
      MarkReferences(object);
    }
  }

  bool IsGarbage(ObjectId object) const { return candidates_.contains(object) && !marks_.contains(object); }
  const std::map<ObjectId, Mark>& marks() const { return marks_; }
  const std::map<ObjectId, Candidate>& candidates() const { return candidates_; }
  bool was_short_of_descriptors() const { return was_short_of_descriptors_; }

  // Links first, so that no agent starts to use what goes.
  std::size_t Remove() {
    removed_ = 0;
    std::vector<ObjectId> garbage;
    for (const auto& [object, unused] : candidates_) {
      if (IsGarbage(object)) garbage.push_back(object);
    }
    const auto end_of_links = std::stable_partition(garbage.begin(), garbage.end(),
                                                    [](ObjectId object) { return object.kind == ObjectKind::kLink; });
    if (end_of_links != garbage.begin()) {
      RootWords root(folder_fd_);
      root.Begin();
      for (auto link = garbage.begin(); link != end_of_links; ++link) RemoveLink(*link);
      root.End();
    }
    bool had_stats = false;
    for (auto object = end_of_links; object != garbage.end(); ++object) {
      had_stats = had_stats || object->kind == ObjectKind::kStats;
      Unlink(*object);
    }
    if (had_stats) ApplyStats(folder_fd_);
    return removed_;
  }

 private:
  void LockCandidates() {
    for (const ObjectId object : ObjectsIn(folder_fd_)) {
      errno = 0;
      UniqueFd lock = LockDead(folder_fd_, FileNameOf(object));
      if (lock) {
        candidates_.emplace(object, Candidate{std::move(lock)});
      } else if (errno == EMFILE) {
        was_short_of_descriptors_ = true;
      }
    }
  }

  void MarkRoots() {
    if (candidates_.empty()) return;
    for (const ObjectId object : ObjectsIn(folder_fd_)) {
      if (!candidates_.contains(object)) AddMark(object, {.is_root = true, .by = {}});
    }
  }

  void AddMark(ObjectId object, Mark mark) {
    if (marks_.emplace(object, mark).second) queue_.push_back(object);
  }

  void MarkReferences(ObjectId object) {
    const References references = ReferencesOf(folder_fd_, object);
    for (const ObjectId other : references.fixed) AddMark(other, {.is_root = false, .by = object});
    if (!references.holds) return;
    const auto contents = ContentsOf(folder_, object.id, *references.holds);
    if (contents) {
      for (const ObjectId other : *contents) AddMark(other, {.is_root = false, .by = object});
      return;
    }
    // What it holds is not known, so all that it might hold stays this time.
    for (const auto& [other, unused] : candidates_) {
      if (other.kind == *references.holds) AddMark(other, {.is_root = false, .by = object});
    }
  }

  void RemoveLink(ObjectId link) {
    if (const UniqueFd fd = OpenWritable(folder_fd_, link)) {
      const MappedHeader<runtime::LinkHeader> header(fd.get(), runtime::FileMagic::kLink);
      if (header.get() != nullptr) __atomic_store_n(&header.get()->enabled, 0U, __ATOMIC_SEQ_CST);
    }
    SumLink(folder_fd_, link);
    Unlink(link);
    RemoveInstances(folder_fd_, link.id);
  }

  void Unlink(ObjectId object) {
    if (::unlinkat(folder_fd_, FileNameOf(object).c_str(), 0) == 0) ++removed_;
  }

  int folder_fd_;
  const std::string& folder_;
  std::map<ObjectId, Candidate> candidates_;
  std::map<ObjectId, Mark> marks_;
  std::deque<ObjectId> queue_;
  bool was_short_of_descriptors_ = false;
  std::size_t removed_ = 0;
};

// Instance records of links that are gone. "instance-<link>-<pid>"
void CollectInstances(int folder_fd) {
  const UniqueFd instances = OpenInstanceFolder(folder_fd);
  for (const std::string& name : NamesIn(instances.get(), runtime::kInstancePrefix)) {
    const std::string link = name.substr(std::strlen(runtime::kInstancePrefix));
    const std::string link_file = runtime::kLinkPrefix + link.substr(0, link.find('-'));
    if (::faccessat(folder_fd, link_file.c_str(), F_OK, 0) != 0 && errno == ENOENT)
      ::unlinkat(instances.get(), name.c_str(), 0);
  }
}

// Functions that nobody serves any more.
void CollectFunctions(int folder_fd) {
  for (const std::string& name : NamesIn(folder_fd, runtime::kFunctionPrefix)) {
    const UniqueFd locked = LockDead(folder_fd, name);
    if (locked) ::unlinkat(folder_fd, name.c_str(), 0);
  }
}

// --- What becomes of objects, for people ---------------------------------------------------------------------------

SessionObject Describe(int folder_fd, ObjectId object) {
  SessionObject described;
  described.kind = RowOf(object.kind).name;
  described.id = object.id;
  const UniqueFd fd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (fd && ::fstat(fd.get(), &status) == 0)
    described.memory_bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;
  if (const auto identity = fd ? IdentityAs(fd.get(), object.kind) : std::nullopt) described.name = identity->name;
  return described;
}

std::string WhyRoot(int folder_fd, ObjectId object, const std::vector<FileBelow>& pins) {
  struct stat status {};
  if (::fstatat(folder_fd, FileNameOf(object).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return "it went meanwhile";
  if (status.st_nlink < 2) return "a process holds it";
  const auto pin =
      std::find_if(pins.begin(), pins.end(), [&](const FileBelow& file) { return file.inode == status.st_ino; });
  if (pin == pins.end()) return "its file has a name elsewhere";
  return "pinned at " + pin->path;
}

void DescribeAll(int folder_fd, const Collector& collector, std::vector<SessionObject>* objects) {
  const std::vector<FileBelow> pins = FilesBelow(folder_fd, runtime::kPinnedFolder);
  std::vector<ObjectId> all = ObjectsIn(folder_fd);
  std::sort(all.begin(), all.end());
  for (const ObjectId object : all) {
    SessionObject described = Describe(folder_fd, object);
    const auto mark = collector.marks().find(object);
    described.is_garbage = collector.IsGarbage(object);
    if (described.is_garbage) {
      described.reason = "nobody holds it, it is not pinned, and nothing that is refers to it";
    } else if (mark == collector.marks().end() || mark->second.is_root) {
      described.reason = WhyRoot(folder_fd, object, pins);
    } else {
      described.reason = TextOf(mark->second.by) + " uses it";
    }
    objects->push_back(std::move(described));
  }
}

// --- Sessions ----------------------------------------------------------------------------------------------------

// What the root's first words say.
enum class RootKind { kNone, kOurs, kOtherVersion, kForeign };
RootKind ReadRoot(int fd, std::uint32_t* version) {
  std::uint32_t words[2] = {};
  if (::pread(fd, words, sizeof(words), 0) != static_cast<ssize_t>(sizeof(words))) return RootKind::kForeign;
  if (words[0] != static_cast<std::uint32_t>(runtime::FileMagic::kRoot)) return RootKind::kForeign;
  *version = words[1];
  return *version == runtime::kLayoutVersion ? RootKind::kOurs : RootKind::kOtherVersion;
}

// Root's sessions that are shared with us are root's to collect.
bool IsOwn(int folder_fd) {
  struct stat status {};
  return ::fstat(folder_fd, &status) == 0 && (status.st_uid == ::geteuid() || ::geteuid() == 0);
}

bool HoldsObjects(int folder_fd) {
  return !ObjectsIn(folder_fd).empty() || !FilesBelow(folder_fd, runtime::kPinnedFolder).empty();
}

void RemoveEmptyFolders(int at, const std::string& name) {
  const UniqueFd folder(::openat(at, name.c_str(), kFolderFlags));
  if (!folder) return;
  for (const std::string& entry : NamesIn(folder.get(), "")) RemoveEmptyFolders(folder.get(), entry);
  ::unlinkat(at, name.c_str(), AT_REMOVEDIR);
}

// What a session without loaders and objects may still hold.
void RemoveRemains(int folder_fd) {
  for (const char* prefix : {runtime::kInstancePrefix, ".instance-", "agent-", ".agent-", runtime::kFunctionPrefix}) {
    for (const std::string& name : NamesIn(folder_fd, prefix)) ::unlinkat(folder_fd, name.c_str(), 0);
  }
  if (const UniqueFd instances{::openat(folder_fd, runtime::kInstanceFolder, kFolderFlags)}) {
    for (const std::string& name : NamesIn(instances.get(), "")) ::unlinkat(instances.get(), name.c_str(), 0);
  }
  RemoveEmptyFolders(folder_fd, runtime::kInstanceFolder);
  RemoveEmptyFolders(folder_fd, runtime::kPinnedFolder);
  ::unlinkat(folder_fd, runtime::kSharingFile, 0);
  ::unlinkat(folder_fd, runtime::kLogFile, 0);
  ::unlinkat(folder_fd, runtime::kRootFile, 0);
}

}  // namespace

UniqueFd LockDead(int folder_fd, const std::string& name) {
  UniqueFd fd(::openat(folder_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) return {};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  // It may have been pinned or unlinked before the lock was ours.
  if (::fstat(fd.get(), &status) != 0 || status.st_nlink != 1) return {};
  return fd;
}

std::set<ObjectId> GarbageIn(int folder_fd, const std::string& folder) {
  std::set<ObjectId> garbage;
  const UniqueFd lock = LockCollector(folder_fd);
  if (!lock) return garbage;
  Collector collector(folder_fd, folder);
  collector.Find();
  for (const auto& [object, unused] : collector.candidates()) {
    if (collector.IsGarbage(object)) garbage.insert(object);
  }
  return garbage;
}

void CollectIn(int folder_fd, const std::string& folder, Sweep sweep, std::vector<SessionObject>* objects) {
  const UniqueFd lock = LockCollector(folder_fd);
  if (!lock) return;
  for (bool is_done = false; !is_done;) {
    Collector collector(folder_fd, folder);
    collector.Find();
    if (objects != nullptr) {
      std::erase_if(*objects, [](const SessionObject& object) { return !object.is_garbage; });  // of the last round
      DescribeAll(folder_fd, collector, objects);
    }
    is_done = sweep == Sweep::kDryRun || collector.Remove() == 0 || !collector.was_short_of_descriptors();
  }
  if (sweep != Sweep::kRemove) return;
  CollectInstances(folder_fd);
  CollectFunctions(folder_fd);
}

SessionReport CollectSession(int runtime_fd, const std::string& runtime_folder, const std::string& name, Sweep sweep) {
  SessionReport report;
  report.session = name;
  const UniqueFd folder(::openat(runtime_fd, name.c_str(), kFolderFlags));
  if (!folder) return report.untouched = "is no folder", report;
  if (const auto checked = CheckFolder(folder.get(), name, 0); !checked)
    return report.untouched = checked.error().message(), report;
  if (!IsOwn(folder.get())) return report.untouched = "belongs to another user", report;
  const UniqueFd root(::openat(folder.get(), runtime::kRootFile, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (root) {
    std::uint32_t version = 0;
    const RootKind kind = ReadRoot(root.get(), &version);
    if (kind == RootKind::kForeign) return report.untouched = "is no session", report;
    if (kind == RootKind::kOtherVersion)
      return report.untouched = fmt::format("has layout version {}, this is {}", version, runtime::kLayoutVersion),
             report;
    CollectIn(folder.get(), runtime_folder + "/" + name, sweep, &report.objects);
    const bool is_open = ::flock(root.get(), LOCK_EX | LOCK_NB) != 0;
    if (is_open) report.kept = "a loader has it open";
    if (!is_open && HoldsObjects(folder.get())) report.kept = "objects live in it";
    if (sweep == Sweep::kDryRun || is_open || IsUnlinked(root.get()) || HoldsObjects(folder.get())) return report;
    RemoveRemains(folder.get());
  } else if (sweep == Sweep::kDryRun) {
    return report;
  }
  report.is_removed = ::unlinkat(runtime_fd, name.c_str(), AT_REMOVEDIR) == 0;  // one that is just being filled stays
  if (!root && !report.is_removed) report.untouched = "is no session";
  return report;
}

void SumLink(runtime::LinkHeader* link, std::size_t link_size, int program_fd) {
  const MappedHeader<runtime::ProgramHeader> program(program_fd, runtime::FileMagic::kProgram);
  if (program.get() == nullptr || __atomic_exchange_n(&link->is_summed, 1U, __ATOMIC_ACQ_REL) != 0) return;
  Add(CountsOf(link, link_size), program.get());
}

void AddRuns(int program_fd, const runtime::LinkCounters& counts) {
  const MappedHeader<runtime::ProgramHeader> program(program_fd, runtime::FileMagic::kProgram);
  if (program.get() != nullptr) Add(counts, program.get());
}

void SumLink(int folder_fd, ObjectId object) {
  const UniqueFd fd = OpenWritable(folder_fd, object);
  if (!fd) return;
  const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
  if (link.get() == nullptr) return;
  const UniqueFd program = OpenWritable(folder_fd, {ObjectKind::kProgram, link.get()->program_id});
  if (program) SumLink(link.get(), link.size(), program.get());
}

runtime::LinkCounters CountsOfLinks(int folder_fd, std::uint32_t program_id, std::span<const std::uint32_t> without) {
  runtime::LinkCounters sum{};
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kLink) continue;
    if (std::find(without.begin(), without.end(), object.id) != without.end()) continue;
    const UniqueFd fd = OpenWritable(folder_fd, object);
    if (!fd) continue;
    const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
    if (link.get() == nullptr || link.get()->program_id != program_id ||
        __atomic_load_n(&link.get()->is_summed, __ATOMIC_ACQUIRE) != 0)
      continue;
    const runtime::LinkCounters counts = CountsOf(link.get(), link.size());
    sum.run_count += counts.run_count;
    sum.run_ticks += counts.run_ticks;
    sum.missed_count += counts.missed_count;
  }
  return sum;
}

void ApplyStats(int folder_fd) {
  const std::uint32_t wanted = WantedStats(folder_fd);
  const RootWords root(folder_fd);
  if (root.get() != nullptr) __atomic_store_n(&root.get()->stats_flags, wanted, __ATOMIC_SEQ_CST);
  for (const ObjectId object : ObjectsIn(folder_fd)) {
    if (object.kind != ObjectKind::kLink) continue;
    const UniqueFd fd = OpenWritable(folder_fd, object);
    if (!fd) continue;
    const MappedHeader<runtime::LinkHeader> link(fd.get(), runtime::FileMagic::kLink);
    if (link.get() != nullptr) __atomic_store_n(&link.get()->flags, wanted, __ATOMIC_RELAXED);
  }
}

void RemoveInstances(int folder_fd, std::uint32_t link_id) {
  const std::string prefix = fmt::format("{}{}-", runtime::kInstancePrefix, link_id);
  const UniqueFd instances = OpenInstanceFolder(folder_fd);
  for (const std::string& name : NamesIn(instances.get(), prefix)) ::unlinkat(instances.get(), name.c_str(), 0);
}

}  // namespace strata::userspace
