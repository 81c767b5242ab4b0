#include "strata/link/iterator.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "section_attach.h"
#include "strata/link/auto_attach.h"

namespace strata {
namespace {

// Fills in what the scope says.
struct ScopeEncoder {
  AttachTarget& target;
  IteratorConfig& config;

  Result<void> operator()(std::monostate) const { return {}; }
  Result<void> operator()(const IterateMap& scope) const {
    if (scope.map == nullptr) return Error(ErrorCode::kInvalidArgument, "iterator: the map is null");
    config.map_id = scope.map->info().id;
    return {};
  }
  Result<void> operator()(const IterateCgroup& scope) const {
    if (scope.path.empty()) return Error(ErrorCode::kInvalidArgument, "iterator: the cgroup's path is empty");
    target.path = scope.path;
    config.cgroup_order = static_cast<std::uint32_t>(scope.order);
    return {};
  }
  Result<void> operator()(const IterateThread& scope) const {
    return SetId(scope.tid, &IteratorConfig::thread_id, "thread");
  }
  Result<void> operator()(const IterateProcess& scope) const {
    return SetId(scope.pid, &IteratorConfig::process_id, "process");
  }
  Result<void> operator()(const IterateProcessDescriptor& scope) const {
    if (scope.pidfd < 0) return Error(ErrorCode::kInvalidArgument, "iterator: the process descriptor is none");
    config.process_descriptor = scope.pidfd;
    return {};
  }

  Result<void> SetId(std::int32_t id, std::uint32_t IteratorConfig::*member, const char* what) const {
    if (id <= 0) {
      return Error(ErrorCode::kInvalidArgument, std::string("iterator: ") + what + " id " + std::to_string(id));
    }
    config.*member = static_cast<std::uint32_t>(id);
    return {};
  }
};

}  // namespace

Result<std::size_t> IteratorReader::Read(std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t count = ::read(descriptor_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    // EAGAIN: the kernel called the program a million times without output, and lets others run.
    if (errno != EINTR && errno != EAGAIN) return Error::FromErrno(errno, "reading an iterator");
  }
}

Result<std::string> IteratorReader::ReadAll() {
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const std::size_t count = STRATA_TRY(Read(std::as_writable_bytes(std::span(part))));
    if (count == 0) return text;
    text.append(part.data(), count);
  }
}

Result<IteratorReader> Iterator::Open() const { return IteratorReader(STRATA_TRY(backend_link()->OpenIterator())); }

Result<Iterator> AttachIterator(const Program& program, const IteratorOptions& options) {
  AttachTarget target;
  target.kind = "iter";
  target.name = program.spec().attach_to;
  IteratorConfig config;
  STRATA_TRY(std::visit(ScopeEncoder{target, config}, options.scope));
  target.config = EncodeConfig(config);
  return Iterator(STRATA_TRY(AttachToTarget(program, target)));
}

Result<Link> AttachIteratorSection(const Program& program, const AutoAttachOptions&) {
  STRATA_TRY(SectionDetails(program, "KIND"));
  return Link(STRATA_TRY(AttachIterator(program)));
}

}  // namespace strata
