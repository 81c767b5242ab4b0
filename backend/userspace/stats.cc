// Statistics of programs, turned on in all links of a session while somebody asks for them.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "link_stats.h"
#include "objects.h"

namespace strata::userspace {
namespace {

class Guard : public StatsGuard {
 public:
  Guard(SharedPtr shared, ObjectFile file) : shared_(std::move(shared)), file_(std::move(file)) {}
  ~Guard() override {
    if (shared_->session->Close(std::move(file_))) ApplyStats(shared_->session->folder_fd());
  }

 private:
  SharedPtr shared_;
  ObjectFile file_;
};

}  // namespace

std::uint32_t StatsFlags(const Session& session) {
  return __atomic_load_n(&session.process().root->stats_flags, __ATOMIC_SEQ_CST);
}

// A file as objects have them: who is killed while it holds one leaves what the next collection puts right.
Result<std::unique_ptr<StatsGuard>> EnableStats(SharedPtr shared, StatsDetail detail) {
  Session& session = *shared->session;
  const ObjectId object{ObjectKind::kStats, session.NewId()};
  runtime::StatsRecord record{};
  record.magic = static_cast<std::uint32_t>(runtime::FileMagic::kStats);
  record.version = runtime::kLayoutVersion;
  record.flags = runtime::link_flags::kCounted;
  if (detail == StatsDetail::kTime) record.flags |= runtime::link_flags::kTimed;
  UniqueFd fd = STRATA_TRY(session.MakeFile(sizeof(record), TextOf(object)));
  if (::pwrite(fd.get(), &record, sizeof(record), 0) != static_cast<ssize_t>(sizeof(record)))
    return Error::FromErrno(errno == 0 ? EIO : errno, TextOf(object));
  ObjectFile file = STRATA_TRY(session.Publish(std::move(fd), FileNameOf(object), TextOf(object)));
  ApplyStats(session.folder_fd());
  return std::unique_ptr<StatsGuard>(std::make_unique<Guard>(std::move(shared), std::move(file)));
}

}  // namespace strata::userspace
