// What the records of links say whose kinds this kernel does not attach.
#include <cstring>

#include "tracing_fixture.h"

namespace strata::testing {
namespace {

using kernel::Command;
using kernel::InfoAttr;
using kernel::LinkInfoRecord;

class LinkInfoTest : public LinkTracingTest {
 protected:
  // Of a link that any kernel may have: `fill` writes its record.
  static LinkInfo InfoOf(const std::function<void(LinkInfoRecord& record)>& fill) {
    auto syscalls = std::make_shared<kernel::FakeSyscalls>(
        kernel::AcceptEverything([&](Command command, void* attr) -> std::optional<long> {
          if (command != Command::kInfo) return std::nullopt;
          auto& record = *reinterpret_cast<LinkInfoRecord*>(static_cast<InfoAttr*>(attr)->info);
          record.id = 12;
          record.prog_id = 34;
          fill(record);
          return 0;
        }));
    const auto backend = OpenKernelBackend({.syscalls = syscalls}).value();
    return OpenLink(backend, 12)->Info().value();
  }
};

TEST_F(LinkInfoTest, OfAKprobe) {
  for (const std::uint32_t type : {3U, 4U}) {  // BPF_PERF_EVENT_KPROBE, BPF_PERF_EVENT_KRETPROBE
    const LinkInfo info = InfoOf([&](LinkInfoRecord& record) {
      record.type = static_cast<std::uint32_t>(LinkKind::kPerfEvent);
      record.detail.perf_event.type = type;
      auto& kprobe = record.detail.perf_event.kprobe;
      if (kprobe.function_name != 0) std::strcpy(reinterpret_cast<char*>(kprobe.function_name), "do_nanosleep");
      kprobe.offset = 4;
      kprobe.cookie = 7;
    });
    EXPECT_EQ(info.id, 12U);
    EXPECT_EQ(info.program_id, 34U);
    EXPECT_EQ(info.kind, type == 3 ? "kprobe" : "kretprobe");
    EXPECT_EQ(info.name, "do_nanosleep");
    EXPECT_EQ(info.offset, 4U);
    EXPECT_EQ(info.cookie, 7U);
  }
}

TEST_F(LinkInfoTest, OfManyKprobes) {
  for (const std::uint32_t flags : {0U, 1U}) {
    const LinkInfo info = InfoOf([&](LinkInfoRecord& record) {
      record.type = static_cast<std::uint32_t>(LinkKind::kKprobeMulti);
      record.detail.kprobe_multi.count = 9;
      record.detail.kprobe_multi.flags = flags;
    });
    EXPECT_EQ(info.kind, flags == 0 ? "kprobe_multi" : "kretprobe_multi");
    EXPECT_EQ(info.place_count, 9U);
  }
}

TEST_F(LinkInfoTest, OfAProgramThatHooksAFunction) {
  const LinkInfo info = InfoOf([](LinkInfoRecord& record) {
    record.type = static_cast<std::uint32_t>(LinkKind::kTracing);
    record.detail.tracing.attach_type = 25;  // BPF_TRACE_FEXIT
    record.detail.tracing.target_object_id = 1;
    record.detail.tracing.target_btf_id = 4242;
    record.detail.tracing.cookie = 5;
  });
  EXPECT_EQ(info.kind, "tracing");
  EXPECT_EQ(info.attach_type, AttachType::kTraceFexit);
  EXPECT_EQ(info.target_id, 1U);
  EXPECT_EQ(info.target_type_id, 4242U);
  EXPECT_EQ(info.cookie, 5U);
}

}  // namespace
}  // namespace strata::testing
