// Changes of a trie, under its lock: each happens as a whole or not at all, whenever its maker is killed. Private to
// maps/.
#pragma once

#include "lpm_trie.h"

namespace strata::runtime::trie {

// False where somebody alive keeps the lock. What a dead holder had begun is put right first.
bool Lock(MapView& map) noexcept;
void Unlock(MapView& map) noexcept;

// Under the lock, of a key with no more bits than the data has, and flags that are an UpdateMode: -EEXIST, -ENOENT,
// -ENOSPC, -ENOMEM.
long UpdateElement(const MapView& map, const TrieKey& key, const void* value, std::uint64_t flags) noexcept;
// Under the lock; -ENOENT.
long EraseElement(const MapView& map, const TrieKey& key) noexcept;

}  // namespace strata::runtime::trie
