#include "strata/spec/usdt_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include <cstddef>
#include <cstring>
#include <set>

namespace strata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

UsdtArgument Constant(std::uint8_t size, bool is_signed, std::int64_t value) {
  return {.place = UsdtPlace::kConstant, .size_bytes = size, .is_signed = is_signed, .value = value};
}
UsdtArgument Register(std::uint8_t size, bool is_signed, std::uint16_t offset) {
  return {.place = UsdtPlace::kRegister, .size_bytes = size, .is_signed = is_signed, .register_offset = offset};
}
UsdtArgument Memory(std::uint8_t size, bool is_signed, std::uint16_t offset, std::int64_t value,
                    std::string symbol = {}) {
  return {.place = UsdtPlace::kMemory,
          .size_bytes = size,
          .is_signed = is_signed,
          .register_offset = offset,
          .value = value,
          .symbol = std::move(symbol)};
}

// struct user_regs_struct has the registers where struct pt_regs has them.
#define OFFSET(name) static_cast<std::uint16_t>(offsetof(user_regs_struct, name))

struct PlaceRow {
  const char* text;
  UsdtArgument argument;
};

TEST(UsdtArguments, PlacesOfEveryForm) {
  const PlaceRow kRows[] = {
      {"-4@%edi", Register(4, true, OFFSET(rdi))},
      {"8@%rax", Register(8, false, OFFSET(rax))},
      {"1@%r15b", Register(1, false, OFFSET(r15))},
      {"-1@%ah", Register(1, true, OFFSET(rax) + 1)},
      {"8@$123", Constant(8, false, 123)},
      {"-4@$-9", Constant(4, true, -9)},
      {"8@$0x7fffffffffffffff", Constant(8, false, INT64_MAX)},
      {"-8@$-9223372036854775808", Constant(8, true, INT64_MIN)},
      {"8@$18446744073709551615", Constant(8, false, -1)},
      {"8@-16(%rbp)", Memory(8, false, OFFSET(rbp), -16)},
      {"-2@(%rsp)", Memory(2, true, OFFSET(rsp), 0)},
      {"4@0x10(%r9)", Memory(4, false, OFFSET(r9), 16)},
      {"4@-8+24(%rax)", Memory(4, false, OFFSET(rax), 16)},
      {"4@8(,%rcx,1)", Memory(4, false, OFFSET(rcx), 8)},
      {"-4@counter(%rip)", Memory(4, true, OFFSET(rip), 0, "counter")},
      {"-4@counter+8(%rip)", Memory(4, true, OFFSET(rip), 8, "counter")},
      {"-4@-8+counter.7(%rip)", Memory(4, true, OFFSET(rip), -8, "counter.7")},
      {"8@counter", Memory(8, false, OFFSET(rip), 0, "counter")},
  };
  for (const PlaceRow& row : kRows) {
    const auto arguments = ParseUsdtArguments(row.text);
    ASSERT_TRUE(arguments) << row.text << ": " << arguments.error().message();
    EXPECT_THAT(*arguments, ElementsAre(row.argument)) << row.text;
  }
}

TEST(UsdtArguments, EveryRegisterOfEveryWidth) {
  struct Row {
    const char* names[4];
    std::uint16_t offset;
  };
  const Row kRows[] = {
      {{"rax", "eax", "ax", "al"}, OFFSET(rax)},      {{"rbx", "ebx", "bx", "bl"}, OFFSET(rbx)},
      {{"rcx", "ecx", "cx", "cl"}, OFFSET(rcx)},      {{"rdx", "edx", "dx", "dl"}, OFFSET(rdx)},
      {{"rsi", "esi", "si", "sil"}, OFFSET(rsi)},     {{"rdi", "edi", "di", "dil"}, OFFSET(rdi)},
      {{"rbp", "ebp", "bp", "bpl"}, OFFSET(rbp)},     {{"rsp", "esp", "sp", "spl"}, OFFSET(rsp)},
      {{"r8", "r8d", "r8w", "r8b"}, OFFSET(r8)},      {{"r9", "r9d", "r9w", "r9b"}, OFFSET(r9)},
      {{"r10", "r10d", "r10w", "r10b"}, OFFSET(r10)}, {{"r11", "r11d", "r11w", "r11b"}, OFFSET(r11)},
      {{"r12", "r12d", "r12w", "r12b"}, OFFSET(r12)}, {{"r13", "r13d", "r13w", "r13b"}, OFFSET(r13)},
      {{"r14", "r14d", "r14w", "r14b"}, OFFSET(r14)}, {{"r15", "r15d", "r15w", "r15b"}, OFFSET(r15)},
  };
  constexpr std::uint8_t kSizes[] = {8, 4, 2, 1};
  std::set<std::uint16_t> offsets;
  for (const Row& row : kRows) {
    offsets.insert(row.offset);
    for (std::size_t width = 0; width < 4; ++width) {
      const std::string text = std::to_string(kSizes[width]) + "@%" + row.names[width];
      const auto arguments = ParseUsdtArguments(text);
      ASSERT_TRUE(arguments) << arguments.error().message();
      EXPECT_THAT(*arguments, ElementsAre(Register(kSizes[width], false, row.offset))) << text;
    }
  }
  EXPECT_EQ(offsets.size(), 16U);
  constexpr const char* kSecondBytes[] = {"1@%ah", "1@%bh", "1@%ch", "1@%dh"};
  const std::uint16_t kSecondByteOffsets[] = {OFFSET(rax), OFFSET(rbx), OFFSET(rcx), OFFSET(rdx)};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(ParseUsdtArguments(kSecondBytes[i])->front().register_offset, kSecondByteOffsets[i] + 1);
  }
  EXPECT_EQ(kUsdtInstructionPointer, OFFSET(rip));
}

TEST(UsdtArguments, ManyInOneText) {
  const auto arguments = ParseUsdtArguments("  -4@%edi\t8@$1  2@(%rsi) ");
  ASSERT_TRUE(arguments) << arguments.error().message();
  EXPECT_THAT(*arguments,
              ElementsAre(Register(4, true, OFFSET(rdi)), Constant(8, false, 1), Memory(2, false, OFFSET(rsi), 0)));
  EXPECT_THAT(*ParseUsdtArguments(""), IsEmpty());
  EXPECT_THAT(*ParseUsdtArguments("  "), IsEmpty());
}

TEST(UsdtArguments, TwelveAtMost) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += "8@$" + std::to_string(i) + " ";
  EXPECT_EQ(ParseUsdtArguments(text)->size(), kMaxUsdtArguments);
  const auto refused = ParseUsdtArguments(text + "8@$12");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(refused.error().message(), HasSubstr("12 arguments"));
}

TEST(UsdtArguments, WhatCannotBeFetchedIsRefusedByItsText) {
  struct Row {
    const char* text;
    const char* why;
  };
  constexpr Row kRows[] = {
      {"8f@%xmm0", "floating point"},
      {"-8f@-8(%rbp)", "floating point"},
      {"8@%xmm0", "do not see"},
      {"8@%st", "do not see"},
      {"8@%", "do not see"},
      {"4@%ah", "one byte"},
      {"8@%fs:-8", "segments"},
      {"4@8(%rax,%rcx,4)", "index"},
      {"4@8(,%rcx,4)", "index"},
      {"4@table(%rax)", "symbol plus a register"},
      {"4@table(,%rax,4)", "index"},
      {"4@8(%rip)", "names no symbol"},
      {"4@1234", "names no symbol"},
      {"4@(%eax)", "eight bytes"},
      {"4@(%rax", "not understood"},
      {"4@(rax)", "not understood"},
      {"4@", "not understood"},
      {"4@a-b(%rip)", "not understood"},
      {"4@%fs:x@tpoff", "segments"},
      {"8@$", "no number"},
      {"8@$12x", "no number"},
      {"8@$99999999999999999999", "no number"},
      {"8@$symbol", "address of a symbol"},
      {"3@%rax", "none of 1, 2, 4, 8"},
      {"16@%rax", "none of 1, 2, 4, 8"},
      {"@%rax", "none of 1, 2, 4, 8"},
      {"-@%rax", "none of 1, 2, 4, 8"},
      {"%rax", "SIZE@PLACE"},
  };
  for (const Row& row : kRows) {
    const auto arguments = ParseUsdtArguments(row.text);
    ASSERT_FALSE(arguments) << row.text;
    EXPECT_EQ(arguments.error().code(), ErrorCode::kNotSupported) << row.text;
    EXPECT_THAT(arguments.error().message(), HasSubstr(std::string("\"") + row.text + "\""));
    EXPECT_THAT(arguments.error().message(), HasSubstr(row.why)) << row.text;
  }
}

template <typename T>
T At(const std::vector<std::byte>& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// Offsets as the header for programs has them; the programs of tests/backends/usdt_test.cc read what is written here.
TEST(UsdtArguments, RecordIsThatOfTheHeaderForPrograms) {
  const auto record = EncodeUsdtSpec(*ParseUsdtArguments("-4@$-9 2@%si 8@-16(%rbp)"), 77);
  ASSERT_EQ(record.size(), 208U);
  EXPECT_EQ(At<std::int64_t>(record, 0), -9);
  EXPECT_EQ(At<std::uint32_t>(record, 8), 0U);
  EXPECT_EQ(At<std::uint8_t>(record, 14), 1);
  EXPECT_EQ(At<std::uint8_t>(record, 15), 32);
  EXPECT_EQ(At<std::uint32_t>(record, 16 + 8), 1U);
  EXPECT_EQ(At<std::int16_t>(record, 16 + 12), static_cast<std::int16_t>(OFFSET(rsi)));
  EXPECT_EQ(At<std::uint8_t>(record, 16 + 14), 0);
  EXPECT_EQ(At<std::uint8_t>(record, 16 + 15), 48);
  EXPECT_EQ(At<std::int64_t>(record, 32), -16);
  EXPECT_EQ(At<std::uint32_t>(record, 32 + 8), 2U);
  EXPECT_EQ(At<std::uint64_t>(record, 192), 77U);
  EXPECT_EQ(At<std::int16_t>(record, 200), 3);
}

}  // namespace
}  // namespace strata
