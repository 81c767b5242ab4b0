// Which objects a session has, and which refer to which: what the collector follows.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/backend/userspace/runtime/layout.h"
#include "strata/base/result.h"
#include "strata/base/unique_fd.h"

namespace strata::userspace {

enum class ObjectKind : std::uint8_t { kMap, kProgram, kLink, kTypes, kStats };

struct ObjectId {
  ObjectKind kind = ObjectKind::kMap;
  std::uint32_t id = 0;
  auto operator<=>(const ObjectId&) const = default;
};

// One row per kind: how its files are called, and the object for people.
struct ObjectKindRow {
  ObjectKind kind;
  const char* prefix;
  const char* name;
};
std::span<const ObjectKindRow> ObjectKinds();
const ObjectKindRow& RowOf(ObjectKind kind);

std::string FileNameOf(ObjectId object);  // "map-7"
std::string TextOf(ObjectId object);      // "map 7"
std::optional<ObjectId> ObjectOfFile(std::string_view file_name);

// Those that have a file, in no order.
std::vector<ObjectId> ObjectsIn(int folder_fd);

// What a file's header says where it is one of an object of that kind and of this layout version: the object, and its
// name for people where it has one.
struct FileIdentity {
  ObjectId object;
  std::string name;
};
std::optional<FileIdentity> IdentityAs(int fd, ObjectKind kind);
// Whether the open file is the one that the object's name in the session stands for.
bool IsFileOf(int folder_fd, int fd, ObjectId object);
// Both, for any kind.
std::optional<FileIdentity> IdentifyFile(int folder_fd, int fd);

// What an object refers to. `fixed` never changes once its file has a name; what a map holds does.
struct References {
  std::vector<ObjectId> fixed;
  std::optional<ObjectKind> holds;  // a map whose values are objects of that kind
};
References ReferencesOf(int folder_fd, ObjectId object);

// What a map that holds objects holds now, through the operations of its kind. An error where it cannot be read.
Result<std::vector<ObjectId>> ContentsOf(const std::string& session_folder, std::uint32_t map_id, ObjectKind held);

// Remembers what the objects of a session refer to, so that closing many of them reads each file once. Thread-safe.
class ReferenceIndex {
 public:
  enum class Answer { kNo, kYes, kUnknown };  // unknown: there are maps that hold objects of that kind
  Answer IsReferenced(int folder_fd, ObjectId object);

 private:
  std::mutex mutex_;
  std::map<ObjectId, References> known_;
};

}  // namespace strata::userspace
