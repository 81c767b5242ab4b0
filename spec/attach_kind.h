// Attach kinds are an open set: one row each.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "strata/base/export.h"
#include "strata/spec/program_type.h"

namespace strata {

struct AttachKind {
  std::string_view name;            // "uprobe"
  ProgramType program_type;         // of programs that may be attached; kUnspec: the kernel knows
  std::uint32_t config_size_bytes;  // of a record in AttachTarget::config; 0: it has none
  bool hooks_file;                  // AttachTarget::path names an executable or library
};

// The built-in rows.
STRATA_EXPORT std::span<const AttachKind> BuiltinAttachKinds();

// Null when there is no row of that name.
STRATA_EXPORT const AttachKind* FindAttachKind(std::span<const AttachKind> kinds, std::string_view name);

}  // namespace strata
