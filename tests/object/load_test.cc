// What a load does when the kernel does not take everything.
#include <algorithm>
#include <cstring>

#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;

class LoadTest : public testing::KernelTest {};

// With a blank in the name of a type, which the kernel does not take.
CollectionSpec WithRefusedTypes(const std::string& path) {
  auto spec = LoadCollectionSpec(path).value();
  std::vector<std::byte> bytes(spec.types->bytes().begin(), spec.types->bytes().end());
  constexpr std::string_view kName = "__sk_buff";
  const auto name = std::search(bytes.begin(), bytes.end(), reinterpret_cast<const std::byte*>(kName.begin()),
                                reinterpret_cast<const std::byte*>(kName.end()));
  *name = std::byte{' '};
  spec.types = btf::Btf::Parse(std::move(bytes)).value();
  return spec;
}

TEST_F(LoadTest, ProgramsDoWithoutTypesThatTheKernelRefuses) {
  auto objects = LoadCollection(backend_, WithRefusedTypes(STRATA_BPF_INITIAL_SLOTS));
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_EQ(testing::RunOnPacket(*objects, "calls_slot_of_mark", 5), 105);
}

TEST_F(LoadTest, CallbacksNeedTypesAndSayWhyThereAreNone) {
  auto spec = WithRefusedTypes(STRATA_BPF_CALLBACKS);
  for (auto& [name, program] : spec.programs) program.autoload = name == "loops";
  spec.maps.erase("timers");
  spec.programs.erase("starts_a_timer");
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec)));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(),
              HasSubstr("program loops: it has callbacks, for which the kernel wants the object's BTF"));
  EXPECT_THAT(error.message(), HasSubstr("loading BTF"));
  EXPECT_THAT(error.log(), HasSubstr("Invalid name"));
}

TEST_F(LoadTest, ARejectionCarriesTheVerifiersLog) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  ProgramSpec& program = spec.programs.at("target_of_one");
  auto code = program.instructions.ToVector();
  code.erase(code.begin());  // R0 is then never written
  program.instructions = std::move(code);
  program.line_infos.clear();
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec)));
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  EXPECT_THAT(error.message(), HasSubstr("program target_of_one: loading it: R0 !read_ok"));
  EXPECT_THAT(error.log(), HasSubstr("(95) exit"));
}

TEST_F(LoadTest, AnAcceptedProgramHasALogWhenItIsAskedFor) {
  EXPECT_EQ(Load(STRATA_BPF_INITIAL_SLOTS)->programs().at("target_of_one").log(), "");
  LoadOptions options;
  options.log_level = 4;
  const auto objects = Load(STRATA_BPF_INITIAL_SLOTS, options);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(std::string(objects->programs().at("target_of_one").log()), HasSubstr("processed 2 insns"));
}

TEST_F(LoadTest, ALogLargerThanTheFirstBufferIsWhole) {
  auto spec = LoadCollectionSpec(STRATA_BPF_INITIAL_SLOTS).value();
  auto& program = spec.programs.at("target_of_one");
  // 5000 lines of about 30 characters, then a register that nobody wrote.
  program.line_infos.clear();
  std::vector<isa::Instruction> code(5000, {.opcode = 0xb7, .dst = 0, .src = 0, .offset = 0, .imm = 7});
  code.push_back({.opcode = 0xbf, .dst = 0, .src = 9, .offset = 0, .imm = 0});
  code.push_back({.opcode = 0x95, .dst = 0, .src = 0, .offset = 0, .imm = 0});
  program.instructions = std::move(code);
  const Error error = ErrorOf(LoadCollection(backend_, std::move(spec)));
  EXPECT_THAT(error.message(), HasSubstr("R9 !read_ok"));
  EXPECT_GT(error.log().size(), 65536U);
}

}  // namespace
}  // namespace strata
