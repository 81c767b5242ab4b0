// What the attach kinds "uprobe" and "uretprobe" say of their place.
#pragma once

#include <cstdint>

namespace strata {

struct UprobeConfig {
  std::uint64_t file_offset = 0;          // of the instruction, in bytes from the file's start
  std::uint64_t ref_ctr_file_offset = 0;  // USDT semaphore; 0 for none
};
static_assert(sizeof(UprobeConfig) == 16);

}  // namespace strata
