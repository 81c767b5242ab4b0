// Where the kernel's structures that describe a task have their members: computed by the loader from the kernel's BTF,
// carried by each program that asks for the current task, and followed by the traced process, which reads no BTF.
#pragma once

#include <cstdint>

namespace strata::runtime {

enum class TaskObject : std::uint32_t {
#define STRATA_TASK_OBJECT(enumerator, name) enumerator,
#include "strata/backend/userspace/runtime/task_fields.def"
};

enum class TaskField : std::uint32_t {
#define STRATA_TASK_FIELD(enumerator, object, path, size) enumerator,
#include "strata/backend/userspace/runtime/task_fields.def"
};

struct TaskFieldRow {
  TaskObject object;
  std::uint32_t most_bytes;  // written there
  const char* path;
};
inline constexpr TaskFieldRow kTaskFieldRows[] = {
#define STRATA_TASK_FIELD(enumerator, object, path, size) {TaskObject::object, size, path},
#include "strata/backend/userspace/runtime/task_fields.def"
};
inline constexpr const char* kTaskObjectNames[] = {
#define STRATA_TASK_OBJECT(enumerator, name) name,
#include "strata/backend/userspace/runtime/task_fields.def"
};
inline constexpr std::uint32_t kTaskFieldCount = sizeof(kTaskFieldRows) / sizeof(kTaskFieldRows[0]);
inline constexpr std::uint32_t kTaskObjectCount = sizeof(kTaskObjectNames) / sizeof(kTaskObjectNames[0]);
inline constexpr std::uint32_t kMaxTaskObjectBytes = 1U << 16;

// A member's place in its structure; `size_bytes` is 0 for one that the kernel does not have.
struct TaskFieldPlace {
  std::uint32_t offset;
  std::uint32_t size_bytes;
};

// As it lies in a program's file.
struct TaskLayout {
  std::uint32_t object_bytes[kTaskObjectCount];  // 0 for a structure that the kernel does not have
  TaskFieldPlace fields[kTaskFieldCount];

  constexpr const TaskFieldPlace& place(TaskField field) const { return fields[static_cast<std::uint32_t>(field)]; }
};

}  // namespace strata::runtime
