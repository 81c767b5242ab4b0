#include "strata/spec/disassembly.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sample_spec.h"
#include "strata/spec/json.h"

namespace strata {
namespace {

using testing::HasSubstr;

TEST(Disassembly, ShowsNamesSourceLinesRelocationsAndLabels) {
  const CollectionSpec spec = test::SampleSpec();
  EXPECT_EQ(Disassemble(spec, spec.programs.at("main")), R"(; sample.bpf.c:12: int *count = &counts;
   0: (18) r1 = map[counts]
; sample.bpf.c:13: return add(pair->b);
   2: (85) call add
; CO-RE: field_byte_offset of struct pair.b (0:1)
   3: (61) r2 = *(u32 *)(r1 +4)
   4: (15) if r2 == 0x0 goto L1
   5: (18) r3 = map[.data][0]+1             ; limit+1
L1:
   7: (18) r4 = ksym[jiffies] (weak)
)");
}

TEST(Disassembly, OfAFlatProgramNamesItsFunctions) {
  const CollectionSpec spec = test::SampleSpec();
  const std::string text = Disassemble(spec, Flatten(spec, spec.programs.at("main")).value());
  EXPECT_THAT(text, HasSubstr("main:\n; sample.bpf.c:12"));
  EXPECT_THAT(text, HasSubstr("(85) call pc+6#add\n"));
  EXPECT_THAT(text, HasSubstr("add:\n   9: (85) call bpf_ktime_get_ns#5\n  10: (95) exit\n"));
}

TEST(Disassembly, PutsNoLabelOutsideOfTheCodeOrIntoAnInstruction) {
  FunctionSpec function;
  function.instructions = {{.opcode = 0x05, .offset = 1},  // into the 64-bit load
                           {.opcode = 0x18},
                           {},
                           {.opcode = 0x05, .offset = 30000},
                           {.opcode = 0x05, .offset = -30000}};
  for (const DisassembledLine& line : DisassembleLines({}, function)) EXPECT_EQ(line.label, "");
}

TEST(Disassembly, OfBrokenCodeStillGivesALineForEachSlot) {
  FunctionSpec function;
  function.instructions = {{.opcode = 0xff}, {.opcode = 0x18}};
  function.references = {{.index = {77}, .kind = ReferenceKind::kMap, .symbol = "m"}};
  function.core_relocations = {{.index = {0}, .type = btf::TypeId{999}, .access = "x", .kind = 99}};
  function.line_infos = {{{0}, 0xffffffff, 0xffffffff, 1}};
  CollectionSpec spec = test::SampleSpec();
  EXPECT_EQ(DisassembleLines(spec, function).size(), 2U);
}

TEST(Disassembly, AsJsonHasTheDocumentedMembers) {
  const CollectionSpec spec = test::SampleSpec();
  const auto lines = DisassembleLines(spec, spec.programs.at("main"));
  const auto json = nlohmann::json::parse(FormatJson("main", lines.at(1)));
  EXPECT_EQ(json["function"], "main");
  EXPECT_EQ(json["index"], 2);
  EXPECT_EQ(json["bytes"], "85100000ffffffff");
  EXPECT_EQ(json["text"], "call add");
  EXPECT_EQ(json["source"]["file"], "/src/sample.bpf.c");
  EXPECT_EQ(json["source"]["line"], 13);
}

}  // namespace
}  // namespace strata
