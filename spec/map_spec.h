// What a map shall be, before it exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "strata/btf/type_id.h"
#include "strata/spec/map_type.h"

namespace strata {

enum class PinType : std::uint8_t { kNone = 0, kByName = 1 };

// What an element of a map-in-map or prog array holds at the start: the map or program of that name. In struct_ops, the
// program that implements the function pointer at byte `key` of the contents.
struct MapSlotInit {
  std::uint32_t key = 0;
  std::string symbol;
  bool operator==(const MapSlotInit&) const = default;
};

// A plain copyable value. Sizes are in bytes, as written in the object: backends round where the kernel would.
struct MapSpec {
  std::string name;
  MapType type = MapType::kUnspec;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;  // map_flags
  std::uint64_t map_extra = 0;
  std::uint32_t numa_node = 0;
  PinType pinning = PinType::kNone;

  // BTF ids of key and value in the collection's BTF; kVoid where the object gives none.
  btf::TypeId key_type;
  btf::TypeId value_type;
  // Decl tags on the map's variable and on the type of its values, for example "log2_hist".
  std::vector<std::string> tags;

  // Initial bytes of a data section (.data, .rodata, .bss, .kconfig), of an arena's globals, or of a struct_ops
  // variable in the object's layout of its type; empty for other maps.
  std::vector<std::byte> contents;
  bool is_data_section = false;
  bool freeze = false;  // made read-only for user space after its contents are written (.rodata)

  bool autocreate = true;    // false for "?.struct_ops": made only when asked for
  bool is_linkable = false;  // struct_ops of ".struct_ops.link": attached by a link (BPF_F_LINK)

  // What a legacy definition ("struct bpf_map_def" of iproute2) holds behind the five known fields. Empty, or its
  // meaning is the caller's: a map with bytes left here is refused at load.
  std::vector<std::byte> extra;

  std::vector<MapSlotInit> slots;
  std::vector<MapSpec> inner;  // the template of the inner maps: empty or one element

  bool operator==(const MapSpec&) const = default;
};

}  // namespace strata
