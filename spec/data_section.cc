#include "strata/spec/data_section.h"

#include <fmt/format.h>

#include <optional>

namespace strata {
namespace {

Error Refused(std::string_view map, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: another size: {}", map, why));
}

// The one that ends last.
VariableSpec* LastVariable(CollectionSpec& spec, std::string_view map) {
  VariableSpec* last = nullptr;
  for (auto& [name, variable] : spec.variables) {
    if (variable.map_name != map) continue;
    if (last == nullptr || variable.offset_bytes > last->offset_bytes) last = &variable;
  }
  return last;
}

// Bytes of an element, where the variable is an array.
std::optional<std::uint64_t> ElementSize(const CollectionSpec& spec, const VariableSpec& variable) {
  if (spec.types == nullptr || !variable.type) return std::nullopt;
  const auto resolved = spec.types->Resolve(variable.type);
  if (!resolved) return std::nullopt;
  const auto array = spec.types->Get<btf::Array>(*resolved);
  if (!array) return std::nullopt;
  const auto size = spec.types->SizeOf(array->element);
  return size && *size > 0 ? std::optional(*size) : std::nullopt;
}

Result<void> ResizeTail(CollectionSpec& spec, std::string_view map, VariableSpec& last, std::uint32_t size_bytes) {
  if (size_bytes < last.offset_bytes) return Refused(map, fmt::format("variable {} begins behind it", last.name));
  const std::uint32_t left = size_bytes - last.offset_bytes;
  if (left == last.value.size()) return {};
  const auto element = ElementSize(spec, last);
  if (!element) {
    if (left > last.value.size()) return {};  // room that no variable is in
    return Refused(map, fmt::format("it ends inside of variable {}, which is no array", last.name));
  }
  if (left == 0 || left % *element != 0) {
    return Refused(map,
                   fmt::format("{} bytes are left for variable {}, whose elements have {}", left, last.name, *element));
  }
  last.value.resize(left);
  last.type = btf::kVoid;
  return {};
}

}  // namespace

Result<void> ResizeDataSection(CollectionSpec& spec, std::string_view map, std::uint32_t size_bytes) {
  const auto found = spec.maps.find(map);
  if (found == spec.maps.end()) {
    return Error(ErrorCode::kNotFound, fmt::format("{}: there is no map {}", spec.name, map));
  }
  MapSpec& section = found->second;
  if (!section.is_data_section || section.freeze) return Refused(map, "it is no section of data that can be written");
  if (size_bytes == 0) return Refused(map, "0 bytes");
  if (size_bytes == section.value_size) return {};
  if (VariableSpec* last = LastVariable(spec, map)) STRATA_TRY(ResizeTail(spec, map, *last, size_bytes));
  section.value_size = size_bytes;
  section.contents.resize(size_bytes);
  section.value_type = btf::kVoid;  // the kernel wants one of the map's size
  return {};
}

}  // namespace strata
