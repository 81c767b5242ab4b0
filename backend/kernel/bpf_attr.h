// bpf(2) as Linux 6.18 lays it out (include/uapi/linux/bpf.h): a struct for the arguments of each command, and the
// records that it fills. The system's own header may be older; kernels accept larger arguments whose tail is zero.
//
// Pointers are 64-bit numbers, descriptors and ids 32-bit ones. Every member is zero until it is set.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace strata::kernel {

enum class Command : std::int32_t {
  kMapCreate = 0,
  kMapLookup = 1,
  kMapUpdate = 2,
  kMapDelete = 3,
  kMapNextKey = 4,
  kProgramLoad = 5,
  kPin = 6,
  kOpenPinned = 7,
  kProgramAttach = 8,
  kProgramDetach = 9,
  kProgramTestRun = 10,
  kProgramNextId = 11,
  kMapNextId = 12,
  kProgramOpenById = 13,
  kMapOpenById = 14,
  kInfo = 15,
  kProgramQuery = 16,
  kRawTracepointOpen = 17,
  kBtfLoad = 18,
  kBtfOpenById = 19,
  kTaskFdQuery = 20,
  kMapLookupAndDelete = 21,
  kMapFreeze = 22,
  kBtfNextId = 23,
  kMapLookupBatch = 24,
  kMapLookupAndDeleteBatch = 25,
  kMapUpdateBatch = 26,
  kMapDeleteBatch = 27,
  kLinkCreate = 28,
  kLinkUpdate = 29,
  kLinkOpenById = 30,
  kLinkNextId = 31,
  kEnableStats = 32,
  kIteratorCreate = 33,
  kLinkDetach = 34,
  kProgramBindMap = 35,
  kTokenCreate = 36,
  kProgramStreamRead = 37,
};

using ObjectNameBytes = std::array<char, 16>;  // NUL-terminated

// A pointer as the kernel takes it.
template <typename T>
std::uint64_t AddressOf(const T* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

struct MapCreateAttr {
  std::uint32_t map_type = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t map_flags = 0;
  std::uint32_t inner_map_fd = 0;
  std::uint32_t numa_node = 0;
  ObjectNameBytes map_name{};
  std::uint32_t map_ifindex = 0;
  std::uint32_t btf_fd = 0;
  std::uint32_t btf_key_type_id = 0;
  std::uint32_t btf_value_type_id = 0;
  std::uint32_t btf_vmlinux_value_type_id = 0;
  std::uint64_t map_extra = 0;
  std::int32_t value_type_btf_obj_fd = 0;
  std::int32_t map_token_fd = 0;
};
static_assert(sizeof(MapCreateAttr) == 80);

// kMapLookup, kMapUpdate, kMapDelete, kMapNextKey, kMapLookupAndDelete, kMapFreeze.
struct ElementAttr {
  std::uint32_t map_fd = 0;
  std::uint32_t unused = 0;
  std::uint64_t key = 0;
  std::uint64_t value = 0;  // or the next key
  std::uint64_t flags = 0;
};
static_assert(sizeof(ElementAttr) == 32);

struct BatchAttr {
  std::uint64_t in_batch = 0;
  std::uint64_t out_batch = 0;
  std::uint64_t keys = 0;
  std::uint64_t values = 0;
  std::uint32_t count = 0;  // in: elements that there is room for; out: elements done
  std::uint32_t map_fd = 0;
  std::uint64_t element_flags = 0;
  std::uint64_t flags = 0;
};
static_assert(sizeof(BatchAttr) == 56);

struct ProgramLoadAttr {
  std::uint32_t prog_type = 0;
  std::uint32_t insn_cnt = 0;
  std::uint64_t insns = 0;
  std::uint64_t license = 0;
  std::uint32_t log_level = 0;
  std::uint32_t log_size = 0;
  std::uint64_t log_buf = 0;
  std::uint32_t kern_version = 0;
  std::uint32_t prog_flags = 0;
  ObjectNameBytes prog_name{};
  std::uint32_t prog_ifindex = 0;
  std::uint32_t expected_attach_type = 0;
  std::uint32_t prog_btf_fd = 0;
  std::uint32_t func_info_rec_size = 0;
  std::uint64_t func_info = 0;
  std::uint32_t func_info_cnt = 0;
  std::uint32_t line_info_rec_size = 0;
  std::uint64_t line_info = 0;
  std::uint32_t line_info_cnt = 0;
  std::uint32_t attach_btf_id = 0;
  std::uint32_t attach_fd = 0;  // a program (freplace) or a module's BTF
  std::uint32_t core_relo_cnt = 0;
  std::uint64_t fd_array = 0;
  std::uint64_t core_relos = 0;
  std::uint32_t core_relo_rec_size = 0;
  std::uint32_t log_true_size = 0;  // out, since Linux 6.4: bytes that the whole log has
  std::int32_t prog_token_fd = 0;
  std::uint32_t fd_array_cnt = 0;
};
static_assert(sizeof(ProgramLoadAttr) == 152);

// kPin, kOpenPinned.
struct PathAttr {
  std::uint64_t pathname = 0;
  std::uint32_t bpf_fd = 0;
  std::uint32_t file_flags = 0;
  std::int32_t path_fd = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(PathAttr) == 24);

// kProgramAttach, kProgramDetach.
struct AttachAttr {
  std::uint32_t target = 0;  // a descriptor, or an interface's index
  std::uint32_t attach_bpf_fd = 0;
  std::uint32_t attach_type = 0;
  std::uint32_t attach_flags = 0;
  std::uint32_t replace_bpf_fd = 0;
  std::uint32_t relative = 0;  // descriptor or id
  std::uint64_t expected_revision = 0;
};
static_assert(sizeof(AttachAttr) == 32);

struct TestRunAttr {
  std::uint32_t prog_fd = 0;
  std::uint32_t retval = 0;
  std::uint32_t data_size_in = 0;
  std::uint32_t data_size_out = 0;
  std::uint64_t data_in = 0;
  std::uint64_t data_out = 0;
  std::uint32_t repeat = 0;
  std::uint32_t duration = 0;  // nanoseconds of one run, the mean
  std::uint32_t ctx_size_in = 0;
  std::uint32_t ctx_size_out = 0;
  std::uint64_t ctx_in = 0;
  std::uint64_t ctx_out = 0;
  std::uint32_t flags = 0;
  std::uint32_t cpu = 0;
  std::uint32_t batch_size = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(TestRunAttr) == 80);

// k*OpenById, k*NextId.
struct IdAttr {
  std::uint32_t id = 0;  // of the object; the id to start behind
  std::uint32_t next_id = 0;
  std::uint32_t open_flags = 0;
  std::int32_t token_fd = 0;
};
static_assert(sizeof(IdAttr) == 16);

struct InfoAttr {
  std::uint32_t bpf_fd = 0;
  std::uint32_t info_len = 0;
  std::uint64_t info = 0;
};
static_assert(sizeof(InfoAttr) == 16);

struct QueryAttr {
  std::uint32_t target = 0;  // a descriptor, or an interface's index
  std::uint32_t attach_type = 0;
  std::uint32_t query_flags = 0;
  std::uint32_t attach_flags = 0;  // out
  std::uint64_t prog_ids = 0;
  std::uint32_t count = 0;  // in: room; out: programs
  std::uint32_t unused = 0;
  std::uint64_t prog_attach_flags = 0;
  std::uint64_t link_ids = 0;
  std::uint64_t link_attach_flags = 0;
  std::uint64_t revision = 0;  // out
};
static_assert(sizeof(QueryAttr) == 64);

struct RawTracepointAttr {
  std::uint64_t name = 0;
  std::uint32_t prog_fd = 0;
  std::uint32_t unused = 0;
  std::uint64_t cookie = 0;
};
static_assert(sizeof(RawTracepointAttr) == 24);

struct BtfLoadAttr {
  std::uint64_t btf = 0;
  std::uint64_t log_buf = 0;
  std::uint32_t btf_size = 0;
  std::uint32_t log_size = 0;
  std::uint32_t log_level = 0;
  std::uint32_t log_true_size = 0;
  std::uint32_t flags = 0;
  std::int32_t token_fd = 0;
};
static_assert(sizeof(BtfLoadAttr) == 40);

// kLinkCreate. What follows `flags` depends on the attach type.
struct LinkCreateAttr {
  std::uint32_t prog_fd = 0;  // or a struct_ops map
  std::uint32_t target = 0;   // a descriptor, or an interface's index
  std::uint32_t attach_type = 0;
  std::uint32_t flags = 0;
  struct Iterator {
    std::uint64_t info;  // a union bpf_iter_link_info
    std::uint32_t info_len;
  };
  struct PerfEvent {
    std::uint64_t cookie;
  };
  struct KprobeMulti {
    std::uint32_t flags;
    std::uint32_t count;
    std::uint64_t symbols;
    std::uint64_t addresses;
    std::uint64_t cookies;
  };
  struct Tracing {
    std::uint32_t target_btf_id;
    std::uint32_t unused;
    std::uint64_t cookie;
  };
  struct Netfilter {
    std::uint32_t protocol_family;
    std::uint32_t hook;
    std::int32_t priority;
    std::uint32_t flags;
  };
  struct Relative {          // tcx, netkit, cgroup
    std::uint32_t relative;  // descriptor or id
    std::uint32_t unused;
    std::uint64_t expected_revision;
  };
  struct UprobeMulti {
    std::uint64_t path;
    std::uint64_t offsets;
    std::uint64_t ref_ctr_offsets;
    std::uint64_t cookies;
    std::uint32_t count;
    std::uint32_t flags;
    std::uint32_t pid;
    std::uint32_t path_fd;
  };
  union Detail {
    std::uint64_t words[6];
    Iterator iterator;
    PerfEvent perf_event;
    KprobeMulti kprobe_multi;
    Tracing tracing;
    Netfilter netfilter;
    Relative relative;
    UprobeMulti uprobe_multi;
  } detail = {.words = {}};
};
static_assert(sizeof(LinkCreateAttr) == 64);

struct LinkUpdateAttr {
  std::uint32_t link_fd = 0;
  std::uint32_t new_fd = 0;  // a program or a struct_ops map
  std::uint32_t flags = 0;
  std::uint32_t old_fd = 0;
};
static_assert(sizeof(LinkUpdateAttr) == 16);

// kLinkDetach, kEnableStats: one number. kIteratorCreate: link and flags. kTokenCreate: flags and bpffs.
struct TwoNumbersAttr {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
};

struct BindMapAttr {
  std::uint32_t prog_fd = 0;
  std::uint32_t map_fd = 0;
  std::uint32_t flags = 0;
};

struct StreamReadAttr {
  std::uint64_t buffer = 0;
  std::uint32_t length = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t prog_fd = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(StreamReadAttr) == 24);

// struct bpf_map_info.
struct MapInfoRecord {
  std::uint32_t type = 0;
  std::uint32_t id = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t map_flags = 0;
  ObjectNameBytes name{};
  std::uint32_t ifindex = 0;
  std::uint32_t btf_vmlinux_value_type_id = 0;
  std::uint64_t netns_device = 0;
  std::uint64_t netns_inode = 0;
  std::uint32_t btf_id = 0;
  std::uint32_t btf_key_type_id = 0;
  std::uint32_t btf_value_type_id = 0;
  std::uint32_t btf_vmlinux_id = 0;
  std::uint64_t map_extra = 0;
};
static_assert(sizeof(MapInfoRecord) == 88);

// struct bpf_prog_info. Pointers with a count are in and out: room and what there is.
struct ProgramInfoRecord {
  std::uint32_t type = 0;
  std::uint32_t id = 0;
  std::array<std::uint8_t, 8> tag{};
  std::uint32_t jited_prog_len = 0;
  std::uint32_t xlated_prog_len = 0;
  std::uint64_t jited_prog_insns = 0;
  std::uint64_t xlated_prog_insns = 0;
  std::uint64_t load_time = 0;  // nanoseconds since boot
  std::uint32_t created_by_uid = 0;
  std::uint32_t nr_map_ids = 0;
  std::uint64_t map_ids = 0;
  ObjectNameBytes name{};
  std::uint32_t ifindex = 0;
  std::uint32_t gpl_compatible = 0;  // bit 0
  std::uint64_t netns_device = 0;
  std::uint64_t netns_inode = 0;
  std::uint32_t nr_jited_ksyms = 0;
  std::uint32_t nr_jited_func_lens = 0;
  std::uint64_t jited_ksyms = 0;
  std::uint64_t jited_func_lens = 0;
  std::uint32_t btf_id = 0;
  std::uint32_t func_info_rec_size = 0;
  std::uint64_t func_info = 0;
  std::uint32_t nr_func_info = 0;
  std::uint32_t nr_line_info = 0;
  std::uint64_t line_info = 0;
  std::uint64_t jited_line_info = 0;
  std::uint32_t nr_jited_line_info = 0;
  std::uint32_t line_info_rec_size = 0;
  std::uint32_t jited_line_info_rec_size = 0;
  std::uint32_t nr_prog_tags = 0;
  std::uint64_t prog_tags = 0;
  std::uint64_t run_time_ns = 0;
  std::uint64_t run_cnt = 0;
  std::uint64_t recursion_misses = 0;
  std::uint32_t verified_insns = 0;
  std::uint32_t attach_btf_obj_id = 0;
  std::uint32_t attach_btf_id = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(ProgramInfoRecord) == 232);

// struct bpf_btf_info.
struct BtfInfoRecord {
  std::uint64_t btf = 0;
  std::uint32_t btf_size = 0;
  std::uint32_t id = 0;
  std::uint64_t name = 0;
  std::uint32_t name_len = 0;
  std::uint32_t kernel_btf = 0;
};
static_assert(sizeof(BtfInfoRecord) == 32);

// struct bpf_link_info. What follows `prog_id` depends on the type.
struct LinkInfoRecord {
  std::uint32_t type = 0;  // LinkKind
  std::uint32_t id = 0;
  std::uint32_t prog_id = 0;
  std::uint32_t unused = 0;
  struct RawTracepoint {
    std::uint64_t name;  // in: where to write it
    std::uint32_t name_len;
    std::uint32_t reserved;
    std::uint64_t cookie;
  };
  struct Tracing {
    std::uint32_t attach_type;
    std::uint32_t target_object_id;  // program or BTF
    std::uint32_t target_btf_id;
    std::uint32_t reserved;
    std::uint64_t cookie;
  };
  struct Cgroup {
    std::uint64_t cgroup_id;
    std::uint32_t attach_type;
  };
  struct Iterator {
    std::uint64_t target_name;  // in: where to write it
    std::uint32_t target_name_len;
    std::uint32_t map_id;
    std::uint64_t cgroup_id_or_task;  // of a cgroup iterator; tid and pid of a task iterator
    std::uint32_t cgroup_order;
  };
  struct Netns {
    std::uint32_t inode;
    std::uint32_t attach_type;
  };
  struct Interface {  // xdp, tcx, netkit
    std::uint32_t ifindex;
    std::uint32_t attach_type;  // not of xdp
  };
  struct StructOps {
    std::uint32_t map_id;
  };
  struct Netfilter {
    std::uint32_t protocol_family;
    std::uint32_t hook;
    std::int32_t priority;
    std::uint32_t flags;
  };
  struct KprobeMulti {
    std::uint64_t addresses;
    std::uint32_t count;
    std::uint32_t flags;
    std::uint64_t missed;
    std::uint64_t cookies;
  };
  struct UprobeMulti {
    std::uint64_t path;
    std::uint64_t offsets;
    std::uint64_t ref_ctr_offsets;
    std::uint64_t cookies;
    std::uint32_t path_size;
    std::uint32_t count;
    std::uint32_t flags;
    std::uint32_t pid;
  };
  struct PerfEvent {
    struct Uprobe {
      std::uint64_t file_name;
      std::uint32_t name_len;
      std::uint32_t offset;
      std::uint64_t cookie;
      std::uint64_t ref_ctr_offset;
    };
    struct Kprobe {
      std::uint64_t function_name;
      std::uint32_t name_len;
      std::uint32_t offset;
      std::uint64_t address;
      std::uint64_t missed;
      std::uint64_t cookie;
    };
    struct Tracepoint {
      std::uint64_t name;
      std::uint32_t name_len;
      std::uint32_t reserved;
      std::uint64_t cookie;
    };
    struct Event {
      std::uint64_t config;
      std::uint32_t type;
      std::uint32_t reserved;
      std::uint64_t cookie;
    };
    std::uint32_t type;  // enum bpf_perf_event_type
    std::uint32_t unused;
    union {
      Uprobe uprobe;
      Kprobe kprobe;
      Tracepoint tracepoint;
      Event event;
    };
  };
  struct SockMap {
    std::uint32_t map_id;
    std::uint32_t attach_type;
  };
  union Detail {
    std::uint64_t words[6];
    RawTracepoint raw_tracepoint;
    Tracing tracing;
    Cgroup cgroup;
    Iterator iterator;
    Netns netns;
    Interface interface;
    StructOps struct_ops;
    Netfilter netfilter;
    KprobeMulti kprobe_multi;
    UprobeMulti uprobe_multi;
    PerfEvent perf_event;
    SockMap sock_map;
  } detail = {.words = {}};
};
static_assert(sizeof(LinkInfoRecord) == 64);

// Flags of kLinkCreate, kProgramAttach and kProgramQuery (BPF_F_*).
namespace attach_flags {
inline constexpr std::uint32_t kAllowOverride = 1U << 0;
inline constexpr std::uint32_t kAllowMulti = 1U << 1;
inline constexpr std::uint32_t kReplace = 1U << 2;  // kLinkUpdate: old_fd is to be compared
inline constexpr std::uint32_t kBefore = 1U << 3;
inline constexpr std::uint32_t kAfter = 1U << 4;
inline constexpr std::uint32_t kId = 1U << 5;
inline constexpr std::uint32_t kPreorder = 1U << 6;
inline constexpr std::uint32_t kLink = 1U << 13;
inline constexpr std::uint32_t kQueryEffective = 1U << 0;  // kProgramQuery alone
}  // namespace attach_flags

// Flags of kProgramLoad (BPF_F_*).
namespace program_flags {
inline constexpr std::uint32_t kStrictAlignment = 1U << 0;
inline constexpr std::uint32_t kSleepable = 1U << 4;
inline constexpr std::uint32_t kXdpHasFrags = 1U << 5;
inline constexpr std::uint32_t kTokenFd = 1U << 16;
}  // namespace program_flags

}  // namespace strata::kernel
