// The table of map kinds. One more kind is one row here and one file beside it.
#include "ops.h"

namespace strata::runtime {
namespace {

constexpr MapKind kKinds[] = {
    {MapType::kHash, "hash", &kHashOps},
    {MapType::kArray, "array", &kArrayOps},
    {MapType::kProgArray, "prog_array", &kProgArrayOps},
    {MapType::kPerfEventArray, "perf_event_array", &kPerfEventArrayOps},
    {MapType::kPerCpuHash, "percpu_hash", &kPerCpuHashOps},
    {MapType::kPerCpuArray, "percpu_array", &kPerCpuArrayOps},
    {MapType::kLruHash, "lru_hash", &kLruHashOps},
    {MapType::kLruPerCpuHash, "lru_percpu_hash", &kLruPerCpuHashOps},
    {MapType::kStackTrace, "stack_trace", &kStackTraceOps},
    {MapType::kLpmTrie, "lpm_trie", &kLpmTrieOps},
    {MapType::kQueue, "queue", &kQueueOps},
    {MapType::kStack, "stack", &kStackOps},
    {MapType::kCgroupArray, "cgroup_array", &kCgroupArrayOps},
    {MapType::kArrayOfMaps, "array_of_maps", &kArrayOfMapsOps},
    {MapType::kHashOfMaps, "hash_of_maps", &kHashOfMapsOps},
    {MapType::kRingBuf, "ringbuf", &kRingBufferOps},
    {MapType::kBloomFilter, "bloom_filter", &kBloomFilterOps},
    {MapType::kUserRingBuf, "user_ringbuf", &kUserRingOps},
    {MapType::kTaskStorage, "task_storage", &kTaskStorageOps},
    {MapType::kCgrpStorage, "cgrp_storage", &kCgroupStorageOps},
    {MapType::kArena, "arena", &kArenaOps},
};

}  // namespace

MapKindTable MapKinds() noexcept { return {kKinds, sizeof(kKinds) / sizeof(kKinds[0])}; }

const MapKind* FindMapKind(MapType type) noexcept {
  for (const MapKind& kind : MapKinds()) {
    if (kind.type == type) return &kind;
  }
  return nullptr;
}

}  // namespace strata::runtime
