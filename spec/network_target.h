// The records (AttachTarget::config) of the attach kinds that hook interfaces, network namespaces, cgroups and sockets.
#pragma once

#include <cstdint>

#include "strata/spec/program_type.h"

namespace strata {

// How an interface runs an XDP program: XDP_FLAGS_* of linux/if_link.h.
enum class XdpMode : std::uint32_t {
  kDefault = 0,  // by the driver where it can, generic elsewhere
  kGeneric = 1U << 1,
  kNative = 1U << 2,
  kOffload = 1U << 3,  // the program was loaded for that device
};

// Where among the programs of one place a new one goes. They run from the first to the last.
struct Anchor {
  enum class Side : std::uint32_t { kLast, kFirst, kBefore, kAfter };
  enum class Neighbour : std::uint32_t { kProgram, kLink };
  Side side = Side::kLast;
  Neighbour neighbour = Neighbour::kProgram;  // of kBefore and kAfter
  std::uint32_t id = 0;                       // of the neighbour
  bool operator==(const Anchor&) const = default;
};

// How a program is bound to a cgroup. Links run beside the programs of kMulti; no mode is ever taken for another.
enum class CgroupMode : std::uint32_t {
  kLink,       // a BPF link, Linux 5.7
  kMulti,      // BPF_F_ALLOW_MULTI, Linux 4.15: several programs, those of the ancestors run too
  kOverride,   // BPF_F_ALLOW_OVERRIDE, Linux 4.10: one program, a descendant's own one runs in its stead
  kExclusive,  // one program, and no descendant may have one
};

enum class SockMapMode : std::uint32_t {
  kLink,   // a BPF link, Linux 6.10
  kPlain,  // BPF_PROG_ATTACH: takes the place of a program that is there
};

// Of the kind "xdp".
struct XdpConfig {
  std::uint32_t ifindex = 0;
  XdpMode mode = XdpMode::kDefault;
};

// Of the kinds "tcx" and "netkit".
struct InterfaceConfig {
  std::uint32_t ifindex = 0;
  AttachType attach_type = AttachType::kNone;
  Anchor anchor = {};
  std::uint32_t unused = 0;
  std::uint64_t expected_revision = 0;  // of the order of programs; 0: any
};

// Of the kind "cgroup"; AttachTarget::path is its folder.
struct CgroupConfig {
  AttachType attach_type = AttachType::kNone;
  CgroupMode mode = CgroupMode::kLink;
  Anchor anchor = {};
  std::uint32_t unused = 0;
  std::uint64_t expected_revision = 0;
};

// Of the kind "netfilter": linux/netfilter.h.
struct NetfilterConfig {
  std::uint32_t protocol_family = 0;  // NFPROTO_*
  std::uint32_t hook = 0;             // NF_INET_*
  std::int32_t priority = 0;
  std::uint32_t flags = 0;  // BPF_F_NETFILTER_IP_DEFRAG
};

// Of the kinds "socket_filter" and "sk_reuseport".
struct SocketConfig {
  std::int32_t fd = -1;  // of the process that attaches
};

// Of the kind "sockmap".
struct SockMapConfig {
  std::uint32_t map_id = 0;
  AttachType attach_type = AttachType::kNone;
  SockMapMode mode = SockMapMode::kLink;
};

}  // namespace strata
