#include "value_fields.h"

#include <fmt/format.h>

#include <cerrno>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::userspace {
namespace {

struct FieldRow {
  std::string_view type;  // a struct of that name
  std::uint32_t alignment;
  std::uint32_t ValueFields::*offset;
};

constexpr FieldRow kFields[] = {
    {"bpf_spin_lock", 4, &ValueFields::spin_lock_offset},
    {"bpf_timer", 8, &ValueFields::timer_offset},
};

Result<void> Note(const FieldRow& row, std::uint32_t offset, ValueFields* fields) {
  if (offset % row.alignment != 0) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("struct {} at byte {} of the value: must be at a multiple of {}", row.type, offset, row.alignment),
        EINVAL);
  }
  std::uint32_t& known = fields->*row.offset;
  if (known != runtime::kNoField) {
    return Error(ErrorCode::kNoSpace,
                 fmt::format("two struct {} in the value, at bytes {} and {}", row.type, known, offset), E2BIG);
  }
  known = offset;
  return {};
}

}  // namespace

Result<ValueFields> FindValueFields(const btf::Btf& types, btf::TypeId value_type) {
  ValueFields fields{runtime::kNoField, runtime::kNoField};
  const btf::TypeId resolved = STRATA_TRY(types.Resolve(value_type));
  if (types.KindOf(resolved) != btf::Kind::kStruct) return fields;
  const btf::Struct value = STRATA_TRY(types.Get<btf::Struct>(resolved));
  for (const btf::Member& member : value.members) {
    const btf::TypeId type = STRATA_TRY(types.Resolve(member.type));
    if (types.KindOf(type) != btf::Kind::kStruct) continue;
    for (const FieldRow& row : kFields) {
      if (types.NameOf(type) == row.type) STRATA_TRY(Note(row, member.bit_offset / 8, &fields));
    }
  }
  return fields;
}

}  // namespace strata::userspace
