#include "strata/backend/verifier_log.h"

#include <gtest/gtest.h>

namespace strata {
namespace {

constexpr char kNullLog[] = R"(func#0 @0
0: R1=ctx() R10=fp0
; __u64 *count = bpf_map_lookup_elem(&counts, &key); @ count.bpf.c:22
6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=counts,ks=4,vs=8)
; return *count; @ count.bpf.c:23
; what the compiler made up @ count.bpf.c:0
7: (79) r0 = *(u64 *)(r0 +0)          ; R0=scalar()
R0 invalid mem access 'map_value_or_null'
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
)";

Error WithLog(std::string log) {
  return Error(ErrorCode::kVerifierRejected, "program p: loading it").WithLog(std::move(log));
}
std::string Format(std::string log, VerifierLogForm form, std::size_t lines = 20) {
  return FormatVerifierLog(WithLog(std::move(log)), {.form = form, .lines = lines});
}
std::string Short(std::string log) { return Format(std::move(log), VerifierLogForm::kShort); }

TEST(VerifierLog, ShortFormHasTheComplaintItsInstructionAndItsSource) {
  EXPECT_EQ(Short(kNullLog),
            "R0 invalid mem access 'map_value_or_null' at 7: (79) r0 = *(u64 *)(r0 +0), count.bpf.c:23");
}

TEST(VerifierLog, ShortFormJoinsAComplaintOfSeveralLines) {
  EXPECT_EQ(
      Short("1: (71) r0 = *(u8 *)(r1 +0)\ninvalid access to packet, off=0 size=1\nR1 offset is outside of the "
            "packet\nprocessed 2 insns\n"),
      "invalid access to packet, off=0 size=1: R1 offset is outside of the packet at 1: (71) r0 = *(u8 *)(r1 +0)");
}

TEST(VerifierLog, StatesAreNoComplaint) {
  EXPECT_EQ(Short("5: (56) if w2 != 0x0 goto pc-3\n5: R1=1\ninfinite loop detected at insn 5\ncur state: R1=1\nold "
                  "state: R1=1\nprocessed 20 insns\n"),
            "infinite loop detected at insn 5 at 5: (56) if w2 != 0x0 goto pc-3");
}

TEST(VerifierLog, KernelsBeforeTheSourcePlaceGiveTheLinesText) {
  EXPECT_EQ(Short("; return *count;\n7: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'inv'\n"),
            "R0 invalid mem access 'inv' at 7: (79) r0 = *(u64 *)(r0 +0), return *count;");
}

TEST(VerifierLog, ALogWithoutInstructionsHasItsLastLines) {
  EXPECT_EQ(Short("combined stack size of 2 calls is 608. Too large\nprocessed 31 insns\n"),
            "combined stack size of 2 calls is 608. Too large");
  EXPECT_EQ(Short("processed 31 insns\n"), "");
}

TEST(VerifierLog, HeadAndTailSayWhatTheyLeaveOut) {
  EXPECT_EQ(Format("a\nb\nc\nd\n", VerifierLogForm::kHead, 2), "a\nb\n(and 2 more lines)");
  EXPECT_EQ(Format("a\nb\nc\nd\n", VerifierLogForm::kTail, 3), "(1 line before)\nb\nc\nd");
  EXPECT_EQ(Format("a\nb\n", VerifierLogForm::kHead, 2), "a\nb");
  EXPECT_EQ(Format("a\nb\n", VerifierLogForm::kTail, 2), "a\nb");
  EXPECT_EQ(Format("a\nb\n", VerifierLogForm::kHead, 0), "(and 2 more lines)");
  EXPECT_EQ(Format("a\nb\n", VerifierLogForm::kFull), "a\nb");
}

TEST(VerifierLog, TruncationShowsInEveryForm) {
  const std::string log = "7: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'inv'\n" + TruncationLine(57, 100);
  EXPECT_TRUE(IsTruncated(log));
  EXPECT_EQ(Short(log), "R0 invalid mem access 'inv' at 7: (79) r0 = *(u64 *)(r0 +0) (log truncated)");
  EXPECT_EQ(Format(log, VerifierLogForm::kTail, 1), "(2 lines before)\n(log truncated: 57 of 100 bytes are here)");
  EXPECT_FALSE(IsTruncated(kNullLog));
}

TEST(VerifierLog, AnErrorWithoutALogGivesItsMessage) {
  EXPECT_EQ(FormatVerifierLog(Error(ErrorCode::kNotFound, "no such thing")), "no such thing");
}

}  // namespace
}  // namespace strata
