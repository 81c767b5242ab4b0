#include "strata/backend/userspace/task_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace strata::userspace {
namespace {

using btf::Member;
using btf::TypeId;
using runtime::TaskField;
using runtime::TaskFieldPlace;
using runtime::TaskLayout;

struct FoundMember {
  TypeId type;
  std::uint32_t offset_bytes = 0;
};

std::optional<btf::RecordList<Member>> MembersOf(const btf::Btf& types, TypeId type) {
  if (const auto structure = types.Get<btf::Struct>(type)) return structure->members;
  if (const auto both = types.Get<btf::Union>(type)) return both->members;
  return std::nullopt;
}

// Looks into anonymous structures and unions as C does. Nothing for bitfields.
std::optional<FoundMember> FindMember(const btf::Btf& types, TypeId type, std::string_view name, int depth = 0) {
  constexpr int kMostNested = 8;
  const auto resolved = types.Resolve(type);
  if (!resolved || depth > kMostNested) return std::nullopt;
  const auto members = MembersOf(types, *resolved);
  if (!members) return std::nullopt;
  for (const Member& member : *members) {
    if (member.name == name && member.bitfield_bits == 0) return FoundMember{member.type, member.bit_offset / 8};
    if (!member.name.empty()) continue;
    auto inner = FindMember(types, member.type, name, depth + 1);
    if (!inner) continue;
    inner->offset_bytes += member.bit_offset / 8;
    return inner;
  }
  return std::nullopt;
}

// "ns.inum": a member of a member.
std::optional<FoundMember> FindPath(const btf::Btf& types, TypeId type, std::string_view path) {
  FoundMember found{type, 0};
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    const auto member = FindMember(types, found.type, name);
    if (!member) return std::nullopt;
    found = {member->type, found.offset_bytes + member->offset_bytes};
  }
  return found;
}

TaskFieldPlace PlaceOf(const btf::Btf& types, TypeId structure, const runtime::TaskFieldRow& row) {
  const auto found = FindPath(types, structure, row.path);
  if (!found) return {};
  const std::uint64_t size = types.SizeOf(found->type).value_or(0U);
  return {found->offset_bytes, static_cast<std::uint32_t>(std::min<std::uint64_t>(size, row.most_bytes))};
}

}  // namespace

Result<TaskLayout> MakeTaskLayout(const btf::Btf& kernel) {
  TaskLayout layout{};
  std::array<std::optional<TypeId>, runtime::kTaskObjectCount> objects;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const auto found = kernel.FindByName(runtime::kTaskObjectNames[i], btf::Kind::kStruct);
    if (!found) continue;
    const std::uint64_t size = kernel.SizeOf(*found).value_or(0U);
    if (size > runtime::kMaxTaskObjectBytes) continue;
    objects[i] = *found;
    layout.object_bytes[i] = static_cast<std::uint32_t>(size);
  }
  for (std::size_t i = 0; i < runtime::kTaskFieldCount; ++i) {
    const runtime::TaskFieldRow& row = runtime::kTaskFieldRows[i];
    const auto object = objects[static_cast<std::size_t>(row.object)];
    if (object) layout.fields[i] = PlaceOf(kernel, *object, row);
  }
  for (const TaskField field : {TaskField::kTaskPid, TaskField::kTaskTgid, TaskField::kTaskComm}) {
    if (layout.place(field).size_bytes != 0) continue;
    return Error(ErrorCode::kNotFound, fmt::format("the kernel's BTF has no member {} of struct task_struct",
                                                   runtime::kTaskFieldRows[static_cast<std::size_t>(field)].path));
  }
  return layout;
}

}  // namespace strata::userspace
