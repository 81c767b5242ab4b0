// What a CO-RE relocation points at: a path through types, parsed for the object's types and found in the target's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core_types.h"
#include "strata/base/result.h"
#include "strata/btf/core.h"

namespace strata::btf::core {

// One step that means something in C: a named member, an element of an array, an enumerator. Members without a name
// (anonymous structs and unions) are steps of the access string only.
struct Accessor {
  TypeId type;  // the struct, union or enum that `index` counts in; for an element its own type
  std::uint32_t index = 0;
  std::string_view name;  // empty for an element
};

// A path in the types of one side.
struct Spec {
  TypeId root;                        // as the relocation or the candidate has it
  std::vector<Accessor> accessors;    // of fields: the first is the index of a pointer used as an array
  std::vector<std::uint32_t> access;  // the numbers of the access string
  std::uint64_t bit_offset = 0;       // of a field, from the start of the root
};

bool IsFieldKind(CoreKind kind);
bool IsTypeKind(CoreKind kind);
bool IsEnumValueKind(CoreKind kind);

// kMalformed for an access string that does not fit the type.
Result<Spec> ParseSpec(const Side& local, const CoreRelocation& relocation);

// The path in one candidate of the target that means the same; nothing when it has none, and then `why` says so:
// "no such field in the target".
Result<std::optional<Spec>> MatchSpec(const Side& local, const Spec& spec, CoreKind kind, const Side& target,
                                      TypeId candidate, std::string* why);

// ".signal.live" or "::PIDTYPE_MAX": what follows the type's name in messages.
std::string DescribePath(const Spec& spec, CoreKind kind);

}  // namespace strata::btf::core
