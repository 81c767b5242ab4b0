#include "strata/attach/plan/uprobe_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "hex_bytes.h"
#include "strata/elf/image.h"

namespace strata::attach {
namespace {

using testing::HasSubstr;

std::string FixupsOf(const UprobePlan& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.fixup_count; ++i) {
    const Fixup& fixup = plan.fixups[i];
    char line[64];
    const char* kind = fixup.kind == FixupKind::kRelative32 ? "rel32" : "abs64";
    std::snprintf(line, sizeof(line), "%s%s@%d/%d->%+ld", text.empty() ? "" : " ", kind, fixup.offset, fixup.next,
                  static_cast<long>(fixup.target));
    text += line;
  }
  return text;
}

std::string BoundariesOf(const UprobePlan& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.boundary_count; ++i) {
    if (!text.empty()) text += ' ';
    text += std::to_string(plan.boundaries[i].original) + ":" + std::to_string(plan.boundaries[i].displaced);
  }
  return text;
}

std::string CodeOf(const UprobePlan& plan) { return ToHex(std::as_bytes(std::span(plan.code, plan.code_size))); }

// Fix-ups are written kind@offset/next->target, boundaries original:displaced.
struct DisplacedForm {
  const char* name;
  const char* original;
  std::size_t window;
  const char* displaced;
  const char* fixups;
  const char* boundaries;
  bool falls_through;
};

constexpr DisplacedForm kForms[] = {
    {"OneLongInstruction", "b8 27 00 00 00", 5, "b8 27 00 00 00", "", "0:0", true},
    {"SeveralShortOnes", "55 48 89 e5 53 48 83 ec 08", 5, "55 48 89 e5 53", "", "0:0 1:1 4:4", true},
    {"LastOneReachesBeyond", "53 48 81 ec 00 10 00 00 c3", 8, "53 48 81 ec 00 10 00 00", "", "0:0 1:1", true},
    {"RipRelativeLoad", "48 8b 05 10 00 00 00", 7, "48 8b 05 00 00 00 00", "rel32@3/7->+23", "0:0", true},
    {"RipRelativeWithImmediate", "83 3d 10 00 00 00 01", 7, "83 3d 00 00 00 00 01", "rel32@2/7->+23", "0:0", true},
    {"RipRelativeInSecondPlace", "50 48 8d 3d f0 ff ff ff", 8, "50 48 8d 3d 00 00 00 00", "rel32@4/8->-8", "0:0 1:1",
     true},
    {"RipRelativeVex", "c5 fa 6f 05 20 00 00 00", 8, "c5 fa 6f 05 00 00 00 00", "rel32@4/8->+40", "0:0", true},
    {"ShortJump", "e9 00 01 00 00", 5, "e9 00 00 00 00", "rel32@1/5->+261", "0:0", false},
    {"ShortConditionalJump", "85 ff 74 20 31 c0 c3", 6, "85 ff 0f 84 00 00 00 00 31 c0", "rel32@4/8->+36",
     "0:0 2:2 4:8", true},
    {"ShortConditionalJumpBack", "85 ff 75 fc 90", 5, "85 ff 0f 85 00 00 00 00 90", "rel32@4/8->+0", "0:0 2:2 4:8",
     true},
    {"NearConditionalJump", "0f 8f 00 10 00 00", 6, "0f 8f 00 00 00 00", "rel32@2/6->+4102", "0:0", true},
    {"Loop", "90 e2 10 90 90", 5, "90 e2 02 eb 05 e9 00 00 00 00 90 90", "rel32@6/10->+19", "0:0 1:1 3:10 4:11", true},
    {"LoopIfNotEqual", "e0 10 90 90 90", 5, "e0 02 eb 05 e9 00 00 00 00 90 90 90", "rel32@5/9->+18",
     "0:0 2:9 3:10 4:11", true},
    {"JumpIfRcxIsZero", "e3 10 90 90 90", 5, "e3 02 eb 05 e9 00 00 00 00 90 90 90", "rel32@5/9->+18",
     "0:0 2:9 3:10 4:11", true},
    {"JumpIfEcxIsZero", "67 e3 10 90 90", 5, "67 e3 02 eb 05 e9 00 00 00 00 90 90", "rel32@6/10->+19", "0:0 3:10 4:11",
     true},
    {"Call", "e8 00 01 00 00", 5, "ff 35 05 00 00 00 e9 00 00 00 00 00 00 00 00 00 00 00 00",
     "rel32@7/11->+261 abs64@11/19->+5", "0:0", false},
    {"CallAtTheEnd", "53 e8 00 01 00 00", 6, "53 ff 35 05 00 00 00 e9 00 00 00 00 00 00 00 00 00 00 00 00",
     "rel32@8/12->+262 abs64@12/20->+6", "0:0 1:1", false},
    {"CallThroughRipRelativePointer", "ff 15 00 01 00 00", 6,
     "ff 35 06 00 00 00 ff 25 00 00 00 00 00 00 00 00 00 00 00 00", "rel32@8/12->+262 abs64@12/20->+6", "0:0", false},
    {"CallThroughRegister", "48 89 c7 ff d2", 5, "48 89 c7 ff 35 02 00 00 00 ff e2 00 00 00 00 00 00 00 00",
     "abs64@11/19->+5", "0:0 3:3", false},
    {"CallThroughExtendedRegister", "89 c7 41 ff d4", 5, "89 c7 ff 35 03 00 00 00 41 ff e4 00 00 00 00 00 00 00 00",
     "abs64@11/19->+5", "0:0 2:2", false},
    {"SystemCall", "0f 05 48 89 c3", 5, "0f 05 48 89 c3", "", "0:0 2:2", true},
    {"EndBranch", "f3 0f 1e fa 55 c3", 5, "f3 0f 1e fa 55", "", "0:0 4:4", true},
};

class DisplacedForms : public testing::TestWithParam<DisplacedForm> {};

TEST_P(DisplacedForms, AreWrittenAsExpected) {
  const std::vector<std::byte> code = FromHex(GetParam().original);
  const Result<UprobePlan> plan = PlanUprobe({.bytes = code, .file_offset = 0x1000}, ProbeKind::kEntry);
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  EXPECT_EQ(plan->window_size, GetParam().window);
  EXPECT_EQ(CodeOf(*plan), GetParam().displaced);
  EXPECT_EQ(FixupsOf(*plan), GetParam().fixups);
  EXPECT_EQ(BoundariesOf(*plan), GetParam().boundaries);
  EXPECT_EQ(plan->falls_through != 0, GetParam().falls_through);
  EXPECT_TRUE(std::equal(plan->expected, plan->expected + plan->window_size,
                         reinterpret_cast<const std::uint8_t*>(code.data())));
  EXPECT_TRUE(IsWellFormed(*plan));
}

template <typename Row>
std::string NameOf(const testing::TestParamInfo<Row>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(UprobePlan, DisplacedForms, testing::ValuesIn(kForms), NameOf<DisplacedForm>);

struct Refusal {
  const char* name;
  const char* code;
  std::size_t site;
  std::size_t function_size;  // 0: unknown
  ErrorCode error;
  const char* says;
};

constexpr Refusal kRefusals[] = {
    {"FunctionShorterThanAJump", "c3 55 48 89 e5 c3", 0, 1, ErrorCode::kNotSupported,
     "the function ends after 1 bytes"},
    {"PaddingWhereAFunctionMayStart", "31 c0 c3 90 90 90", 13, 16, ErrorCode::kInvalidArgument, "outside"},
    {"UnknownFunctionThatEnds", "31 c0 c3 55 48 89 e5", 0, 0, ErrorCode::kNotSupported,
     "where its function ends is not known"},
    {"BranchIntoTheWindow", "55 48 89 e5 53 90 eb f9 c3", 0, 9, ErrorCode::kNotSupported, "the branch at +0x6"},
    {"BranchInsideTheWindow", "eb 01 90 90 90 90", 0, 6, ErrorCode::kNotSupported, "lands inside"},
    {"CallThatReturnsIntoTheWindow", "ff d0 90 90 90 c3", 0, 6, ErrorCode::kNotSupported,
     "a call in its place returns into it"},
    {"CallThroughTheStackPointer", "ff 54 24 08 90 90", 0, 6, ErrorCode::kNotSupported, "through the stack pointer"},
    {"Breakpoint", "cc 90 90 90 90 c3", 0, 6, ErrorCode::kNotSupported, "a breakpoint"},
    {"UndefinedInstruction", "0f 0b 90 90 90 c3", 0, 6, ErrorCode::kNotSupported, "an undefined instruction"},
    {"FarCall", "ff 1d 00 00 00 00", 0, 6, ErrorCode::kNotSupported, "a far branch"},
    {"AddressOf32BitsRelativeToItself", "67 8b 05 10 00 00 00", 0, 7, ErrorCode::kNotSupported, "a 32-bit address"},
    {"IndirectJumpInTheFunction", "90 55 48 89 e5 53 ff e0", 1, 8, ErrorCode::kNotSupported, "an indirect jump"},
    {"SiteInsideAnInstruction", "b8 01 00 00 00 b8 02 00 00 00 c3", 1, 11, ErrorCode::kInvalidArgument,
     "not where an instruction starts"},
    {"SiteOutsideItsFunction", "90 90 90 90 90 c3", 6, 6, ErrorCode::kInvalidArgument, "outside"},
    {"NoCode", "06 06 06 06 06 06", 0, 6, ErrorCode::kMalformed, "no x86-64 instruction"},
    {"CodeThatIsCutOff", "55 48 89", 0, 0, ErrorCode::kMalformed, "no x86-64 instruction"},
};

class Refusals : public testing::TestWithParam<Refusal> {};

TEST_P(Refusals, NameTheirReason) {
  const std::vector<std::byte> code = FromHex(GetParam().code);
  const SiteCode site = {
      .bytes = code, .site = GetParam().site, .function_size = GetParam().function_size, .file_offset = 0x1001};
  const Result<UprobePlan> plan = PlanUprobe(site, ProbeKind::kEntry);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code(), GetParam().error) << plan.error().message();
  EXPECT_THAT(plan.error().message(), HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(UprobePlan, Refusals, testing::ValuesIn(kRefusals), NameOf<Refusal>);

TEST(UprobePlan, UsesThePaddingBehindAShortFunction) {
  const std::vector<std::byte> code = FromHex("31 c0 c3 66 90 0f 1f 00");
  const Result<UprobePlan> plan =
      PlanUprobe({.bytes = code, .function_size = 3, .file_offset = 0x1000}, ProbeKind::kEntry);
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  EXPECT_EQ(CodeOf(*plan), "31 c0 c3");
  EXPECT_EQ(plan->window_size, kJumpSize);
  EXPECT_EQ(plan->falls_through, 0);
}

TEST(UprobePlan, LeavesPaddingAloneWhereTheNextFunctionMayStart) {
  const std::vector<std::byte> code = FromHex("31 c0 c3 90 90 90");
  const Result<UprobePlan> plan =
      PlanUprobe({.bytes = code, .function_size = 3, .file_offset = 0x100d}, ProbeKind::kEntry);
  ASSERT_FALSE(plan.has_value());
  EXPECT_THAT(plan.error().message(), HasSubstr("the function ends after 3 bytes"));
}

TEST(UprobePlan, RefusesAnotherEntryInsideTheWindow) {
  const std::vector<std::byte> code = FromHex("55 48 89 e5 53 c3");
  const std::size_t entries[] = {1};
  const Result<UprobePlan> plan =
      PlanUprobe({.bytes = code, .function_size = 6, .entries = entries}, ProbeKind::kEntry);
  ASSERT_FALSE(plan.has_value());
  EXPECT_THAT(plan.error().message(), HasSubstr("another way in"));
}

TEST(UprobePlan, AcceptsABranchToTheSiteItself) {
  const std::vector<std::byte> code = FromHex("55 48 89 e5 53 90 eb f8 c3");
  EXPECT_TRUE(PlanUprobe({.bytes = code, .function_size = 9}, ProbeKind::kEntry).has_value());
}

TEST(UprobePlan, RefusesAReturnProbeWhereTheReturnAddressIsTakenOffTheStack) {
  const std::vector<std::byte> code = FromHex("5f b8 3a 00 00 00 0f 05 57 c3");
  const Result<UprobePlan> plan = PlanUprobe({.bytes = code, .function_size = 10}, ProbeKind::kReturn);
  ASSERT_FALSE(plan.has_value());
  EXPECT_THAT(plan.error().message(), HasSubstr("takes its return address off the stack"));
  EXPECT_TRUE(PlanUprobe({.bytes = code, .function_size = 10}, ProbeKind::kEntry).has_value());
}

TEST(UprobePlan, DamagedPlansAreRecognised) {
  const std::vector<std::byte> code = FromHex("48 8b 05 10 00 00 00");
  const UprobePlan good = PlanUprobe({.bytes = code}, ProbeKind::kEntry).value();
  UprobePlan bad = good;
  bad.fixups[0].offset = bad.code_size - 3;
  EXPECT_FALSE(IsWellFormed(bad));
  bad = good;
  bad.window_size = kMaxWindow + 1;
  EXPECT_FALSE(IsWellFormed(bad));
  bad = good;
  bad.version = kUprobePlanVersion + 1;
  EXPECT_FALSE(IsWellFormed(bad));
}

constexpr char kLibc[] = "/lib/x86_64-linux-gnu/libc.so.6";

// The part of a refusal behind the last name, without numbers: what kind of reason it is.
std::string KindOfReason(const std::string& message) {
  std::string kind;
  for (const char character : message.substr(message.rfind(": ") + 2)) {
    if (character < '0' || character > '9') kind += character;
  }
  return kind;
}

TEST(UprobePlan, PlansNearlyEveryFunctionOfLibc) {
  const Result<elf::Image> image = elf::Image::Open(kLibc);
  ASSERT_TRUE(image.has_value()) << image.error().message();
  const Result<UprobePlanner> planner = UprobePlanner::Open(kLibc);
  ASSERT_TRUE(planner.has_value()) << planner.error().message();
  std::size_t planned = 0;
  std::map<std::string, int> refused;
  std::uint64_t last = 0;
  const auto symbols = image->Symbols();
  ASSERT_TRUE(symbols.has_value()) << symbols.error().message();
  for (const elf::ImageSymbol& symbol : *symbols) {
    if (symbol.kind != elf::SymbolKind::kFunction || symbol.size_bytes == 0 || symbol.file_offset == last) continue;
    last = symbol.file_offset;
    const Result<UprobePlan> plan = planner->Plan(symbol.file_offset, ProbeKind::kEntry);
    if (plan) {
      ++planned;
      continue;
    }
    ASSERT_EQ(plan.error().code(), ErrorCode::kNotSupported) << plan.error().message();
    EXPECT_THAT(plan.error().message(), HasSubstr(kLibc));
    EXPECT_THAT(plan.error().message(), HasSubstr("no room for a jump: "));
    ++refused[KindOfReason(plan.error().message())];
  }
  std::size_t refused_count = 0;
  for (const auto& [reason, count] : refused) {
    std::printf("%5d refused: %s\n", count, reason.c_str());
    refused_count += static_cast<std::size_t>(count);
  }
  std::printf("%5zu planned, %zu refused\n", planned, refused_count);
  EXPECT_GT(planned, 50 * refused_count);
}

TEST(UprobePlan, TellsWhichFunctionOfWhichFileItRefuses) {
  const auto plan = UprobePlanner::Open(kLibc).value().Plan(1, ProbeKind::kEntry);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(plan.error().message(), HasSubstr("in no executable segment"));
}

}  // namespace
}  // namespace strata::attach
