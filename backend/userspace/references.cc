#include "references.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "folder.h"
#include "strata/backend/userspace/runtime/map_view.h"

namespace strata::userspace {
namespace {

constexpr ObjectKindRow kKinds[] = {
    {ObjectKind::kMap, runtime::kMapPrefix, "map"},       {ObjectKind::kProgram, runtime::kProgramPrefix, "program"},
    {ObjectKind::kLink, runtime::kLinkPrefix, "link"},    {ObjectKind::kTypes, runtime::kTypesPrefix, "btf"},
    {ObjectKind::kStats, runtime::kStatsPrefix, "stats"},
};

// Kinds of map whose values are objects: user space reads the object's id from the first 4 bytes of a value. One row
// each.
struct HolderRow {
  MapType type;
  ObjectKind held;
};
constexpr HolderRow kHolders[] = {
    {MapType::kProgArray, ObjectKind::kProgram},
    {MapType::kArrayOfMaps, ObjectKind::kMap},
    {MapType::kHashOfMaps, ObjectKind::kMap},
};

template <typename T>
bool ReadAt(int fd, std::uint64_t offset, T* out) {
  return ::pread(fd, out, sizeof(T), static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof(T));
}

template <typename Header>
bool ReadHeaderAt(int fd, std::uint64_t offset, runtime::FileMagic magic, Header* out) {
  return ReadAt(fd, offset, out) && out->magic == static_cast<std::uint32_t>(magic) &&
         out->version == runtime::kLayoutVersion;
}

bool ReadMapHeader(int fd, runtime::MapHeader* out) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(runtime::kPageSize)) return false;
  return ReadHeaderAt(fd, static_cast<std::uint64_t>(status.st_size) - runtime::kPageSize, runtime::FileMagic::kMap,
                      out);
}

UniqueFd OpenObject(int folder_fd, ObjectId object) {
  return UniqueFd(::openat(folder_fd, FileNameOf(object).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

void AddTypes(std::uint32_t btf_id, References* references) {
  if (btf_id != 0) references->fixed.push_back({ObjectKind::kTypes, btf_id});
}

References ReferencesOfMap(int fd) {
  References references;
  runtime::MapHeader header;
  if (!ReadMapHeader(fd, &header)) return references;
  AddTypes(header.btf_id, &references);
  for (const HolderRow& row : kHolders) {
    if (row.type == header.type) references.holds = row.held;
  }
  return references;
}

References ReferencesOfProgram(int fd) {
  References references;
  runtime::ProgramHeader header;
  if (!ReadHeaderAt(fd, 0, runtime::FileMagic::kProgram, &header) || header.map_count > runtime::kMaxProgramMaps)
    return references;
  AddTypes(header.btf_id, &references);
  for (std::uint32_t i = 0; i < header.map_count; ++i) {
    runtime::ProgramMap map;
    if (!ReadAt(fd, header.maps_offset + i * std::uint64_t{sizeof(map)}, &map)) break;
    references.fixed.push_back({ObjectKind::kMap, map.id});
  }
  return references;
}

References ReferencesOfLink(int fd) {
  References references;
  runtime::LinkHeader header;
  if (ReadHeaderAt(fd, 0, runtime::FileMagic::kLink, &header))
    references.fixed.push_back({ObjectKind::kProgram, header.program_id});
  return references;
}

template <std::size_t size>
std::string TextIn(const char (&text)[size]) {
  return std::string(text, ::strnlen(text, size));
}

// The runtime's view of one session, for as long as a map of it is read.
class SessionReader {
 public:
  explicit SessionReader(const std::string& folder) {
    error_ = runtime::OpenProcess(folder.c_str(), &process_, &reason_);
    if (error_ == 0) folder_ = UniqueFd(::open(folder.c_str(), kFolderFlags));
  }
  ~SessionReader() {
    if (process_ != nullptr) runtime::CloseProcess(process_);
  }
  SessionReader(const SessionReader&) = delete;
  SessionReader& operator=(const SessionReader&) = delete;

  Result<runtime::MapView*> Open(std::uint32_t map_id) {
    runtime::MapView* map = nullptr;
    if (error_ == 0) error_ = runtime::OpenMapById(*process_, folder_.get(), map_id, &map, &reason_);
    if (error_ == 0) return map;
    return Error::FromErrno(static_cast<int>(-error_), static_cast<const char*>(reason_.text));
  }

 private:
  runtime::Process* process_ = nullptr;
  UniqueFd folder_;
  runtime::Reason reason_;
  long error_ = 0;
};

}  // namespace

std::span<const ObjectKindRow> ObjectKinds() { return kKinds; }

const ObjectKindRow& RowOf(ObjectKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::string FileNameOf(ObjectId object) { return RowOf(object.kind).prefix + std::to_string(object.id); }

std::string TextOf(ObjectId object) { return fmt::format("{} {}", RowOf(object.kind).name, object.id); }

std::optional<ObjectId> ObjectOfFile(std::string_view file_name) {
  for (const ObjectKindRow& row : kKinds) {
    if (const std::uint32_t id = IdInName(file_name, row.prefix); id != 0) return ObjectId{row.kind, id};
  }
  return std::nullopt;
}

std::vector<ObjectId> ObjectsIn(int folder_fd) {
  std::vector<ObjectId> objects;
  for (const std::string& name : NamesIn(folder_fd, "")) {
    if (const auto object = ObjectOfFile(name)) objects.push_back(*object);
  }
  return objects;
}

std::optional<FileIdentity> IdentityAs(int fd, ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kMap: {
      runtime::MapHeader map;
      if (ReadMapHeader(fd, &map)) return FileIdentity{{kind, map.id}, TextIn(map.name)};
      break;
    }
    case ObjectKind::kProgram: {
      runtime::ProgramHeader program;
      if (ReadHeaderAt(fd, 0, runtime::FileMagic::kProgram, &program))
        return FileIdentity{{kind, program.id}, TextIn(program.name)};
      break;
    }
    case ObjectKind::kLink: {
      runtime::LinkHeader link;
      if (ReadHeaderAt(fd, 0, runtime::FileMagic::kLink, &link))
        return FileIdentity{{kind, link.id}, TextIn(link.kind)};
      break;
    }
    case ObjectKind::kTypes: {
      runtime::TypesHeader types;
      if (ReadHeaderAt(fd, 0, runtime::FileMagic::kTypes, &types)) return FileIdentity{{kind, types.id}, ""};
      break;
    }
    case ObjectKind::kStats:
      break;
  }
  return std::nullopt;
}

bool IsFileOf(int folder_fd, int fd, ObjectId object) {
  struct stat own {};
  struct stat named {};
  return ::fstat(fd, &own) == 0 && ::fstatat(folder_fd, FileNameOf(object).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

std::optional<FileIdentity> IdentifyFile(int folder_fd, int fd) {
  for (const ObjectKindRow& row : kKinds) {
    auto identity = IdentityAs(fd, row.kind);
    if (identity && IsFileOf(folder_fd, fd, identity->object)) return identity;
  }
  return std::nullopt;
}

References ReferencesOf(int folder_fd, ObjectId object) {
  const UniqueFd fd = OpenObject(folder_fd, object);
  if (!fd) return {};
  switch (object.kind) {
    case ObjectKind::kMap:
      return ReferencesOfMap(fd.get());
    case ObjectKind::kProgram:
      return ReferencesOfProgram(fd.get());
    case ObjectKind::kLink:
      return ReferencesOfLink(fd.get());
    case ObjectKind::kTypes:
    case ObjectKind::kStats:
      break;
  }
  return {};
}

Result<std::vector<ObjectId>> ContentsOf(const std::string& session_folder, std::uint32_t map_id, ObjectKind held) {
  SessionReader reader(session_folder);
  runtime::MapView& map = *STRATA_TRY(reader.Open(map_id));
  std::vector<std::byte> key(map.key_size);
  std::vector<std::byte> next(map.key_size);
  std::vector<std::byte> value(std::max<std::size_t>(runtime::ElementSize(map), sizeof(std::uint32_t)));
  std::vector<ObjectId> contents;
  // Somebody may change the map meanwhile; a walk that its own end keeps running from is given up.
  const std::uint64_t most_steps = 2 * std::uint64_t{map.max_entries} + 64;
  for (std::uint64_t step = 0; step < most_steps; ++step) {
    const long error = map.ops->next_key(map, step == 0 ? nullptr : key.data(), next.data());
    if (error == -ENOENT) return contents;
    if (error != 0) break;
    key.swap(next);
    std::uint32_t id = 0;
    if (map.ops->copy_out(map, key.data(), value.data(), 0) != 0) continue;
    std::memcpy(&id, value.data(), sizeof(id));
    if (id != 0) contents.push_back({held, id});
  }
  return Error(ErrorCode::kBusy, fmt::format("map {}: changes faster than it can be read", map_id), EBUSY);
}

ReferenceIndex::Answer ReferenceIndex::IsReferenced(int folder_fd, ObjectId object) {
  const std::lock_guard lock(mutex_);
  std::map<ObjectId, References> now;
  Answer answer = Answer::kNo;
  for (const ObjectId other : ObjectsIn(folder_fd)) {
    if (other == object) continue;
    const auto found = known_.find(other);
    const References& references =
        now.emplace(other, found != known_.end() ? std::move(found->second) : ReferencesOf(folder_fd, other))
            .first->second;
    if (references.holds == object.kind && answer == Answer::kNo) answer = Answer::kUnknown;
    if (std::find(references.fixed.begin(), references.fixed.end(), object) != references.fixed.end())
      answer = Answer::kYes;
  }
  known_ = std::move(now);
  return answer;
}

}  // namespace strata::userspace
