// The types of linked objects, merged.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linker_input.h"

namespace strata::elf {

// Where an input's section went.
struct Placement {
  std::uint32_t section = 0;  // position in OutputObject::sections
  std::uint64_t offset = 0;   // bytes
};

// What linking decided, for those who merge types by it.
struct LinkPlan {
  std::span<const LinkObject> objects;
  std::vector<std::vector<std::optional<Placement>>> placements;  // by object and section number
  std::map<std::string_view, std::size_t> owners;  // the object whose definition (or else declaration) of a name counts
  std::map<std::string_view, std::uint64_t> section_sizes;  // of the result

  std::optional<Placement> PlacementOf(std::size_t object, const std::optional<ElfSection>& section) const {
    return !section ? std::nullopt : placements[object][section->index];
  }
};

struct LinkedTypes {
  std::vector<std::byte> types;     // .BTF; empty when no input has one
  std::vector<std::byte> ext_info;  // .BTF.ext; empty when no input has one
};

Result<LinkedTypes> LinkTypes(const LinkPlan& plan, std::endian byte_order);

// Whether two objects mean the same by a name: types are compared down to named structs, which compare by name;
// qualifiers do not count. Anonymous structs, as maps are defined, compare by all members.
bool DeclaresTheSame(const btf::Btf& a, btf::TypeId a_type, const btf::Btf& b, btf::TypeId b_type);

}  // namespace strata::elf
