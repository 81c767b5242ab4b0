#include "collector.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "folder.h"
#include "link_stats.h"
#include "mapped_header.h"

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

void RemoveInstances(int folder_fd, std::uint32_t link_id) {
  const std::string prefix = fmt::format("{}{}-", runtime::kInstancePrefix, link_id);
  const UniqueFd instances = OpenInstanceFolder(folder_fd);
  for (const std::string& name : NamesIn(instances.get(), prefix)) ::unlinkat(instances.get(), name.c_str(), 0);
}

}  // namespace strata::userspace
