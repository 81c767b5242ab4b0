#include "struct_ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

namespace strata {
namespace {

using btf::Btf;
using btf::Member;
using btf::TypeId;

constexpr std::uint32_t kLinkFlag = 1U << 13;  // BPF_F_LINK
constexpr std::uint32_t kKeySize = 4;

Error NotSupported(std::string text) { return Error(ErrorCode::kNotSupported, std::move(text)); }

struct FoundMember {
  Member member;
  std::uint32_t index = 0;
};

std::optional<FoundMember> FindMember(const btf::Struct& type, std::string_view name) {
  for (std::uint32_t i = 0; i < type.members.size(); ++i) {
    if (const Member member = type.members[i]; member.name == name) return FoundMember{member, i};
  }
  return std::nullopt;
}

bool IsZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

class Planner {
 public:
  Planner(const MapSpec& map, const Btf& object, const Btf& kernel) : map_(map), object_(object), kernel_(kernel) {}

  Result<StructOpsPlan> Plan() {
    STRATA_TRY(FindTypes());
    plan_.map = map_;
    plan_.map.key_size = kKeySize;
    plan_.map.key_type = btf::kVoid;
    plan_.map.value_type = wrapper_id_;
    plan_.map.value_size = wrapper_.size_bytes;
    plan_.map.max_entries = 1;
    plan_.map.contents.assign(wrapper_.size_bytes, std::byte{0});
    if (map_.is_linkable) plan_.map.flags |= kLinkFlag;
    for (const Member member : local_.members) {
      STRATA_TRY(PlaceMember(member).Context(fmt::format("member {}", member.name)));
    }
    return std::move(plan_);
  }

 private:
  // The kernel keeps each struct_ops value in a wrapper, "struct bpf_struct_ops_X", whose member of that type holds it.
  Result<void> FindTypes() {
    local_ = STRATA_TRY(object_.Get<btf::Struct>(STRATA_TRY(object_.Resolve(map_.value_type))));
    const std::string name(btf::EssentialName(local_.name));
    const std::string wrapper_name = "bpf_struct_ops_" + name;
    const auto type = kernel_.FindByName(name, btf::Kind::kStruct);
    const auto wrapper = kernel_.FindByName(wrapper_name, btf::Kind::kStruct);
    if (!type || !wrapper) {
      return NotSupported(fmt::format("this kernel has no struct_ops of type {} (no struct {} in its BTF)", name,
                                      type ? wrapper_name : name));
    }
    plan_.type = *type;
    target_ = STRATA_TRY(kernel_.Get<btf::Struct>(*type));
    wrapper_ = STRATA_TRY(kernel_.Get<btf::Struct>(*wrapper));
    wrapper_id_ = *wrapper;
    for (const Member member : wrapper_.members) {
      if (member.type != *type) continue;
      data_offset_ = member.bit_offset / 8;
      return {};
    }
    return NotSupported(fmt::format("the kernel's struct {} has no member of type {}", wrapper_name, name));
  }

  Result<void> PlaceMember(const Member& local) {
    const auto size = STRATA_TRY(object_.SizeOf(local.type));
    const std::uint32_t offset = local.bit_offset / 8;
    if (offset > map_.contents.size() || size > map_.contents.size() - offset) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{} bytes at {} are outside of the variable's {}", size, offset, map_.contents.size()));
    }
    const auto bytes = std::span(map_.contents).subspan(offset, size);
    const MapSlotInit* slot = FindSlot(offset);
    const auto target = FindMember(target_, local.name);
    if (!target) {
      // A callback of another kernel version is left out: its program is not loaded.
      if (IsZero(bytes)) return {};
      return NotSupported("the kernel's struct does not have it, and it is not zero");
    }
    if (local.bitfield_bits != 0 || target->member.bitfield_bits != 0) {
      return IsZero(bytes) ? Result<void>() : NotSupported("is a bitfield, which struct_ops cannot set");
    }
    return CopyMember(local, *target, bytes, slot);
  }

  Result<void> CopyMember(const Member& local, const FoundMember& target, std::span<const std::byte> bytes,
                          const MapSlotInit* slot) {
    const TypeId local_type = STRATA_TRY(object_.Resolve(local.type));
    const TypeId target_type = STRATA_TRY(kernel_.Resolve(target.member.type));
    if (object_.KindOf(local_type) != kernel_.KindOf(target_type)) {
      return NotSupported(
          fmt::format("is a {}, and the kernel's a {}", object_.Describe(local_type), kernel_.Describe(target_type)));
    }
    const std::uint64_t offset = std::uint64_t{data_offset_} + target.member.bit_offset / 8;
    if (object_.KindOf(local_type) == btf::Kind::kPointer) return BindPointer(target_type, target.index, offset, slot);
    const auto target_size = STRATA_TRY(kernel_.SizeOf(target_type));
    if (target_size != bytes.size()) {
      return NotSupported(fmt::format("has {} bytes, and the kernel's {}", bytes.size(), target_size));
    }
    auto& contents = plan_.map.contents;
    if (offset > contents.size() || target_size > contents.size() - offset) {
      return Error(ErrorCode::kMalformed, "the kernel's BTF places it outside of its struct");
    }
    std::copy(bytes.begin(), bytes.end(), contents.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }

  // A pointer that no program stands behind stays null: addresses of the object mean nothing to the kernel.
  Result<void> BindPointer(TypeId pointer, std::uint32_t member, std::uint64_t offset, const MapSlotInit* slot) {
    if (slot == nullptr) return {};
    const auto target = STRATA_TRY(kernel_.Get<btf::Pointer>(pointer));
    if (kernel_.KindOf(STRATA_TRY(kernel_.Resolve(target.target))) != btf::Kind::kFuncProto) {
      return NotSupported(fmt::format("program {} cannot be there: the kernel's is no function pointer", slot->symbol));
    }
    plan_.callbacks.push_back({slot->symbol, static_cast<std::uint32_t>(offset), member});
    return {};
  }

  const MapSlotInit* FindSlot(std::uint32_t offset) const {
    const auto found =
        std::find_if(map_.slots.begin(), map_.slots.end(), [&](const MapSlotInit& slot) { return slot.key == offset; });
    return found == map_.slots.end() ? nullptr : &*found;
  }

  const MapSpec& map_;
  const Btf& object_;
  const Btf& kernel_;
  btf::Struct local_;
  btf::Struct target_;
  btf::Struct wrapper_;
  TypeId wrapper_id_;
  std::uint32_t data_offset_ = 0;  // of the struct in its wrapper, bytes
  StructOpsPlan plan_;
};

}  // namespace

Result<StructOpsPlan> PlanStructOps(const MapSpec& map, const btf::Btf& object, const btf::Btf& kernel) {
  return Planner(map, object, kernel).Plan().Context(fmt::format("map {}", map.name));
}

}  // namespace strata
