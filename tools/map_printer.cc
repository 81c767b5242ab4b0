#include "map_printer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "strata/spec/type_names.h"

namespace strata::tools {
namespace {

constexpr std::string_view kHistogramTag = "log2_hist";
constexpr std::string_view kHistogramMember = "slots";

std::string Hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

// Where the counts of a histogram lie in a value.
struct SlotArray {
  std::size_t offset_bytes = 0;
  std::size_t element_bytes = 0;
  std::size_t count = 0;
};

std::optional<SlotArray> ArrayAt(const btf::Btf& types, btf::TypeId type, std::size_t offset_bytes) {
  const auto resolved = types.Resolve(type);
  if (!resolved) return std::nullopt;
  const auto array = types.Get<btf::Array>(*resolved);
  if (!array) return std::nullopt;
  const auto element = types.SizeOf(array->element);
  if (!element || (*element != 4 && *element != 8)) return std::nullopt;
  return SlotArray{offset_bytes, static_cast<std::size_t>(*element), array->count};
}

// A struct with an array called `slots`, or, in a map tagged log2_hist, a value that is an array itself.
bool IsTagged(const MapTypes& map) {
  return std::find(map.tags.begin(), map.tags.end(), kHistogramTag) != map.tags.end();
}

std::optional<SlotArray> FindSlots(const MapTypes& map) {
  if (map.types == nullptr || !map.value) return std::nullopt;
  if (IsTagged(map)) {
    if (auto whole = ArrayAt(*map.types, map.value, 0)) return whole;
  }
  const auto resolved = map.types->Resolve(map.value);
  if (!resolved) return std::nullopt;
  const auto composite = map.types->Get<btf::Struct>(*resolved);
  if (!composite) return std::nullopt;
  for (const btf::Member& member : composite->members) {
    if (member.name != kHistogramMember || member.bit_offset % 8 != 0) continue;
    return ArrayAt(*map.types, member.type, member.bit_offset / 8);
  }
  return std::nullopt;
}

std::vector<std::uint64_t> ReadSlots(const SlotArray& where, std::span<const std::byte> value) {
  std::vector<std::uint64_t> slots(where.count);
  for (std::size_t i = 0; i < where.count; ++i) {
    const std::size_t offset = where.offset_bytes + i * where.element_bytes;
    if (offset > value.size() || where.element_bytes > value.size() - offset) break;
    std::memcpy(&slots[i], value.data() + offset, where.element_bytes);
  }
  return slots;
}

// A map tagged log2_hist whose values are plain counters and whose keys are slot numbers: one histogram over the whole
// map.
bool IsHistogramOverKeys(const Map& map, const MapTypes& types) {
  const MapInfo& info = map.info();
  return IsTagged(types) && !FindSlots(types) && info.key_size == 4 && (info.value_size == 4 || info.value_size == 8) &&
         info.max_entries <= 64;
}

// The values of all CPUs one after the other, or the one value there is.
std::vector<std::span<const std::byte>> ValuesOf(const Map& map, std::span<const std::byte> element) {
  if (!map.is_per_cpu()) return {element};
  const std::size_t stride = (std::size_t{map.info().value_size} + 7) / 8 * 8;
  std::vector<std::span<const std::byte>> values;
  for (std::size_t offset = 0; offset < element.size(); offset += stride) {
    values.push_back(element.subspan(offset, map.info().value_size));
  }
  return values;
}

class MapPrinter {
 public:
  MapPrinter(const Map& map, const MapTypes& types, Output& output)
      : map_(map), types_(types), output_(output), slots_(FindSlots(types)) {}

  Result<void> Print() {
    output_.BeginMap(map_.name(), MapTypeName(map_.info().type));
    if (IsHistogramOverKeys(map_, types_)) return PrintHistogramOverKeys();
    std::uint64_t elements = 0;
    STRATA_TRY(map_.ForEach([&](std::span<const std::byte> key, std::span<const std::byte> value) {
      ++elements;
      PrintElement(key, value);
      return true;
    }));
    output_.EndMap(map_.name(), elements);
    return {};
  }

 private:
  void PrintElement(std::span<const std::byte> key, std::span<const std::byte> element) {
    const bool is_single = map_.info().type == MapType::kArray && map_.info().max_entries == 1;
    DecodedValue decoded_key = Decode(types_.types, types_.key, key);
    if (slots_) {
      if (is_single) decoded_key.text.clear();
      output_.Histogram(map_.name(), decoded_key, SumSlots(ValuesOf(map_, element)));
      return;
    }
    output_.Element(map_.name(), decoded_key, DecodeElement(map_, types_, element));
  }

  std::vector<std::uint64_t> SumSlots(const std::vector<std::span<const std::byte>>& values) const {
    std::vector<std::uint64_t> sum(slots_->count);
    for (const auto& value : values) {
      const auto slots = ReadSlots(*slots_, value);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += slots[i];
    }
    return sum;
  }

  Result<void> PrintHistogramOverKeys() {
    std::vector<std::uint64_t> slots(map_.info().max_entries);
    STRATA_TRY(map_.ForEach([&](std::span<const std::byte> key, std::span<const std::byte> element) {
      std::uint32_t slot = 0;
      std::memcpy(&slot, key.data(), sizeof(slot));
      for (const auto& value : ValuesOf(map_, element)) {
        std::uint64_t count = 0;
        std::memcpy(&count, value.data(), value.size());
        if (slot < slots.size()) slots[slot] += count;
      }
      return true;
    }));
    output_.Histogram(map_.name(), {"", "null"}, slots);
    return {};
  }

  const Map& map_;
  const MapTypes& types_;
  Output& output_;
  std::optional<SlotArray> slots_;
};

}  // namespace

MapTypes TypesOf(const CollectionSpec& spec, const MapSpec& map) {
  return {.types = spec.types.get(), .key = map.key_type, .value = map.value_type, .tags = map.tags};
}

bool HoldsPrintableElements(const Map& map) {
  return map.info().type != MapType::kRingBuf && map.info().key_size > 0 &&
         map.info().type != MapType::kPerfEventArray && map.info().type != MapType::kProgArray;
}

DecodedValue Decode(const btf::Btf* types, btf::TypeId type, std::span<const std::byte> bytes) {
  if (types == nullptr || !type) {
    const std::string text = Hexadecimal(bytes);
    return {"0x" + text, "\"" + text + "\""};
  }
  return {btf::FormatValue(*types, type, bytes), btf::FormatValueJson(*types, type, bytes)};
}

DecodedValue DecodeElement(const Map& map, const MapTypes& types, std::span<const std::byte> element) {
  if (!map.is_per_cpu()) return Decode(types.types, types.value, element);
  DecodedValue all{"[", "["};
  for (const auto& value : ValuesOf(map, element)) {
    const DecodedValue one = Decode(types.types, types.value, value);
    const bool is_first = all.text.size() == 1;
    all.text += (is_first ? "" : ", ") + one.text;
    all.json += (is_first ? "" : ",") + one.json;
  }
  all.text += "]";
  all.json += "]";
  return all;
}

Result<void> PrintMap(const Map& map, const MapTypes& types, Output& output) {
  return MapPrinter(map, types, output).Print().Context("map " + map.name());
}

Result<void> PrintMaps(const Collection& objects, Output& output) {
  for (const auto& [name, map] : objects.maps()) {
    if (map.spec().is_data_section || !HoldsPrintableElements(map)) continue;
    STRATA_TRY(PrintMap(map, TypesOf(objects.spec(), map.spec()), output));
  }
  return {};
}

DecodedValue DecodeRecord(const CollectionSpec& spec, const MapSpec& map, std::span<const std::byte> record) {
  return Decode(spec.types.get(), map.value_type, record);
}

}  // namespace strata::tools
