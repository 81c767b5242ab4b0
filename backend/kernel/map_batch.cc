// Batches of elements by the kernel's own commands (Linux 5.6; per-CPU kinds 5.13).
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "map.h"
#include "strata/backend/map_errors.h"

namespace strata::kernel {
namespace {

constexpr int kNotSupportedErrno = 524;  // ENOTSUPP, the kernel's own
// Of hashes the number of a bucket, of other kinds a key.
constexpr std::size_t kLeastCursorSize = sizeof(std::uint32_t);

bool IsMissing(int sys_errno) {
  return sys_errno == EINVAL || sys_errno == kNotSupportedErrno || sys_errno == EOPNOTSUPP;
}

// The kernel writes the count back only once it has begun: what still is the number asked for means nothing was done.
std::uint32_t CountAfterError(std::uint32_t asked, std::uint32_t count) { return count < asked ? count : 0; }

}  // namespace

BatchResult KernelMap::LookupBatch(BatchCursor& cursor, BatchAction action, std::span<std::byte> keys,
                                   std::span<std::byte> values, LookupMode mode) {
  const bool is_possible = info_.key_size > 0 && (cursor.state == BatchCursor::State::kNative ||
                                                  (cursor.state == BatchCursor::State::kStart && !HasNoBatch(action)));
  if (!is_possible) return BackendMap::LookupBatch(cursor, action, keys, values, mode);
  std::vector<std::byte> next(std::max<std::size_t>(info_.key_size, kLeastCursorSize));
  const bool is_first = cursor.state == BatchCursor::State::kStart;
  BatchAttr attr;
  attr.in_batch = is_first ? 0 : AddressOf(cursor.position.data());
  attr.out_batch = AddressOf(next.data());
  attr.keys = AddressOf(keys.data());
  attr.values = AddressOf(values.data());
  const auto asked = static_cast<std::uint32_t>(keys.size() / info_.key_size);
  attr.count = asked;
  attr.map_fd = static_cast<std::uint32_t>(fd());
  attr.element_flags = static_cast<std::uint64_t>(mode);
  const Command command = action == BatchAction::kTake ? Command::kMapLookupAndDeleteBatch : Command::kMapLookupBatch;
  const long result = context_->Bpf(command, attr);
  const int error = result < 0 ? static_cast<int>(-result) : 0;
  if (is_first && IsMissing(error)) {
    if (mode == LookupMode::kPlain) NoteNoBatch(action);
    return BackendMap::LookupBatch(cursor, action, keys, values, mode);
  }
  if (error == 0 || error == ENOENT || (error == EINTR && attr.count > 0 && attr.count < asked)) {
    cursor.state = BatchCursor::State::kNative;
    cursor.position = std::move(next);
    cursor.is_at_end = error == ENOENT;
    return {attr.count, cursor.is_at_end, {}};
  }
  if (error == ENOSPC) {
    return {0, false,
            Error(ErrorCode::kNoSpace,
                  fmt::format("map {}: batch lookup: more than {} elements share a bucket of the hash and are read at "
                              "once; give room for more",
                              info_.name, asked),
                  ENOSPC)};
  }
  return {CountAfterError(asked, attr.count), false, Failed(error, "batch lookup")};
}

BatchResult KernelMap::ChangeBatch(Command command, std::span<const std::byte> keys, std::span<const std::byte> values,
                                   UpdateMode mode) {
  BatchAttr attr;
  attr.keys = AddressOf(keys.data());
  attr.values = AddressOf(values.data());
  const auto asked = static_cast<std::uint32_t>(keys.size() / info_.key_size);
  attr.count = asked;
  attr.map_fd = static_cast<std::uint32_t>(fd());
  attr.element_flags = static_cast<std::uint64_t>(mode);
  const long result = context_->Bpf(command, attr);
  if (result >= 0) return {asked, false, {}};
  const std::uint32_t count = CountAfterError(asked, attr.count);
  return {count, false,
          Failed(static_cast<int>(-result), command == Command::kMapUpdateBatch ? "batch update" : "batch delete")};
}

BatchResult KernelMap::UpdateBatch(std::span<const std::byte> keys, std::span<const std::byte> values,
                                   UpdateMode mode) {
  if (info_.key_size == 0) return BackendMap::UpdateBatch(keys, values, mode);
  BatchResult result = ChangeBatch(Command::kMapUpdateBatch, keys, values, mode);
  // Kernels take no mode but the lock here, and some kinds nothing at all.
  if (result || result.count > 0 || !IsMissing(result.error().sys_errno())) return result;
  return BackendMap::UpdateBatch(keys, values, mode);
}

BatchResult KernelMap::DeleteBatch(std::span<const std::byte> keys) {
  if (info_.key_size == 0) return BackendMap::DeleteBatch(keys);
  BatchResult result = ChangeBatch(Command::kMapDeleteBatch, keys, {}, UpdateMode::kAny);
  if (result || result.count > 0 || !IsMissing(result.error().sys_errno())) return result;
  return BackendMap::DeleteBatch(keys);
}

}  // namespace strata::kernel
