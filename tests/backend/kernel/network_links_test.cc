// What links of the network ask of the kernel, and what is made of the answers of kernels that are not at hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "fake_syscalls.h"
#include "strata/backend/kernel/kernel_backend.h"
#include "strata/spec/network_target.h"

namespace strata::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kLinux5_4 = 5U << 16 | 4U << 8;
constexpr std::uint32_t kLinux6_18 = 6U << 16 | 18U << 8;
constexpr char kFolder[] = "/";
constexpr char kNetns[] = "/proc/self/ns/net";

// The backend over a kernel that the test plays.
class NetworkLinks : public ::testing::Test {
 protected:
  void Open(std::uint32_t version, FakeSyscalls::Answer special = nullptr) {
    syscalls_ = std::make_shared<FakeSyscalls>(TellProgramType(std::move(special)));
    backend_ = OpenKernelBackend({.syscalls = syscalls_, .kernel_version = version}).value();
  }
  // Each kLinkCreate fails.
  void OpenRefusing(std::uint32_t version, int sys_errno) {
    Open(version, [sys_errno](Command command, void*) -> std::optional<long> {
      return command == Command::kLinkCreate ? std::optional<long>(-sys_errno) : std::nullopt;
    });
  }

  // A kernel that accepts everything and knows of which type the program loaded last is.
  FakeSyscalls::Answer TellProgramType(FakeSyscalls::Answer special = nullptr) {
    return AcceptEverything([this, special = std::move(special)](Command command, void* raw) -> std::optional<long> {
      auto* attr = static_cast<InfoAttr*>(raw);
      if (command == Command::kInfo && attr->info_len == sizeof(ProgramInfoRecord)) {
        reinterpret_cast<ProgramInfoRecord*>(attr->info)->type = static_cast<std::uint32_t>(type_);
      }
      return special != nullptr ? special(command, raw) : std::nullopt;
    });
  }

  std::shared_ptr<BackendProgram> Load(ProgramType type) {
    type_ = type;
    LinkedProgram program;
    program.name = "program";
    program.type = type;
    program.license = "GPL";
    program.instructions = {{.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 0},
                            {.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0}};
    return backend_->LoadProgram(program).value();
  }

  Result<std::unique_ptr<BackendLink>> Attach(const AttachTarget& target, ProgramType type) {
    return backend_->Attach(Load(type), target, {});
  }

  template <typename Config>
  static AttachTarget Target(const std::string& kind, const Config& config, const std::string& path = {}) {
    AttachTarget target;
    target.kind = kind;
    target.path = path;
    target.config = EncodeConfig(config);
    return target;
  }
  static AttachTarget Namespace(const std::string& kind) {
    AttachTarget target;
    target.kind = kind;
    target.path = kNetns;
    return target;
  }

  LinkCreateAttr Created() const { return syscalls_->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>(); }

  std::shared_ptr<FakeSyscalls> syscalls_;
  std::shared_ptr<Backend> backend_;
  ProgramType type_ = ProgramType::kUnspec;
};

TEST_F(NetworkLinks, XdpGivesInterfaceAndMode) {
  Open(kLinux6_18);
  ASSERT_TRUE(Attach(Target("xdp", XdpConfig{.ifindex = 7, .mode = XdpMode::kNative}), ProgramType::kXdp));
  const LinkCreateAttr attr = Created();
  EXPECT_NE(attr.prog_fd, 0U);
  EXPECT_EQ(attr.target, 7U);
  EXPECT_EQ(attr.attach_type, 37U);
  EXPECT_EQ(attr.flags, 4U);  // XDP_FLAGS_DRV_MODE
  EXPECT_EQ(attr.detail.words[0], 0U);
}

TEST_F(NetworkLinks, TcxGivesAnchorAndRevision) {
  Open(kLinux6_18);
  struct Case {
    Anchor anchor;
    std::uint32_t flags;
    std::uint32_t relative;
  };
  using enum Anchor::Side;
  const Case cases[] = {
      {{}, 0, 0},
      {{.side = kFirst}, 1U << 3, 0},
      {{kBefore, Anchor::Neighbour::kProgram, 9}, 1U << 3 | 1U << 5, 9},
      {{kAfter, Anchor::Neighbour::kLink, 11}, 1U << 4 | 1U << 5 | 1U << 13, 11},
  };
  for (const Case& expected : cases) {
    const InterfaceConfig config{.ifindex = 3,
                                 .attach_type = AttachType::kTcxEgress,
                                 .anchor = expected.anchor,
                                 .expected_revision = 0x123456789aULL};
    ASSERT_TRUE(Attach(Target("tcx", config), ProgramType::kSchedCls));
    const LinkCreateAttr attr = Created();
    EXPECT_EQ(attr.target, 3U);
    EXPECT_EQ(attr.attach_type, 47U);
    EXPECT_EQ(attr.flags, expected.flags);
    EXPECT_EQ(attr.detail.relative.relative, expected.relative);
    EXPECT_EQ(attr.detail.relative.expected_revision, 0x123456789aULL);
  }
}

TEST_F(NetworkLinks, NetkitGivesItsSide) {
  Open(kLinux6_18);
  const InterfaceConfig config{.ifindex = 4, .attach_type = AttachType::kNetkitPeer};
  ASSERT_TRUE(Attach(Target("netkit", config), ProgramType::kSchedCls));
  EXPECT_EQ(Created().target, 4U);
  EXPECT_EQ(Created().attach_type, 55U);
  EXPECT_EQ(Created().flags, 0U);
}

TEST_F(NetworkLinks, CgroupLinkGivesFolderAndAnchor) {
  Open(kLinux6_18);
  const CgroupConfig config{.attach_type = AttachType::kCgroupInet4Connect,
                            .anchor = {Anchor::Side::kAfter, Anchor::Neighbour::kProgram, 5},
                            .expected_revision = 6};
  ASSERT_TRUE(Attach(Target("cgroup", config, kFolder), ProgramType::kCgroupSockAddr));
  const LinkCreateAttr attr = Created();
  EXPECT_GT(attr.target, 2U);
  EXPECT_EQ(attr.attach_type, 10U);
  EXPECT_EQ(attr.flags, 1U << 4 | 1U << 5);
  EXPECT_EQ(attr.detail.relative.relative, 5U);
  EXPECT_EQ(attr.detail.relative.expected_revision, 6U);
  EXPECT_TRUE(syscalls_->CallsOf(Command::kProgramAttach).empty());
}

TEST_F(NetworkLinks, CgroupModesAttachAndDetachByCommand) {
  Open(kLinux6_18);
  const std::pair<CgroupMode, std::uint32_t> cases[] = {
      {CgroupMode::kMulti, 2}, {CgroupMode::kOverride, 1}, {CgroupMode::kExclusive, 0}};
  for (const auto& [mode, flags] : cases) {
    const CgroupConfig config{.attach_type = AttachType::kCgroupDevice, .mode = mode};
    { ASSERT_TRUE(Attach(Target("cgroup", config, kFolder), ProgramType::kCgroupDevice)); }
    const auto attach = syscalls_->CallsOf(Command::kProgramAttach).back().As<AttachAttr>();
    EXPECT_EQ(attach.attach_type, 6U);
    EXPECT_EQ(attach.attach_flags, flags);
    EXPECT_EQ(attach.replace_bpf_fd, 0U);
    const auto detach = syscalls_->CallsOf(Command::kProgramDetach).back().As<AttachAttr>();
    EXPECT_EQ(detach.target, attach.target);
    EXPECT_EQ(detach.attach_bpf_fd, attach.attach_bpf_fd);
    EXPECT_EQ(detach.attach_type, 6U);
    EXPECT_EQ(detach.attach_flags, 0U);
  }
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramDetach).size(), 3U);
  EXPECT_TRUE(syscalls_->CallsOf(Command::kLinkCreate).empty());
}

TEST_F(NetworkLinks, CgroupProgramsAreReplacedByName) {
  Open(kLinux6_18);
  const CgroupConfig config{.attach_type = AttachType::kCgroupDevice, .mode = CgroupMode::kMulti};
  const auto link = Attach(Target("cgroup", config, kFolder), ProgramType::kCgroupDevice).value();
  const auto before = syscalls_->CallsOf(Command::kProgramAttach).back().As<AttachAttr>();
  ASSERT_TRUE(link->Update(Load(ProgramType::kCgroupDevice), nullptr));
  const auto attach = syscalls_->CallsOf(Command::kProgramAttach).back().As<AttachAttr>();
  EXPECT_EQ(attach.attach_flags, 2U | 4U);
  EXPECT_EQ(attach.replace_bpf_fd, before.attach_bpf_fd);
  EXPECT_NE(attach.attach_bpf_fd, before.attach_bpf_fd);
}

TEST_F(NetworkLinks, NetnsProgramsGiveTheirNamespace) {
  Open(kLinux6_18);
  ASSERT_TRUE(Attach(Namespace("sk_lookup"), ProgramType::kSkLookup));
  EXPECT_EQ(Created().attach_type, 36U);
  EXPECT_GT(Created().target, 2U);
  ASSERT_TRUE(Attach(Namespace("flow_dissector"), ProgramType::kFlowDissector));
  EXPECT_EQ(Created().attach_type, 17U);
  EXPECT_EQ(Created().flags, 0U);
}

TEST_F(NetworkLinks, NetfilterGivesItsFields) {
  Open(kLinux6_18);
  const NetfilterConfig config{.protocol_family = 10, .hook = 3, .priority = -7, .flags = 1};
  ASSERT_TRUE(Attach(Target("netfilter", config), ProgramType::kNetfilter));
  const LinkCreateAttr attr = Created();
  EXPECT_EQ(attr.target, 0U);
  EXPECT_EQ(attr.attach_type, 45U);
  EXPECT_EQ(attr.flags, 0U);
  EXPECT_EQ(attr.detail.netfilter.protocol_family, 10U);
  EXPECT_EQ(attr.detail.netfilter.hook, 3U);
  EXPECT_EQ(attr.detail.netfilter.priority, -7);
  EXPECT_EQ(attr.detail.netfilter.flags, 1U);
}

TEST_F(NetworkLinks, SockMapGivesTheMap) {
  Open(kLinux6_18);
  const SockMapConfig config{.map_id = 12, .attach_type = AttachType::kSkSkbVerdict};
  ASSERT_TRUE(Attach(Target("sockmap", config), ProgramType::kSkSkb));
  EXPECT_EQ(syscalls_->CallsOf(Command::kMapOpenById).back().As<IdAttr>().id, 12U);
  EXPECT_EQ(Created().target, static_cast<std::uint32_t>(syscalls_->CallsOf(Command::kMapOpenById).back().result));
  EXPECT_EQ(Created().attach_type, 38U);
  EXPECT_TRUE(syscalls_->CallsOf(Command::kProgramAttach).empty());
  const SockMapConfig plain{.map_id = 12, .attach_type = AttachType::kSkSkbVerdict, .mode = SockMapMode::kPlain};
  { ASSERT_TRUE(Attach(Target("sockmap", plain), ProgramType::kSkSkb)); }
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramAttach).back().As<AttachAttr>().attach_flags, 0U);
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramDetach).back().As<AttachAttr>().attach_type, 38U);
}

TEST_F(NetworkLinks, StructOpsGiveTheirMap) {
  Open(kLinux6_18);
  MapSpec spec;
  spec.name = "control";
  spec.type = MapType::kStructOps;
  spec.key_size = 4;
  spec.value_size = 128;
  spec.max_entries = 1;
  const auto first = backend_->CreateMap(spec, nullptr).value();
  const auto second = backend_->CreateMap(spec, nullptr).value();
  const auto creations = syscalls_->CallsOf(Command::kMapCreate);
  const auto link = backend_->AttachStructOps(first).value();
  EXPECT_EQ(Created().prog_fd, static_cast<std::uint32_t>(creations[1].result));
  EXPECT_EQ(Created().attach_type, 44U);
  EXPECT_EQ(Created().target, 0U);
  ASSERT_TRUE(link->UpdateStructOps(second, first));
  const auto update = syscalls_->CallsOf(Command::kLinkUpdate).back().As<LinkUpdateAttr>();
  EXPECT_EQ(update.new_fd, static_cast<std::uint32_t>(creations[2].result));
  EXPECT_EQ(update.old_fd, static_cast<std::uint32_t>(creations[1].result));
  EXPECT_EQ(update.flags, attach_flags::kReplace);
}

struct OldKernelCase {
  const char* name;
  AttachTarget target;
  ProgramType type;
  const char* text;
};

template <typename Config>
AttachTarget MakeTarget(const std::string& kind, const Config& config, const std::string& path = {}) {
  AttachTarget target;
  target.kind = kind;
  target.path = path;
  target.config = EncodeConfig(config);
  return target;
}

TEST_F(NetworkLinks, OldKernelsAreNamedWithWhatTheyLack) {
  OpenRefusing(kLinux5_4, EINVAL);
  const OldKernelCase cases[] = {
      {"xdp", MakeTarget("xdp", XdpConfig{.ifindex = 1}), ProgramType::kXdp,
       "interface 1: XDP links need Linux 5.9, this is 5.4; attach the program by ip link set"},
      {"tcx", MakeTarget("tcx", InterfaceConfig{.ifindex = 1, .attach_type = AttachType::kTcxIngress}),
       ProgramType::kSchedCls, "tcx links need Linux 6.6, this is 5.4; attach the program by tc filter add"},
      {"netkit", MakeTarget("netkit", InterfaceConfig{.ifindex = 1, .attach_type = AttachType::kNetkitPrimary}),
       ProgramType::kSchedCls, "netkit links need Linux 6.7, this is 5.4"},
      {"cgroup", MakeTarget("cgroup", CgroupConfig{.attach_type = AttachType::kCgroupDevice}, kFolder),
       ProgramType::kCgroupDevice, "cgroup links need Linux 5.7, this is 5.4; choose CgroupMode::kMulti, kOverride or"},
      {"sk_lookup", Namespace("sk_lookup"), ProgramType::kSkLookup, "sk_lookup links need Linux 5.9, this is 5.4"},
      {"flow_dissector", Namespace("flow_dissector"), ProgramType::kFlowDissector,
       "flow_dissector links need Linux 5.8, this is 5.4"},
      {"netfilter", MakeTarget("netfilter", NetfilterConfig{.protocol_family = 2}), ProgramType::kNetfilter,
       "netfilter links need Linux 6.4, this is 5.4"},
      {"sockmap", MakeTarget("sockmap", SockMapConfig{.map_id = 1, .attach_type = AttachType::kSkMsgVerdict}),
       ProgramType::kSkMsg, "sockmap links need Linux 6.10, this is 5.4; choose SockMapMode::kPlain"},
  };
  for (const OldKernelCase& expected : cases) {
    const auto link = Attach(expected.target, expected.type);
    ASSERT_FALSE(link) << expected.name;
    EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported) << expected.name;
    EXPECT_THAT(link.error().message(), HasSubstr(expected.text));
  }
  EXPECT_TRUE(syscalls_->CallsOf(Command::kProgramAttach).empty()) << "no way to attach is taken for another";
}

TEST_F(NetworkLinks, NewKernelsAreNotCalledOld) {
  OpenRefusing(kLinux6_18, EINVAL);
  const auto link = Attach(MakeTarget("xdp", XdpConfig{.ifindex = 1}), ProgramType::kXdp);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(link.error().message(), ::testing::Not(HasSubstr("need Linux")));
}

TEST_F(NetworkLinks, KindsThatAreNotBuiltInAreNamedByTheirOption) {
  OpenRefusing(kLinux6_18, EINVAL);
  const auto link = Attach(MakeTarget("netkit", InterfaceConfig{.ifindex = 1, .attach_type = AttachType::kNetkitPeer}),
                           ProgramType::kSchedCls);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(link.error().message(), HasSubstr("netkit_peer: this kernel is built without CONFIG_NETKIT"));
  const auto calls = syscalls_->CallsOf(Command::kLinkCreate);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[1].As<LinkCreateAttr>().target, 0x7fffffffU);
}

TEST_F(NetworkLinks, RefusalsOfTheOrderAreExplained) {
  const InterfaceConfig config{.ifindex = 1,
                               .attach_type = AttachType::kTcxIngress,
                               .anchor = {Anchor::Side::kBefore, Anchor::Neighbour::kLink, 8},
                               .expected_revision = 4};
  const std::tuple<int, ErrorCode, const char*> cases[] = {
      {ESTALE, ErrorCode::kBusy, "its programs have changed since revision 4; query them again"},
      {EEXIST, ErrorCode::kKeyExist, "the program is attached to it already"},
      {ENOENT, ErrorCode::kNotFound, "link 8, by which the place was given, is not attached to it"},
      {ENODEV, ErrorCode::kNotFound, "there is no such interface"},
      {ERANGE, ErrorCode::kSystem, "it has as many programs as it can"},
  };
  for (const auto& [sys_errno, code, text] : cases) {
    OpenRefusing(kLinux6_18, sys_errno);
    const auto link = Attach(MakeTarget("tcx", config), ProgramType::kSchedCls);
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().code(), code) << text;
    EXPECT_THAT(link.error().message(), HasSubstr(text));
  }
}

// Answers queries as a kernel of a few programs.
FakeSyscalls::Answer HasPrograms(std::vector<std::uint32_t> ids, bool knows_columns = true) {
  return [ids = std::move(ids), knows_columns](Command command, void* raw) -> std::optional<long> {
    if (command != Command::kProgramQuery) return std::nullopt;
    auto& attr = *static_cast<QueryAttr*>(raw);
    if (!knows_columns && (attr.prog_attach_flags != 0 || attr.link_ids != 0)) return -E2BIG;
    const std::uint32_t room = attr.count;
    attr.count = static_cast<std::uint32_t>(ids.size());
    attr.attach_flags = 2;
    attr.revision = 77;
    if (room < ids.size()) return -ENOSPC;
    std::memcpy(reinterpret_cast<void*>(attr.prog_ids), ids.data(), ids.size() * sizeof(ids[0]));
    if (attr.link_ids != 0) *reinterpret_cast<std::uint32_t*>(attr.link_ids) = 5;
    if (attr.prog_attach_flags != 0) *reinterpret_cast<std::uint32_t*>(attr.prog_attach_flags) = 2;
    return 0;
  };
}

TEST_F(NetworkLinks, QueriesGiveThePlaceAndReadWhatItHas) {
  Open(kLinux6_18, HasPrograms({31, 32}));
  const auto on_interface =
      backend_->Query({.place = QueryTarget::Place::kInterface, .id = 9}, AttachType::kTcxIngress).value();
  EXPECT_THAT(on_interface.programs, ElementsAre(AttachedProgram{31, 5, 0}, AttachedProgram{32, 0, 0}));
  EXPECT_EQ(on_interface.revision, 77U);
  auto attr = syscalls_->CallsOf(Command::kProgramQuery).back().As<QueryAttr>();
  EXPECT_EQ(attr.target, 9U);
  EXPECT_EQ(attr.attach_type, 46U);
  EXPECT_EQ(attr.query_flags, 0U);
  EXPECT_EQ(attr.prog_attach_flags, 0U);

  const auto in_group =
      backend_->Query({.place = QueryTarget::Place::kCgroup, .path = kFolder}, AttachType::kCgroupSysctl).value();
  EXPECT_THAT(in_group.programs, ElementsAre(AttachedProgram{31, 0, 2}, AttachedProgram{32, 0, 0}));
  EXPECT_EQ(in_group.flags, 2U);
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramQuery).back().As<QueryAttr>().attach_type, 18U);

  ASSERT_TRUE(backend_->Query({.place = QueryTarget::Place::kCgroup, .path = kFolder, .is_effective = true},
                              AttachType::kCgroupSysctl));
  attr = syscalls_->CallsOf(Command::kProgramQuery).back().As<QueryAttr>();
  EXPECT_EQ(attr.query_flags, 1U);
  EXPECT_EQ(attr.prog_attach_flags, 0U);
}

TEST_F(NetworkLinks, QueriesOfOldKernelsTellProgramsOnly) {
  Open(kLinux5_4, HasPrograms({31}, false));
  const auto in_group =
      backend_->Query({.place = QueryTarget::Place::kCgroup, .path = kFolder}, AttachType::kCgroupSysctl).value();
  EXPECT_THAT(in_group.programs, ElementsAre(AttachedProgram{31, 0, 0}));
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramQuery).size(), 2U);
}

TEST_F(NetworkLinks, QueriesMakeRoomForManyPrograms) {
  Open(kLinux6_18, HasPrograms(std::vector<std::uint32_t>(100, 6)));
  const auto attached =
      backend_->Query({.place = QueryTarget::Place::kSockMap, .id = 3}, AttachType::kSkMsgVerdict).value();
  EXPECT_EQ(attached.programs.size(), 100U);
  EXPECT_EQ(syscalls_->CallsOf(Command::kProgramQuery).size(), 2U);
  EXPECT_EQ(syscalls_->CallsOf(Command::kMapOpenById).back().As<IdAttr>().id, 3U);
}

TEST_F(NetworkLinks, PlacesThatKnowNoSuchProgramsAreRefused) {
  Open(kLinux6_18, [](Command command, void*) -> std::optional<long> {
    return command == Command::kProgramQuery ? std::optional<long>(-EINVAL) : std::nullopt;
  });
  const auto attached =
      backend_->Query({.place = QueryTarget::Place::kNetworkNamespace, .path = kNetns}, AttachType::kXdp);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(attached.error().message(), HasSubstr("network namespace /proc/self/ns/net, xdp: asking for programs"));
}

// Sockets that exist only here: one by number and cookie.
class FakeSockets : public FakeSyscalls {
 public:
  struct Option {
    int fd, option, value;
    bool operator==(const Option&) const = default;
  };
  using FakeSyscalls::FakeSyscalls;
  long SetSocketOption(int fd, int level, int option, const void* value, std::uint32_t size) const override {
    EXPECT_EQ(level, SOL_SOCKET);
    EXPECT_EQ(size, sizeof(int));
    options.push_back({fd, option, *static_cast<const int*>(value)});
    return 0;
  }
  long GetSocketOption(int, int, int option, void* value, std::uint32_t size) const override {
    EXPECT_EQ(option, SO_COOKIE);
    if (cookie == 0) return -EBADF;
    std::memcpy(value, &cookie, size);
    return 0;
  }
  mutable std::vector<Option> options;
  std::uint64_t cookie = 99;
};

class SocketLinks : public NetworkLinks {
 protected:
  void SetUp() override {
    sockets_ = std::make_shared<FakeSockets>(TellProgramType());
    syscalls_ = sockets_;
    backend_ = OpenKernelBackend({.syscalls = sockets_}).value();
  }
  std::shared_ptr<FakeSockets> sockets_;
};

TEST_F(SocketLinks, AttachAndDetachByOption) {
  constexpr int kSocket = 40;
  const std::tuple<const char*, ProgramType, int, int> cases[] = {
      {"socket_filter", ProgramType::kSocketFilter, SO_ATTACH_BPF, SO_DETACH_BPF},
      {"sk_reuseport", ProgramType::kSkReusePort, SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_REUSEPORT_BPF},
  };
  for (const auto& [kind, type, attach, detach] : cases) {
    sockets_->options.clear();
    { ASSERT_TRUE(Attach(Target(kind, SocketConfig{.fd = kSocket}), type)); }
    const auto program = static_cast<int>(syscalls_->CallsOf(Command::kProgramLoad).back().result);
    EXPECT_THAT(sockets_->options,
                ElementsAre(FakeSockets::Option{kSocket, attach, program}, FakeSockets::Option{kSocket, detach, 0}));
  }
}

TEST_F(SocketLinks, LeaveAnotherSocketOfTheSameNumberAlone) {
  for (const std::uint64_t later : {100U, 0U}) {
    sockets_->options.clear();
    sockets_->cookie = 99;
    auto link = Attach(Target("socket_filter", SocketConfig{.fd = 40}), ProgramType::kSocketFilter).value();
    sockets_->cookie = later;
    EXPECT_TRUE(link->Detach());
    EXPECT_EQ(sockets_->options.size(), 1U);
  }
}

}  // namespace
}  // namespace strata::kernel
