// What a backend may be asked for: kinds of maps, programs, helpers, links. The answer has three values, because a
// process without privileges, or a kernel that says EPERM to everything, cannot tell.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "strata/base/error.h"
#include "strata/base/export.h"
#include "strata/btf/btf.h"
#include "strata/spec/map_type.h"
#include "strata/spec/program_type.h"

namespace strata {

struct MapTypeFeature {
  MapType type = MapType::kUnspec;
};

// One of map_flags.
struct MapFlagFeature {
  std::uint32_t flag = 0;
};

// What a program type can do depends on where it is to be attached: a kernel may refuse fentry and allow tp_btf, both
// of which are tracing programs. kNone: the one that most programs of the type have.
struct ProgramTypeFeature {
  ProgramType type = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
};

struct HelperFeature {
  std::uint32_t helper = 0;  // enum bpf_func_id
  ProgramType type = ProgramType::kUnspec;
  AttachType attach_type = AttachType::kNone;
};

// Instructions beyond the first set, as clang's -mcpu counts them.
enum class InstructionSet : std::uint8_t {
  kV2,  // jumps on less-than
  kV3,  // 32-bit jumps
  kV4,  // signed loads, long jumps, byte swaps
};

// What a link holds (enum bpf_link_type).
enum class LinkKind : std::uint8_t {
  kRawTracepoint = 1,
  kTracing = 2,
  kCgroup = 3,
  kIterator = 4,
  kNetns = 5,
  kXdp = 6,
  kPerfEvent = 7,
  kKprobeMulti = 8,
  kStructOps = 9,
  kNetfilter = 10,
  kTcx = 11,
  kUprobeMulti = 12,
  kNetkit = 13,
  kSockMap = 14,
};

struct BtfKindFeature {
  btf::Kind kind = btf::Kind::kUnknown;
};

enum class Ability : std::uint8_t {
  kBoundedLoops,       // loops that the verifier sees the end of
  kLargeProgram,       // more than 4096 instructions, for who may
  kAttachCookie,       // a cookie of a uprobe, kprobe or tracepoint
  kToken,              // BPF_TOKEN_CREATE
  kLogTrueSize,        // the kernel says how long a verifier log is
  kProgramName,        // a name of an object
  kDotInName,          // a '.' in it
  kGlobalData,         // addresses inside of map values
  kMemcgAccounting,    // memory of objects is accounted to cgroups, not to RLIMIT_MEMLOCK
  kProgramStatistics,  // BPF_ENABLE_STATS
};

using Feature = std::variant<MapTypeFeature, MapFlagFeature, ProgramTypeFeature, HelperFeature, InstructionSet,
                             LinkKind, BtfKindFeature, Ability>;

enum class Support : std::uint8_t { kInconclusive, kYes, kNo };

struct FeatureAnswer {
  Support support = Support::kInconclusive;
  std::string reason = {};  // of kNo and kInconclusive: what was tried and how it ended
};

// "map type arena", "program type tracing with attach type trace_fentry", "helper bpf_loop in programs of type xdp".
STRATA_EXPORT std::string FeatureName(const Feature& feature);

// KERNEL_VERSION of the first kernel that has it; 0 where we do not know. The version of a kernel never decides an
// answer: features are back-ported, and left out of configurations.
STRATA_EXPORT std::uint32_t FirstKernelWith(const Feature& feature);

// "6.9", "3.19" of a KERNEL_VERSION.
STRATA_EXPORT std::string LinuxVersionText(std::uint32_t version);

// "map type arena: not supported (needs Linux 6.9): ..." of an answer that is no; kNotSupported.
STRATA_EXPORT Error NotSupported(const Feature& feature, const FeatureAnswer& answer);

// Every feature with a row in our tables, without helpers.
STRATA_EXPORT std::vector<Feature> KnownFeatures();

}  // namespace strata
