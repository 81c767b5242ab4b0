// Map types and flags, numbered as the kernel numbers them (include/uapi/linux/bpf.h). No code: shared with the traced
// process.
#pragma once

#include <cstdint>

namespace strata {

enum class MapType : std::uint32_t {
  kUnspec = 0,
  kHash = 1,
  kArray = 2,
  kProgArray = 3,
  kPerfEventArray = 4,
  kPerCpuHash = 5,
  kPerCpuArray = 6,
  kStackTrace = 7,
  kCgroupArray = 8,
  kLruHash = 9,
  kLruPerCpuHash = 10,
  kLpmTrie = 11,
  kArrayOfMaps = 12,
  kHashOfMaps = 13,
  kDevMap = 14,
  kSockMap = 15,
  kCpuMap = 16,
  kXskMap = 17,
  kSockHash = 18,
  kCgroupStorage = 19,
  kReusePortSockArray = 20,
  kPerCpuCgroupStorage = 21,
  kQueue = 22,
  kStack = 23,
  kSkStorage = 24,
  kDevMapHash = 25,
  kStructOps = 26,
  kRingBuf = 27,
  kInodeStorage = 28,
  kTaskStorage = 29,
  kBloomFilter = 30,
  kUserRingBuf = 31,
  kCgrpStorage = 32,
  kArena = 33,
  kInsnArray = 34,
};

// Flags of map creation (BPF_F_*).
namespace map_flags {
inline constexpr std::uint32_t kNoPrealloc = 1U << 0;
inline constexpr std::uint32_t kNoCommonLru = 1U << 1;
inline constexpr std::uint32_t kNumaNode = 1U << 2;
inline constexpr std::uint32_t kReadOnly = 1U << 3;
inline constexpr std::uint32_t kWriteOnly = 1U << 4;
inline constexpr std::uint32_t kZeroSeed = 1U << 6;
inline constexpr std::uint32_t kReadOnlyProgram = 1U << 7;
inline constexpr std::uint32_t kWriteOnlyProgram = 1U << 8;
inline constexpr std::uint32_t kMmapable = 1U << 10;
inline constexpr std::uint32_t kInnerMap = 1U << 12;     // arrays of other sizes may stand in for it in a map of maps
inline constexpr std::uint32_t kSegvOnFault = 1U << 17;  // arenas: user space faults where no page is, and gets none
inline constexpr std::uint32_t kNoUserConversion = 1U
                                                   << 18;  // arenas: programs store pointers without their upper half
}  // namespace map_flags

// Flags of an element update (BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK). kLock is for values with a spin lock, which
// is then held while the value is written; it combines with the others.
enum class UpdateMode : std::uint64_t { kAny = 0, kNoExist = 1, kExist = 2, kLock = 4 };
constexpr UpdateMode operator|(UpdateMode one, UpdateMode other) noexcept {
  return static_cast<UpdateMode>(static_cast<std::uint64_t>(one) | static_cast<std::uint64_t>(other));
}
inline constexpr std::uint64_t kUpdateWithLock = static_cast<std::uint64_t>(UpdateMode::kLock);
// Of a lookup (0, BPF_F_LOCK).
enum class LookupMode : std::uint64_t { kPlain = 0, kLock = 4 };

}  // namespace strata
