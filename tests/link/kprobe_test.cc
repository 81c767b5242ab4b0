// Kprobes: what is asked of kernels that have them, and what is said of those that do not.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using kernel::LinkCreateAttr;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Folders as a kernel with kprobes shows them, under /tmp.
class KprobeKernel {
 public:
  KprobeKernel() {
    std::string pattern = "/tmp/strata-kprobe-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    Write("sources/kprobe/type", "8\n");
    Write("sources/kprobe/format/retprobe", "config:0\n");
    Write("tracing/events/enable", "0\n");
    Write("kallsyms",
          "ffffffff81000010 T do_nanosleep\n"
          "ffffffff81000020 t twice\n"
          "ffffffff81000030 t twice\n"
          "ffffffff81000040 T __x64_sys_nanosleep\n"
          "ffffffff81000050 t do_nanoslumber\n"
          "ffffffff81000060 d do_nanodata\n");
    Write("config", "CONFIG_ARCH_HAS_SYSCALL_WRAPPER=y\nCONFIG_FPROBE=y\n");
  }
  ~KprobeKernel() { std::filesystem::remove_all(root_); }
  KprobeKernel(const KprobeKernel&) = delete;
  KprobeKernel& operator=(const KprobeKernel&) = delete;

  void Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void Remove(const std::string& name) const { std::filesystem::remove_all(root_ / name); }
  std::string Text(const std::string& name) const {
    std::ifstream file(root_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::shared_ptr<Backend> Open(const std::shared_ptr<kernel::FakeSyscalls>& syscalls) const {
    KernelFactsSources facts;
    facts.symbols = root_ / "kallsyms";
    facts.configs = {root_ / "config"};
    return OpenKernelBackend({.syscalls = syscalls,
                              .event_sources = root_ / "sources",
                              .tracefs = {root_ / "tracing"},
                              .facts = facts})
        .value();
  }

 private:
  std::filesystem::path root_;
};

class KprobeTest : public LinkTracingTest {
 protected:
  // Makes each perf event, or answers with that errno.
  static std::shared_ptr<TracingSyscalls> Syscalls(long event_error = 0) {
    auto syscalls = std::make_shared<TracingSyscalls>(Take({}));
    syscalls->config1_is_text = true;
    syscalls->on_event = [event_error](const TracingSyscalls::Event&) {
      return event_error != 0 ? event_error : kernel::FakeSyscalls::AnyDescriptor();
    };
    return syscalls;
  }
  KprobeKernel kernel_;
};

TEST_F(KprobeTest, ProgramsOfEveryKindLoad) {
  auto objects = Load({"on_kprobe", "on_kretprobe", "on_ksyscall", "on_kretsyscall", "on_kprobes", "on_kretprobes",
                       "on_kprobe_session"});
  EXPECT_EQ(objects.programs().size(), 7U);
}

TEST_F(KprobeTest, AKernelWithoutKprobesIsNamed) {
  if (::access("/sys/bus/event_source/devices/kprobe", F_OK) == 0) GTEST_SKIP() << "this kernel has kprobes";
  STRATA_NEEDS_TRACEFS();
  auto objects = Load({"on_kprobe", "on_ksyscall", "on_kprobes"});
  for (const Error& error : {ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "do_nanosleep")),
                             ErrorOf(AttachKsyscall(ProgramOf(objects, "on_ksyscall"), "nanosleep"))}) {
    EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
    EXPECT_THAT(error.message(),
                HasSubstr("nanosleep: this kernel has no kprobes: it was built without CONFIG_KPROBES"));
  }
  const Error many = ErrorOf(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.functions = {"do_nanosleep"}}));
  EXPECT_EQ(many.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(many.message(), HasSubstr("kprobe_multi do_nanosleep: this kernel was built without CONFIG_FPROBE"));
}

TEST_F(KprobeTest, TheEventNamesTheFunction) {
  const auto syscalls = Syscalls();
  auto objects = LoadOn(kernel_.Open(syscalls), {"on_kprobe"});
  const Program& program = ProgramOf(objects, "on_kprobe");
  const auto link = AttachKprobe(program, "do_nanosleep+0x4", {.offset = 2, .cookie = 9});
  ASSERT_TRUE(link) << link.error().message();
  const TracingSyscalls::Event event = syscalls->Events().back();
  EXPECT_EQ(event.attributes.type, 8U);
  EXPECT_EQ(event.attributes.config, 0U);
  EXPECT_EQ(event.text, "do_nanosleep");
  EXPECT_EQ(event.attributes.config2, 6U);
  EXPECT_EQ(event.pid, -1);
  EXPECT_EQ(event.cpu, 0);
  const auto attr = syscalls->CallsOf(Command::kLinkCreate).back().As<LinkCreateAttr>();
  EXPECT_EQ(attr.attach_type, 41U);  // BPF_PERF_EVENT
  EXPECT_EQ(attr.detail.perf_event.cookie, 9U);
}

TEST_F(KprobeTest, AnAddressNeedsNoName) {
  const auto syscalls = Syscalls();
  auto objects = LoadOn(kernel_.Open(syscalls), {"on_kprobe"});
  ASSERT_TRUE(AttachKprobe(ProgramOf(objects, "on_kprobe"), "", {.address = 0xffffffff81000020}));
  ASSERT_TRUE(AttachKprobe(ProgramOf(objects, "on_kprobe"), "0xffffffff81000020"));
  for (const TracingSyscalls::Event& event : syscalls->Events()) {
    EXPECT_EQ(event.attributes.config1, 0U);
    EXPECT_EQ(event.attributes.config2, 0xffffffff81000020U);
  }
  EXPECT_EQ(ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "")).code(), ErrorCode::kInvalidArgument);
}

TEST_F(KprobeTest, ReturnsSetTheBitOfTheSource) {
  const auto syscalls = Syscalls();
  auto objects = LoadOn(kernel_.Open(syscalls), {"on_kretprobe"});
  ASSERT_TRUE(AttachKretprobe(ProgramOf(objects, "on_kretprobe"), "do_nanosleep"));
  EXPECT_EQ(syscalls->Events().back().attributes.config, 1U);
}

TEST_F(KprobeTest, SystemCallsHaveThePrefixOfTheKernel) {
  const auto syscalls = Syscalls();
  auto objects = LoadOn(kernel_.Open(syscalls), {"on_ksyscall"});
  ASSERT_TRUE(AttachKsyscall(ProgramOf(objects, "on_ksyscall"), "nanosleep"));
  EXPECT_EQ(syscalls->Events().back().text, "__x64_sys_nanosleep");
  ASSERT_TRUE(AttachKretsyscall(ProgramOf(objects, "on_ksyscall"), "nanosleep"));
  EXPECT_EQ(syscalls->Events().back().attributes.config, 1U);
  kernel_.Write("config", "CONFIG_X86_64=y\n");
  auto older = LoadOn(kernel_.Open(syscalls), {"on_ksyscall"});
  ASSERT_TRUE(AttachKsyscall(ProgramOf(older, "on_ksyscall"), "nanosleep"));
  EXPECT_EQ(syscalls->Events().back().text, "__se_sys_nanosleep");
}

TEST_F(KprobeTest, ANameOfSeveralFunctionsListsTheirAddresses) {
  auto objects = LoadOn(kernel_.Open(Syscalls(-EADDRNOTAVAIL)), {"on_kprobe"});
  const Error error = ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "twice"));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("kprobe twice: twice is the name of 2 functions: hook one by its address, "
                                         "0xffffffff81000020, 0xffffffff81000030"));
}

TEST_F(KprobeTest, AFunctionThatDoesNotExistHasASimilarName) {
  auto objects = LoadOn(kernel_.Open(Syscalls(-ENOENT)), {"on_kprobe"});
  const Error error = ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "do_nanoslep"));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("this kernel has no function do_nanoslep (there is do_nanosleep)"));
  const Error exists = ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "do_nanosleep"));
  EXPECT_THAT(exists.message(), HasSubstr("function do_nanosleep exists and cannot be hooked"));
}

TEST_F(KprobeTest, WithoutTheSourceTheDefinitionGoesToTracefs) {
  kernel_.Remove("sources/kprobe");
  kernel_.Write("tracing/kprobe_events", "");
  auto objects = LoadOn(kernel_.Open(Syscalls()), {"on_kprobe", "on_kretprobe"});
  // This file makes no event of what is written.
  const Error error = ErrorOf(AttachKprobe(ProgramOf(objects, "on_kprobe"), "do_nanosleep+0x4"));
  EXPECT_THAT(error.message(), HasSubstr("no tracepoint category strata"));
  const std::string text = kernel_.Text("tracing/kprobe_events");
  const std::string name = "strata/p" + std::to_string(::getpid()) + "_";
  EXPECT_THAT(text, AllOf(HasSubstr("p:" + name), HasSubstr(" do_nanosleep+0x4\n-:" + name)));
}

TEST_F(KprobeTest, ALimitOfCallsGoesToTracefs) {
  kernel_.Write("tracing/kprobe_events", "");
  auto objects = LoadOn(kernel_.Open(Syscalls()), {"on_kretprobe"});
  EXPECT_FALSE(AttachKretprobe(ProgramOf(objects, "on_kretprobe"), "do_nanosleep", {.max_active = 64}));
  EXPECT_THAT(kernel_.Text("tracing/kprobe_events"), HasSubstr("r64:strata/p"));
}

// What LINK_CREATE got; the arrays are read while it is called.
struct Many {
  LinkCreateAttr attr;
  std::vector<std::string> symbols;
  std::vector<std::uint64_t> addresses;
  std::vector<std::uint64_t> cookies;
};

kernel::FakeSyscalls::Answer Record(Many& many, long answer = 0) {
  return [&many, answer, take = Take({})](Command command, void* attr) -> std::optional<long> {
    if (command != Command::kLinkCreate) return take(command, attr);
    many = {*static_cast<LinkCreateAttr*>(attr), {}, {}, {}};
    const auto& given = many.attr.detail.kprobe_multi;
    for (std::uint32_t i = 0; i < given.count; ++i) {
      if (given.symbols != 0) many.symbols.emplace_back(reinterpret_cast<const char* const*>(given.symbols)[i]);
      if (given.addresses != 0) many.addresses.push_back(reinterpret_cast<const std::uint64_t*>(given.addresses)[i]);
      if (given.cookies != 0) many.cookies.push_back(reinterpret_cast<const std::uint64_t*>(given.cookies)[i]);
    }
    return answer != 0 ? answer : take(command, attr);
  };
}

TEST_F(KprobeTest, ManyFunctionsAreOneLink) {
  Many many{};
  auto objects = LoadOn(kernel_.Open(std::make_shared<kernel::FakeSyscalls>(Record(many))),
                        {"on_kprobes", "on_kretprobes", "on_kprobe_session"});
  const auto link = AttachKprobes(ProgramOf(objects, "on_kprobes"),
                                  {.functions = {"do_nanosleep", "do_nanoslumber"}, .cookies = {5, 6}});
  ASSERT_TRUE(link) << link.error().message();
  EXPECT_EQ(many.attr.attach_type, 42U);  // BPF_TRACE_KPROBE_MULTI
  EXPECT_EQ(many.attr.detail.kprobe_multi.flags, 0U);
  EXPECT_THAT(many.symbols, ElementsAre("do_nanosleep", "do_nanoslumber"));
  EXPECT_THAT(many.cookies, ElementsAre(5, 6));
  EXPECT_TRUE(many.addresses.empty());
  EXPECT_EQ(link->Info()->kind, "kprobe_multi");

  ASSERT_TRUE(AttachKprobes(ProgramOf(objects, "on_kretprobes"), {.addresses = {0xffffffff81000010}}));
  EXPECT_EQ(many.attr.detail.kprobe_multi.flags, 1U);  // BPF_F_KPROBE_MULTI_RETURN
  EXPECT_THAT(many.addresses, ElementsAre(0xffffffff81000010));
  EXPECT_TRUE(many.symbols.empty());

  ASSERT_TRUE(AttachKprobes(ProgramOf(objects, "on_kprobe_session"), {.functions = {"do_nanosleep"}}));
  EXPECT_EQ(many.attr.attach_type, 56U);  // BPF_TRACE_KPROBE_SESSION
}

TEST_F(KprobeTest, APatternIsThatOfWhatFtraceKnows) {
  Many many{};
  auto objects = LoadOn(kernel_.Open(std::make_shared<kernel::FakeSyscalls>(Record(many))), {"on_kprobes"});
  ASSERT_TRUE(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.pattern = "do_nano*"}));
  EXPECT_THAT(many.symbols, ElementsAre("do_nanosleep", "do_nanoslumber")) << "by the kernel's symbols";
  kernel_.Write("tracing/available_filter_functions", "vfs_read\ndo_nanosleep\nvfs_write [module]\n");
  ASSERT_TRUE(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.pattern = "vfs_*"}));
  EXPECT_THAT(many.symbols, ElementsAre("vfs_read", "vfs_write"));
  const Error error = ErrorOf(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.pattern = "no_such_*"}));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("no function of this kernel matches no_such_*"));
}

TEST_F(KprobeTest, OfManyFunctionsTheOneThatIsMissingIsNamed) {
  Many many{};
  auto objects = LoadOn(kernel_.Open(std::make_shared<kernel::FakeSyscalls>(Record(many, -ESRCH))), {"on_kprobes"});
  const Error error =
      ErrorOf(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.functions = {"do_nanosleep", "do_nanoslumbr"}}));
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("no function do_nanoslumbr (there is do_nanoslumber)"));
}

TEST_F(KprobeTest, OfManyFunctionsTheOneWithSeveralAddressesIsNamed) {
  Many many{};
  auto objects =
      LoadOn(kernel_.Open(std::make_shared<kernel::FakeSyscalls>(Record(many, -EADDRNOTAVAIL))), {"on_kprobes"});
  const Error error =
      ErrorOf(AttachKprobes(ProgramOf(objects, "on_kprobes"), {.functions = {"do_nanosleep", "twice"}}));
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("kprobe_multi do_nanosleep,twice: twice is the name of 2 functions"));
}

TEST_F(KprobeTest, ManyFunctionsOnAnOlderKernelNameTheVersion) {
  Many many{};
  auto objects =
      LoadOn(kernel_.Open(std::make_shared<kernel::FakeSyscalls>(Record(many, -EINVAL))), {"on_kprobe_session"});
  const Error error = ErrorOf(AttachKprobes(ProgramOf(objects, "on_kprobe_session"), {.functions = {"do_nanosleep"}}));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("kprobe_session do_nanosleep: needs Linux 6.10 with CONFIG_FPROBE; this is "));
}

TEST_F(KprobeTest, ManyFunctionsThatAreNoneAreRefused) {
  auto objects = Load({"on_kprobes"});
  const Program& program = ProgramOf(objects, "on_kprobes");
  for (const KprobesOptions& options : std::vector<KprobesOptions>{{},
                                                                   {.functions = {"a"}, .pattern = "b*"},
                                                                   {.functions = {"a"}, .cookies = {1, 2}},
                                                                   {.pattern = "a*", .cookies = {1}}}) {
    EXPECT_EQ(ErrorOf(AttachKprobes(program, options)).code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace strata::testing
