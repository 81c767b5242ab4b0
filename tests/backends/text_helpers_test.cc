// Helpers that print and read text. What the formats of text_helpers.bpf.c print stands here once, for both backends.
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "helper_fixture.h"

namespace strata {
namespace {

using testing::HelperTest;
constexpr std::size_t kRoom = 96;

struct Printed {
  std::int64_t length;
  char text[kRoom];
};
struct Request {
  char text[40];
  std::uint32_t size;
  std::uint32_t reserved;
  std::uint64_t flags;
};
struct Answer {
  std::int64_t result;
  std::int64_t value;
};

template <typename T>
class TextHelpersTest : public HelperTest<T> {
 protected:
  using Arguments = std::vector<std::uint64_t>;
  void SetUp() override { this->Load(STRATA_BPF_TEXT_HELPERS); }

  void SetArguments(const Arguments& arguments) {
    std::array<std::uint64_t, 12> all{};
    std::copy(arguments.begin(), arguments.end(), all.begin());
    this->Set("arguments", all);
  }
  std::string Print(int number, const Arguments& arguments) {
    SetArguments(arguments);
    this->Run(fmt::format("print_{}", number).c_str());
    const auto printed = this->template Get<std::array<Printed, 48>>("answers")[static_cast<std::size_t>(number)];
    if (printed.length < 0) return fmt::format("error {}", printed.length);
    EXPECT_EQ(std::strlen(printed.text),
              std::min<std::size_t>(static_cast<std::size_t>(printed.length) - 1, kRoom - 1));
    return fmt::format("{}#{}", printed.text, printed.length - 1);
  }
  Answer AskOf(const char* program, std::string_view text, std::uint64_t flags = 0) {
    Request request{};
    std::memcpy(request.text, text.data(), text.size());
    request.size = static_cast<std::uint32_t>(text.size());
    request.flags = flags;
    return this->template Ask<Answer>(program, request);
  }
};
TYPED_TEST_SUITE(TextHelpersTest, testing::HelperKinds, testing::BackendNames);

std::string Counted(const std::string& text) { return fmt::format("{}#{}", text, text.size()); }
std::uint64_t At(const void* address) { return reinterpret_cast<std::uint64_t>(address); }

TYPED_TEST(TextHelpersTest, NumbersOfEverySizeAndBase) {
  const std::uint64_t minus = static_cast<std::uint64_t>(-5);
  EXPECT_EQ(this->Print(0, {}), Counted("plain text"));
  EXPECT_EQ(this->Print(1, {}), Counted("100%"));
  EXPECT_EQ(this->Print(2, {minus, 0x100000007}), Counted("-5|7"));
  EXPECT_EQ(this->Print(3, {minus}), Counted("4294967291"));
  EXPECT_EQ(this->Print(4, {0xabcdef, 0xabcdef}), Counted("abcdef|ABCDEF"));
  EXPECT_EQ(this->Print(5, {minus, std::uint64_t{1} << 63}), Counted("-5|-9223372036854775808"));
  EXPECT_EQ(this->Print(6, {~std::uint64_t{0}, ~std::uint64_t{0}}), Counted("18446744073709551615|ffffffffffffffff"));
  EXPECT_EQ(this->Print(7, {minus}), Counted("-5"));
}

TYPED_TEST(TextHelpersTest, FlagsAndWidths) {
  const std::uint64_t minus = static_cast<std::uint64_t>(-5);
  EXPECT_EQ(this->Print(8, {42, 42, minus}), Counted("   42|42   |-0005"));
  EXPECT_EQ(this->Print(9, {42, 42, 42}), Counted("+42| 42|42"));
  EXPECT_EQ(this->Print(10, {42, 42}), Counted("42   |42   |"));
  EXPECT_EQ(this->Print(11, {0xab, 0xab, 0xab}),
            Counted("                  ab|ab                  |000000000000000000ab"));
  EXPECT_EQ(this->Print(12, {'a', 'b'}), Counted("ab"));
  EXPECT_EQ(this->Print(13, {'a', 'b'}), Counted("  a|b  |"));
  EXPECT_EQ(this->Print(30, {1}), std::string(95, ' ') + "#1000");
  EXPECT_EQ(this->Print(35, {42}), Counted("+42  |"));
}

TYPED_TEST(TextHelpersTest, StringsOfTheProcess) {
  const char text[] = "seven";
  EXPECT_EQ(this->Print(14, {At(text)}), Counted("seven"));
  EXPECT_EQ(this->Print(14, {16}), Counted("")) << "memory that is not there";
  EXPECT_EQ(this->Print(15, {At(text), At(text), At(text)}), Counted("     seven|seven     |seven"));
  EXPECT_EQ(this->Print(17, {At(text)}), Counted("seven."));
  EXPECT_EQ(this->Print(18, {At(text), At(text)}), Counted("seven|seven|")) << "no widths";
  EXPECT_EQ(this->Print(28, {At(text), At("x"), At("")}), Counted("seven, x; "));
  EXPECT_EQ(this->Print(29, {1, At(text), 255, 'c', At("end")}), Counted("1 seven ff c end"));
  EXPECT_EQ(this->Print(31, {}), Counted(""));
  EXPECT_EQ(this->Print(32, {At(text), 3}), Counted("seven%3%"));
  EXPECT_EQ(this->Print(33, {}), Counted("\t\n\v\f\r"));
}

TYPED_TEST(TextHelpersTest, PointersAndAddressesOfTheInternet) {
  const std::uint64_t address = 0x7f1234567890;
  // Read by "kernel" conversions: in the kernel these need its own memory, for which zeros stand here.
  EXPECT_EQ(this->Print(19, {address}), Counted("00007f1234567890"));
  EXPECT_EQ(this->Print(20, {address, address}), Counted("        7f1234567890|7f1234567890        |"));
  EXPECT_EQ(this->Print(21, {address, address, address}), Counted("0x7f1234567890|0x7f1234567890|0x7f1234567890"));
  EXPECT_EQ(this->Print(22, {address}), Counted("                0x7f1234567890|"));
  EXPECT_EQ(this->Print(23, {0, 0}), Counted("0.0.0.0|000.000.000.000"));
  EXPECT_EQ(this->Print(24, {0}), Counted("0000:0000:0000:0000:0000:0000:0000:0000"));
  EXPECT_EQ(this->Print(25, {0}), Counted("00000000000000000000000000000000"));
  EXPECT_EQ(this->Print(26, {0}), Counted("0.0.0.0|"));
  EXPECT_EQ(this->Print(27, {0, address}), Counted("0.0.0.0|00007f1234567890|"));
}

TYPED_TEST(TextHelpersTest, WhatHasNoRoomIsCountedAndCutOff) {
  this->SetArguments({7, At("abcdefghijklmnop")});
  for (const std::uint32_t size : {0U, 1U, 5U, 16U}) {
    Request request{};
    request.size = size;
    this->Set("request", request);
    this->Set("answers", std::array<Printed, 48>{});
    this->Run("print_small");
    const auto printed = this->template Get<std::array<Printed, 48>>("answers")[0];
    EXPECT_EQ(printed.length, 23);
    EXPECT_EQ(std::string(printed.text), std::string("7 and abcdefghijklmnop").substr(0, size == 0 ? 0 : size - 1));
  }
}

TYPED_TEST(TextHelpersTest, ArgumentsComeInWords) {
  this->Run("print_bad_arguments");
  const auto answer = this->template Get<Answer>("answer");
  EXPECT_EQ(answer.result, -EINVAL);
  EXPECT_EQ(answer.value, 6);
}

TYPED_TEST(TextHelpersTest, FormatsAreCheckedWhenTheyAreTraced) {
  using namespace std::string_view_literals;
  this->SetArguments({1, At("two"), 3});
  const Answer good = this->AskOf("trace", "%d %s %d\0"sv);
  EXPECT_EQ(good.result, 7);
  EXPECT_EQ(good.value, 7);
  for (const std::string_view bad :
       {"%d"sv,      "%y\0"sv,  "%\0"sv,    "%5\0"sv,     "%.3d\0"sv,  "%hd\0"sv,    "%llld\0"sv,
        "%px%y\0"sv, "%sx\0"sv, "%s1\0"sv,  "%pksx\0"sv,  "%pus9\0"sv, "%pI5\0"sv,   "%pa\0"sv,
        "%n\0"sv,    "%ll\0"sv, "\x01\0"sv, "%s\xe4\0"sv, "%\xe4\0"sv, "%p\xe4\0"sv, "%d\x7f\0"sv}) {
    const Answer answer = this->AskOf("trace", bad);
    EXPECT_EQ(answer.result, -EINVAL) << bad;
    EXPECT_EQ(answer.value, -EINVAL) << bad;
  }
  EXPECT_EQ(this->AskOf("trace", "\xc3\xa4\0"sv).result, 2) << "UTF-8";
  EXPECT_EQ(this->AskOf("trace", "\x80\0"sv).result, 1);
  EXPECT_EQ(this->AskOf("trace", "%d\xa0%d\xbb\0"sv).result > 0, true);
  EXPECT_EQ(this->AskOf("trace", "%c\xe4%c\xbb\0"sv).result, 4);
  const Answer many = this->AskOf("trace", "%d%d%d%d\0"sv);
  EXPECT_EQ(many.result, -EINVAL) << "three arguments";
  EXPECT_GT(many.value, 0);
}

TYPED_TEST(TextHelpersTest, StringsTogetherHaveHalfAKilobyte) {
  using namespace std::string_view_literals;
  const std::string long_text(600, 'x');
  this->SetArguments({At(long_text.c_str()), At("a"), At("b")});
  EXPECT_EQ(this->AskOf("trace", "%s\0"sv).result, 511);
  EXPECT_EQ(this->AskOf("trace", "%s%s\0"sv).result, -ENOSPC);
  const std::string text(505, 'y');
  this->SetArguments({At(text.c_str()), At("abcdefgh"), 7});
  EXPECT_EQ(this->AskOf("trace", "%s%s\0"sv).result, 510);
  EXPECT_EQ(this->AskOf("trace", "%s%ld\0"sv).result, -ENOSPC);
  this->SetArguments({At(text.c_str()), 1234});
  EXPECT_EQ(this->AskOf("trace", "%s%d\0"sv).result, 505 + 4) << "the last four bytes";
}

struct ParsedRow {
  std::string_view text;
  std::uint64_t base;
  std::int64_t consumed;
  std::int64_t value;
};

TYPED_TEST(TextHelpersTest, SignedNumbersInText) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  const std::vector<ParsedRow> rows = {
      {"42", 0, 2, 42},
      {"-42", 0, 3, -42},
      {"  \t\n7", 0, 5, 7},
      {"+7", 0, -EINVAL, 0},
      {"", 0, -EINVAL, 0},
      {"   ", 0, -EINVAL, 0},
      {"-", 0, -EINVAL, 0},
      {"- 7", 0, -EINVAL, 0},
      {"x", 0, -EINVAL, 0},
      {"0", 0, 1, 0},
      {"010", 0, 3, 8},
      {"08", 0, 1, 0},
      {"0x10", 0, 4, 16},
      {"0X1f", 0, 4, 31},
      {"0x", 0, 1, 0},
      {"0xg", 0, 1, 0},
      {"0x10", 16, 4, 16},
      {"ff", 16, 2, 255},
      {"0x", 16, -EINVAL, 0},
      {"0x10", 10, 1, 0},
      {"78", 8, 1, 7},
      {"12abc", 10, 2, 12},
      {"-0x10", 0, 5, -16},
      {"\xa0"
       "5",
       10, 2, 5},
      {"9223372036854775807", 10, 19, std::numeric_limits<std::int64_t>::max()},
      {"9223372036854775808", 10, -ERANGE, 0},
      {"-9223372036854775808", 10, 20, kLeast},
      {"-9223372036854775809", 10, -ERANGE, 0},
      {"99999999999999999999", 10, -ERANGE, 0},
      {"5", 2, -EINVAL, 0},
      {"5", 36, -EINVAL, 0},
      {"5", 32, -EINVAL, 0},
      {"-0", 10, 2, 0},
      {"1_000", 0, 1, 1},
  };
  for (const ParsedRow& row : rows) {
    const std::string text = std::string(row.text) + '\0';
    const Answer answer = this->AskOf("parse_long", text, row.base);
    EXPECT_EQ(answer.result, row.consumed) << row.text << " base " << row.base;
    EXPECT_EQ(answer.value, row.value) << row.text << " base " << row.base;
  }
}

TYPED_TEST(TextHelpersTest, UnsignedNumbersInText) {
  const std::vector<ParsedRow> rows = {
      {"18446744073709551615", 10, 20, -1},
      {"18446744073709551616", 10, -ERANGE, 0},
      {"-1", 10, -EINVAL, 0},
      {"-0", 10, -EINVAL, 0},
      {"ffffffffffffffff", 16, 16, -1},
      {"10000000000000000", 16, -ERANGE, 0},
      {"777", 8, 3, 511},
  };
  for (const ParsedRow& row : rows) {
    const std::string text = std::string(row.text) + '\0';
    const Answer answer = this->AskOf("parse_unsigned_long", text, row.base);
    EXPECT_EQ(answer.result, row.consumed) << row.text;
    EXPECT_EQ(answer.value, row.value) << row.text;
  }
  // Without an end: as far as the size.
  EXPECT_EQ(this->AskOf("parse_unsigned_long", "123").result, 3);
}

TYPED_TEST(TextHelpersTest, ComparesUpToTheEndOrTheSize) {
  using namespace std::string_view_literals;
  EXPECT_EQ(this->AskOf("compare", "some text\0"sv).result, 0);
  EXPECT_EQ(this->AskOf("compare", "some"sv).result, 0);
  EXPECT_EQ(this->AskOf("compare", "some\0"sv).result, -1);
  EXPECT_EQ(this->AskOf("compare", "some text and more"sv).result, 1);
  EXPECT_EQ(this->AskOf("compare", "some uext"sv).result, 1);
  EXPECT_EQ(this->AskOf("compare", "rome text"sv).result, -1);
  EXPECT_EQ(this->AskOf("compare", "\xffome"sv).result, 1) << "bytes have no sign";
}

TYPED_TEST(TextHelpersTest, NoBranchesAreRecorded) {
  this->Run("branches");
  const auto answer = this->template Get<Answer>("answer");
  EXPECT_EQ(answer.result, -ENOENT);
  EXPECT_EQ(answer.value, -EINVAL);
}

}  // namespace
}  // namespace strata
