#include "pin_transaction.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace strata {
namespace {

void MakeFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  // Whether it is there, and of the right kind, pinning will tell.
  if (slash != std::string::npos && slash > 0) ::mkdir(path.substr(0, slash).c_str(), 0700);
}

}  // namespace

// Names without a dot; those of two processes differ.
std::string PinTransaction::Entry::Staged() const { return fmt::format("{}__new_{}", path, ::getpid()); }
std::string PinTransaction::Entry::Backup() const { return fmt::format("{}__old_{}", path, ::getpid()); }

void PinTransaction::Add(Map* map, std::string path, PinPolicy policy) {
  entries_.push_back({map, std::move(path), policy});
}

Result<void> PinTransaction::Commit() {
  for (Entry& entry : entries_) {
    auto done = Stage(entry);
    if (!done) return RollBack(), std::move(done).error();
  }
  for (Entry& entry : entries_) {
    auto done = PutInPlace(entry);
    if (!done) return RollBack(), std::move(done).error();
  }
  RemoveBackups();
  for (Entry& entry : entries_) entry.map->pin_path_ = entry.path;
  entries_.clear();
  return {};
}

Result<void> PinTransaction::Stage(Entry& entry) {
  MakeFolderOf(entry.path);
  STRATA_TRY(entry.map->backend_map()->Pin(entry.Staged()));
  entry.is_staged = true;
  return {};
}

Result<void> PinTransaction::PutInPlace(Entry& entry) {
  const std::string what = fmt::format("map {}: pinning it at {}", entry.map->name(), entry.path);
  const bool may_replace = entry.policy == PinPolicy::kReplace;
  if (may_replace) {
    // A second name of the old pin, to go back to.
    entry.has_backup = ::link(entry.path.c_str(), entry.Backup().c_str()) == 0;
    if (!entry.has_backup && errno != ENOENT) return Error::FromErrno(errno, what);
  }
  const unsigned flags = may_replace ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, entry.Staged().c_str(), AT_FDCWD, entry.path.c_str(), flags) != 0) {
    const int rename_errno = errno;
    if (rename_errno != EEXIST) return Error::FromErrno(rename_errno, what);
    return Error(ErrorCode::kBusy, what + ": another process pinned something there meanwhile", EEXIST);
  }
  entry.is_staged = false;
  entry.is_in_place = true;
  return {};
}

void PinTransaction::RollBack() {
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->is_staged) ::unlink(entry->Staged().c_str());
    if (entry->is_in_place && !entry->has_backup) ::unlink(entry->path.c_str());
    if (entry->is_in_place && entry->has_backup) ::rename(entry->Backup().c_str(), entry->path.c_str());
    if (!entry->is_in_place && entry->has_backup) ::unlink(entry->Backup().c_str());
  }
  entries_.clear();
}

void PinTransaction::RemoveBackups() {
  for (const Entry& entry : entries_) {
    if (entry.has_backup) ::unlink(entry.Backup().c_str());
  }
}

}  // namespace strata
