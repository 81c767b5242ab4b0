// Maps whose elements are programs or maps, seen from the loader.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "objects.h"
#include "strata/backend/userspace/runtime/resolved_objects.h"
#include "strata/spec/type_names.h"

namespace strata::userspace {
namespace {

// MapHeader::kind_state of a prog array.
constexpr std::size_t kOwner = 0;  // type + 1 of the first program that used or entered it, and its attach type

std::uint64_t OwnerOf(const TailCallTraits& program) {
  const auto attach_type =
      program.attach_type == AttachType::kNone ? 0U : static_cast<std::uint32_t>(program.attach_type);
  return std::uint64_t{attach_type} << 32 | (static_cast<std::uint32_t>(program.type) + 1);
}

// A lock of its own tells handles from what else keeps the file: programs that use the map, and agents' views of it.
int LockHandles(int fd, int command, short type) {
  struct flock handles {};
  handles.l_type = type;
  handles.l_whence = SEEK_SET;
  handles.l_len = 1;
  return ::fcntl(fd, command, &handles) == 0 ? handles.l_type : F_RDLCK;
}

std::string Text(std::span<const std::byte> key) { return {reinterpret_cast<const char*>(key.data()), key.size()}; }

}  // namespace

bool ClaimProgArray(runtime::MapView& array, const TailCallTraits& program) {
  if (program.overrides_return) return false;
  std::uint64_t owner = 0;
  const std::uint64_t wanted = OwnerOf(program);
  return __atomic_compare_exchange_n(&array.header->kind_state[kOwner], &owner, wanted, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE) ||
         owner == wanted;
}

// Stores the id and keeps the object for as long as it is there.
Result<void> UserspaceMap::Hold(std::span<const std::byte> key, std::uint32_t id, std::shared_ptr<void> held) {
  const std::lock_guard lock(object_->held_mutex);
  const long error = view_->ops->copy_in(*view_, key.data(), &id, 0);
  if (error != 0) return Failed(error, "update");
  object_->held[Text(key)].swap(held);  // the old one goes behind the lock
  return {};
}

void UserspaceMap::Drop(std::span<const std::byte> key) {
  std::shared_ptr<void> held;
  const std::lock_guard lock(object_->held_mutex);
  const auto found = object_->held.find(Text(key));
  if (found == object_->held.end()) return;
  held = std::move(found->second);
  object_->held.erase(found);
}

Result<void> UserspaceMap::UpdateProgram(std::span<const std::byte> key,
                                         const std::shared_ptr<BackendProgram>& program) {
  const auto* stored = dynamic_cast<const UserspaceProgram*>(program.get());
  if (info_.type != MapType::kProgArray || stored == nullptr || stored->shared().get() != shared()) {
    return BackendMap::UpdateProgram(key, program);
  }
  STRATA_TRY(CheckSizes(key, info_.element_size, "update"));
  STRATA_TRY(CheckWritable("update"));
  std::uint32_t index;
  std::memcpy(&index, key.data(), sizeof(index));
  if (index >= info_.max_entries) return Failed(-E2BIG, "update");
  if (stored->info().type == ProgramType::kExt || !ClaimProgArray(*view_, stored->tail_call_traits())) {
    return Failed(-EINVAL, "storing program " + stored->info().name)
        .WithContext(fmt::format(
            "program {} is of type {}, and it takes programs of one type and attach type only, those of its users",
            stored->info().name, ProgramTypeName(stored->info().type)));
  }
  return Hold(key, stored->info().id, stored->object());
}

Result<void> UserspaceMap::UpdateMap(std::span<const std::byte> key, const std::shared_ptr<BackendMap>& map) {
  const auto* stored = dynamic_cast<const UserspaceMap*>(map.get());
  if ((view_->ops->traits & runtime::map_traits::kHoldsMaps) == 0 || stored == nullptr ||
      stored->shared() != shared()) {
    return BackendMap::UpdateMap(key, map);
  }
  STRATA_TRY(CheckSizes(key, info_.element_size, "update"));
  STRATA_TRY(CheckWritable("update"));
  std::uint32_t index = 0;
  if (info_.type == MapType::kArrayOfMaps) std::memcpy(&index, key.data(), sizeof(index));
  if (info_.type == MapType::kArrayOfMaps && index >= info_.max_entries) return Failed(-E2BIG, "update");
  if (!runtime::IsInnerMap(view_->inner, runtime::AsInnerMap(stored->view()))) {
    return Failed(-EINVAL, "storing map " + stored->info().name)
        .WithContext("the map differs from the template of its inner maps");
  }
  return Hold(key, stored->info().id, stored->object());
}

void MapObject::TakeHandle() const { LockHandles(file.fd.get(), F_OFD_SETLK, F_RDLCK); }

bool MapObject::DropHandle() const {
  LockHandles(file.fd.get(), F_OFD_SETLK, F_UNLCK);
  struct stat status {};
  const bool is_pinned = ::fstat(file.fd.get(), &status) == 0 && status.st_nlink > 1;
  return !is_pinned && LockHandles(file.fd.get(), F_OFD_GETLK, F_WRLCK) == F_UNLCK;
}

// As the kernel does when nobody has a handle or pin of the array any more, so that programs in it that use it do not
// keep one another (bpf_fd_array_map_clear). Only what this loader put in, and has not been replaced since.
void UserspaceMap::EmptyPrograms() {
  if (!owner_.IsCaller()) return;  // a forked child's copy: the lock is its parent's
  const bool is_last = object_->DropHandle();
  std::map<std::string, std::shared_ptr<void>> held;
  const std::lock_guard lock(object_->held_mutex);
  held.swap(object_->held);
  if (!is_last) return;
  for (const auto& [text, program] : held) {
    const void* key = text.data();
    std::uint32_t id = 0;
    const std::uint32_t own = static_cast<const ProgramObject*>(program.get())->id;
    if (view_->ops->copy_out(*view_, key, &id, 0) == 0 && id == own) view_->ops->erase(*view_, key);
  }
}

// What runs in this very process met in maps stays open for them: objects that refer to one another would do so until
// the session is closed. Left for a later occasion while a program runs.
void UserspaceMap::LetResolvedGo() {
  const std::unique_lock no_runs(object_->shared->runs, std::try_to_lock);
  if (!no_runs) return;
  runtime::Process& process = object_->shared->session->process();
  runtime::ForgetResolved(process);
  runtime::ReleaseForgotten(process);
}

}  // namespace strata::userspace
