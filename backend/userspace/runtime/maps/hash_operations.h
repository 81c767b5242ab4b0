// The operations of the four hash kinds, made for a size of keys and for whether lookups mark elements (LRU). Private
// to maps/.
#pragma once

#include "hash_table.h"
#include "value_copy.h"

namespace strata::runtime {

enum class Eviction : std::uint8_t { kNone, kLru };

// A program's lookup marks the element, user space's does not (htab_lru_map_lookup_elem).
template <Eviction kEviction>
[[gnu::always_inline]] inline void Mark(HashElement& element) noexcept {
  if constexpr (kEviction == Eviction::kLru) {
    if (__atomic_load_n(&element.referenced, __ATOMIC_RELAXED) == 0)
      __atomic_store_n(&element.referenced, std::uint8_t{1}, __ATOMIC_RELAXED);
  }
}

struct HashVisit {
  ElementVisitor visit;
  void* argument;
  std::uint32_t slot;
};

// --- One value for an element ----------------------------------------------------------------------------------------
template <std::uint32_t kKeySize, Eviction kEviction>
struct HashOperations {
  static void* Lookup(MapView& map, const void* key, std::uint32_t /*slot*/) noexcept {
    HashElement* element = FindElement<kKeySize>(map, PositionOf<kKeySize>(map, key), key);
    if (element == nullptr) return nullptr;
    Mark<kEviction>(*element);
    return ValueOf(map, *element);
  }

  static long Update(MapView& map, const void* key, const void* value, std::uint64_t flags,
                     std::uint32_t /*slot*/) noexcept {
    if (flags > static_cast<std::uint64_t>(UpdateMode::kExist)) [[unlikely]]
      return UpdateLocked(map, key, value, flags);
    return UpdateInMode<kKeySize>(map, key, static_cast<UpdateMode>(flags), [&](HashElement& element, bool is_new) {
      if (is_new) return StoreNewValue(map, ValueOf(map, element), value);
      StoreValue(map, ValueOf(map, element), value);
      Mark<kEviction>(element);
    });
  }

  static long Erase(MapView& map, const void* key) noexcept { return EraseKey<kKeySize>(map, key); }

  static long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
    return Update(map, key, value, flags, 0);
  }

 private:
  // htab_map_update_elem with BPF_F_LOCK; LRU hashes know no such flag.
  [[gnu::noinline]] static long UpdateLocked(MapView& map, const void* key, const void* value,
                                             std::uint64_t flags) noexcept {
    const std::uint64_t mode = flags & ~kUpdateWithLock;
    if (kEviction == Eviction::kLru || mode > static_cast<std::uint64_t>(UpdateMode::kExist) || !HasSpinLock(map))
      return -EINVAL;
    long stored = 0;
    const long result =
        UpdateInMode<kAnySize>(map, key, static_cast<UpdateMode>(mode), [&](HashElement& element, bool is_new) {
          if (is_new) return StoreNewValue(map, ValueOf(map, element), value);
          stored = StoreValueLocked(map, ValueOf(map, element), value);
        });
    return result != 0 ? result : stored;
  }
};

inline long VisitHash(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept {
  HashVisit call{visit, argument, slot};
  return ForEachElement(
      map,
      [](MapView& view, HashElement& element, void* state) noexcept {
        const auto& inner = *static_cast<HashVisit*>(state);
        return inner.visit(KeyOf(element), ValueOf(view, element), inner.argument);
      },
      &call);
}

inline long CopyOutOfHash(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept {
  long loaded = 0;
  const long found = ReadElement(map, key, [&](HashElement& element) {
    if ((flags & kUpdateWithLock) != 0) {
      loaded = LoadValueLocked(map, value, ValueOf(map, element));
    } else {
      LoadValue(map, value, ValueOf(map, element));
    }
  });
  return found != 0 ? found : loaded;
}

// An element whose own lock is not to be had stays.
inline long TakeOutOfHash(MapView& map, const void* key, void* value, std::uint64_t flags) noexcept {
  return EraseElementIf(map, key, [&](HashElement& element) {
    if ((flags & kUpdateWithLock) != 0) return LoadValueLocked(map, value, ValueOf(map, element));
    LoadValue(map, value, ValueOf(map, element));
    return 0L;
  });
}

// --- A value for each slot (htab_percpu_map_*) -----------------------------------------------------------------------
inline std::byte* SlotValue(const MapView& map, HashElement& element, std::uint32_t slot) noexcept {
  return ValueOf(map, element) + std::uint64_t{slot} * map.value_stride;
}

inline void CopyAllSlots(const MapView& map, void* to, const void* from) noexcept {
  for (std::uint32_t slot = 0; slot < map.slot_count; ++slot) {
    const std::uint64_t offset = std::uint64_t{slot} * map.value_stride;
    CopyValue(static_cast<std::byte*>(to) + offset, static_cast<const std::byte*>(from) + offset, map.value_stride);
  }
}

template <std::uint32_t kKeySize, Eviction kEviction>
struct PerCpuHashOperations {
  static void* Lookup(MapView& map, const void* key, std::uint32_t slot) noexcept {
    if (slot >= map.slot_count) [[unlikely]]
      return nullptr;
    HashElement* element = FindElement<kKeySize>(map, PositionOf<kKeySize>(map, key), key);
    if (element == nullptr) return nullptr;
    Mark<kEviction>(*element);
    return SlotValue(map, *element, slot);
  }

  // A new element is zero for all slots but the run's own (pcpu_init_value).
  static long Update(MapView& map, const void* key, const void* value, std::uint64_t flags,
                     std::uint32_t slot) noexcept {
    if (slot >= map.slot_count) [[unlikely]]
      return -EBUSY;
    return UpdateElement<kKeySize>(map, key, flags, [&](HashElement& element, bool is_new) {
      if (is_new) {
        memset(ValueOf(map, element), 0, PerCpuElementSize(map));
      } else {
        Mark<kEviction>(element);
      }
      CopyValue(SlotValue(map, element, slot), value, map.value_size);
    });
  }

  static long Erase(MapView& map, const void* key) noexcept { return EraseKey<kKeySize>(map, key); }

  static long CopyIn(MapView& map, const void* key, const void* value, std::uint64_t flags) noexcept {
    return UpdateElement<kKeySize>(map, key, flags, [&](HashElement& element, bool is_new) {
      if (!is_new) Mark<kEviction>(element);
      CopyAllSlots(map, ValueOf(map, element), value);
    });
  }
};

inline long VisitPerCpuHash(MapView& map, std::uint32_t slot, ElementVisitor visit, void* argument) noexcept {
  HashVisit call{visit, argument, slot};
  return ForEachElement(
      map,
      [](MapView& view, HashElement& element, void* state) noexcept {
        const auto& inner = *static_cast<HashVisit*>(state);
        return inner.visit(KeyOf(element), SlotValue(view, element, inner.slot), inner.argument);
      },
      &call);
}

inline long CopyOutOfPerCpuHash(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return ReadElement(map, key, [&](HashElement& element) { CopyAllSlots(map, value, ValueOf(map, element)); });
}

inline long TakeOutOfPerCpuHash(MapView& map, const void* key, void* value, std::uint64_t /*flags*/) noexcept {
  return EraseElement(map, key, [&](HashElement& element) { CopyAllSlots(map, value, ValueOf(map, element)); });
}

// --- Rows ------------------------------------------------------------------------------------------------------------
struct HashTraits {
  std::uint32_t traits;
  long (*geometry)(const MapAttributes& attributes, MapGeometry* out) noexcept;
  long (*open)(MapView& map) noexcept;
};

template <template <std::uint32_t, Eviction> typename Operations, std::uint32_t kKeySize, Eviction kEviction>
constexpr MapOps MakeHashOps(const HashTraits& kind) {
  using Made = Operations<kKeySize, kEviction>;
  const bool is_per_cpu = (kind.traits & map_traits::kPerCpu) != 0;
  return {
      .traits = kind.traits,
      .geometry = kind.geometry,
      .open = kind.open,
      .lookup = Made::Lookup,
      .update = Made::Update,
      .erase = Made::Erase,
      .for_each = is_per_cpu ? VisitPerCpuHash : VisitHash,
      .copy_out = is_per_cpu ? CopyOutOfPerCpuHash : CopyOutOfHash,
      .copy_in = Made::CopyIn,
      .take = is_per_cpu ? TakeOutOfPerCpuHash : TakeOutOfHash,
      .next_key = NextHashKey,
  };
}

// A kind's rows by size of its keys: `any` stands in the table of kinds, a map that is opened gets its own.
struct HashRows {
  const MapOps* any;
  const MapOps* four;
  const MapOps* eight;
};
inline long OpenHashAs(MapView& map, const HashRows& rows) noexcept {
  if (map.key_size == 4) map.ops = rows.four;
  if (map.key_size == 8) map.ops = rows.eight;
  return OpenHash(map);
}

}  // namespace strata::runtime
