#include "query.h"

#include <fmt/format.h>

#include <cerrno>
#include <vector>

#include "place.h"
#include "strata/spec/type_names.h"

namespace strata::kernel {
namespace {

using Place = QueryTarget::Place;

std::string TextOf(const QueryTarget& target, AttachType attach_type) {
  switch (target.place) {
    case Place::kCgroup:
      return fmt::format("cgroup {}, {}", target.path, AttachTypeName(attach_type));
    case Place::kInterface:
      return fmt::format("interface {}, {}", target.id, AttachTypeName(attach_type));
    case Place::kNetworkNamespace:
      return fmt::format("network namespace {}, {}", target.path, AttachTypeName(attach_type));
    case Place::kSockMap:
      break;
  }
  return fmt::format("map {}, {}", target.id, AttachTypeName(attach_type));
}

// None for an interface, which goes by its index.
Result<UniqueFd> OpenPlace(const Context& context, const QueryTarget& target) {
  switch (target.place) {
    case Place::kCgroup:
      return OpenFolder(target.path, "cgroup");
    case Place::kNetworkNamespace:
      return OpenNamespace(target.path);
    case Place::kInterface:
      return UniqueFd();
    case Place::kSockMap:
      break;
  }
  FdOrErrno map = context.OpenById(Command::kMapOpenById, target.id);
  if (!map) return BpfError(map.sys_errno, fmt::format("map {}: opening it", target.id));
  return std::move(map.fd);
}

struct Answer {
  std::vector<std::uint32_t> program_ids, program_flags, link_ids;
  explicit Answer(std::size_t room) : program_ids(room), program_flags(room), link_ids(room) {}
};

// Room for what a place most often has; doubled until everything fits.
constexpr std::uint32_t kFirstRoom = 64;
constexpr std::uint32_t kMostRoom = 1U << 16;

// Which of the arrays a kernel fills depends on its version and the place (flags: cgroups, Linux 6.0; links: tcx and
// netkit, Linux 6.6), and it refuses one that it does not know.
struct Columns {
  bool program_flags = false;
  bool link_ids = false;
};

QueryAttr MakeAttr(const QueryTarget& target, const UniqueFd& place, AttachType attach_type) {
  QueryAttr attr;
  attr.target = place ? static_cast<std::uint32_t>(place.get()) : target.id;
  attr.attach_type = static_cast<std::uint32_t>(attach_type);
  if (target.is_effective) attr.query_flags = attach_flags::kQueryEffective;
  return attr;
}

void GiveRoom(QueryAttr& attr, Answer& answer, Columns columns) {
  attr.prog_ids = AddressOf(answer.program_ids.data());
  attr.count = static_cast<std::uint32_t>(answer.program_ids.size());
  attr.prog_attach_flags = columns.program_flags ? AddressOf(answer.program_flags.data()) : 0;
  attr.link_ids = columns.link_ids ? AddressOf(answer.link_ids.data()) : 0;
}

AttachedPrograms Decode(const QueryAttr& attr, const Answer& answer) {
  AttachedPrograms attached{.programs = {}, .flags = attr.attach_flags, .revision = attr.revision};
  for (std::uint32_t i = 0; i < attr.count; ++i) {
    attached.programs.push_back({answer.program_ids[i], answer.link_ids[i], answer.program_flags[i]});
  }
  return attached;
}

bool RefusesColumns(long result) { return result == -EINVAL || result == -E2BIG; }

}  // namespace

Result<AttachedPrograms> QueryPlace(const Context& context, const QueryTarget& target, AttachType attach_type) {
  const UniqueFd place = STRATA_TRY(OpenPlace(context, target));
  Columns columns{.program_flags = target.place == Place::kCgroup && !target.is_effective,
                  .link_ids = target.place == Place::kInterface};
  std::uint32_t room = kFirstRoom;
  while (true) {
    Answer answer(room);
    QueryAttr attr = MakeAttr(target, place, attach_type);
    GiveRoom(attr, answer, columns);
    const long result = context.Bpf(Command::kProgramQuery, attr);
    if (result == 0) return Decode(attr, answer);
    if (result == -ENOSPC && room < kMostRoom) {
      room *= 2;
    } else if (RefusesColumns(result) && (columns.program_flags || columns.link_ids)) {
      columns = {};
    } else {
      return BpfError(static_cast<int>(-result), TextOf(target, attach_type) + ": asking for programs");
    }
  }
}

}  // namespace strata::kernel
