// What the verifier's words come to. The texts are those of the kernel (kernel/bpf/verifier.c), of several versions.
#include "explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "strata/backend/verifier_log.h"

namespace strata::kernel {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string Explain(const std::string& log, ProgramType type = ProgramType::kXdp) {
  LinkedProgram program;
  program.type = type;
  return ExplainRejection(log, program);
}

struct Row {
  const char* complaint;
  const char* advice;
};
constexpr Row kRows[] = {
    {"R0 invalid mem access 'map_value_or_null'", "compare it with NULL before it is used"},
    {"R1 invalid mem access 'scalar'", "bpf_probe_read_kernel"},
    {"R1 invalid mem access 'inv'", "bpf_probe_read_kernel"},
    {"R2 unbounded memory access, make sure to bounds check any such access", "compare the index with the size"},
    {"R2 min value is negative, either use unsigned index or do a if (index >=0) check.", "as an unsigned number"},
    {"invalid access to map value, value_size=8 off=8 size=8", "the map's value_size"},
    {"Unreleased reference id=2 alloc_insn=4", "release on every path"},
    {"R0 !read_ok", "without a return value"},
    {"R3 !read_ok", "has no value there"},
    {"cannot call GPL-restricted function from non-GPL compatible program", "compatible with the GPL"},
    {"infinite loop detected at insn 6", "bpf_loop (Linux 5.17)"},
    {"back-edge from insn 7 to 3", "#pragma unroll"},
    {"BPF program is too large. Processed 1000001 insn", "gives up after 1000000 instructions"},
    {"The sequence of 8193 jumps is too complex.", "split it by tail calls"},
    {"combined stack size of 2 calls is 608. Too large", "512 bytes of stack together"},
    {"invalid write to stack R10 off=-520 size=8", "per-CPU array map"},
    {"invalid bpf_context access off=0 size=4", "that field of the context"},
    {"missing btf func_info", "compile it with -g"},
};

TEST(ExplainRejection, KnownComplaintsComeWithAdvice) {
  for (const Row& row : kRows) {
    const std::string text =
        Explain("7: (79) r0 = *(u64 *)(r0 +0)\n" + std::string(row.complaint) + "\nprocessed 7 insns\n");
    EXPECT_THAT(text, ::testing::StartsWith(row.complaint));
    EXPECT_THAT(text, HasSubstr(row.advice)) << row.complaint;
  }
}

TEST(ExplainRejection, OtherComplaintsStandAsTheyAre) {
  EXPECT_EQ(Explain("0: (85) call bpf_map_lookup_elem#1\nR1 type=ctx expected=map_ptr\nprocessed 1 insns\n"),
            "R1 type=ctx expected=map_ptr at 0: (85) call bpf_map_lookup_elem#1");
}

TEST(ExplainRejection, HelpersAreNamedWithTheKernelThatHasThem) {
  EXPECT_THAT(Explain("0: (85) call bpf_loop#181\nunknown func bpf_loop#181\n"),
              EndsWith("bpf_loop is not for programs of type xdp, or this kernel does not have it (it is there since "
                       "Linux 5.17)"));
  EXPECT_THAT(Explain("0: (85) call unknown#181\ninvalid func unknown#181\n"), HasSubstr("bpf_loop"));
  EXPECT_THAT(Explain("0: (85) call bpf_loop#181\nprogram of this type cannot use helper bpf_loop#181\n"),
              EndsWith("programs of type xdp have no bpf_loop in this kernel (it is there since Linux 5.17)"));
  EXPECT_THAT(Explain("0: (85) call unknown#4000\ninvalid func unknown#4000\n"),
              EndsWith("there is no helper with the number 4000"));
}

TEST(ExplainRejection, PoisonsOfAnotherLoaderAreKnown) {
  EXPECT_THAT(Explain("0: (85) call unknown#195896080\ninvalid func unknown#195896080\n"),
              EndsWith("a CO-RE relocation found nothing in the target's types"));
  EXPECT_THAT(Explain("0: (85) call unknown#2001000003\ninvalid func unknown#2001000003\n"),
              EndsWith("it uses a map that was not created"));
  EXPECT_THAT(Explain("0: (85) call unknown#2002000001\ninvalid func unknown#2002000001\n"),
              EndsWith("it calls a kernel function that this kernel does not have"));
}

TEST(ExplainRejection, OurPoisonsHaveTheirReason) {
  LinkedProgram program;
  program.poisoned = {{isa::InsnIndex{3}, "CO-RE relocation x: no such field"}};
  const std::string log = "3: (85) call unknown#195896080\ninvalid func unknown#195896080\n";
  EXPECT_EQ(ExplainRejection(log, program), "instruction 3: CO-RE relocation x: no such field");
  EXPECT_EQ(ExplainRejection(log + TruncationLine(10, 0), program),
            "instruction 3: CO-RE relocation x: no such field (the log is truncated)");
}

}  // namespace
}  // namespace strata::kernel
