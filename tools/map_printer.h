// Maps and ring buffer records decoded by their BTF types.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "output.h"
#include "strata/strata.h"

namespace strata::tools {

// How a map's bytes are to be read.
struct MapTypes {
  const btf::Btf* types = nullptr;  // null: nothing is known, bytes print in hexadecimal
  btf::TypeId key;
  btf::TypeId value;
  std::vector<std::string> tags = {};  // decl tags: "log2_hist"
};
MapTypes TypesOf(const CollectionSpec& spec, const MapSpec& map);

// Whether elements of such a map can be printed: rings have none, and some kinds hold what only the kernel can read.
bool HoldsPrintableElements(const Map& map);

// Every element of one map.
Result<void> PrintMap(const Map& map, const MapTypes& types, Output& output);

// Bytes of a key or value in both forms.
DecodedValue Decode(const btf::Btf* types, btf::TypeId type, std::span<const std::byte> bytes);
// An element of `map`: the values of all CPUs as a list where it is per CPU.
DecodedValue DecodeElement(const Map& map, const MapTypes& types, std::span<const std::byte> element);

// Each element of each map that holds values. Data sections are left out: they are the program's variables.
Result<void> PrintMaps(const Collection& objects, Output& output);

// A record of the ring buffer `map`, by the value type that its definition names (`__type(value, struct event)`); in
// hexadecimal where it names none.
DecodedValue DecodeRecord(const CollectionSpec& spec, const MapSpec& map, std::span<const std::byte> record);

}  // namespace strata::tools
