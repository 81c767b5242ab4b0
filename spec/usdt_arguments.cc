#include "strata/spec/usdt_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

namespace strata {
namespace {

// The record that <bpf/usdt.bpf.h> reads; its layout is the interface between loaders and compiled programs.
struct ArgumentRecord {
  std::uint64_t value;
  std::uint32_t place;
  std::int16_t register_offset;
  std::uint8_t is_signed;
  std::uint8_t bit_shift;  // bits above the value
};
struct SpecRecord {
  ArgumentRecord arguments[kMaxUsdtArguments];
  std::uint64_t cookie;
  std::int16_t argument_count;
  std::uint8_t padding[6];
};
static_assert(sizeof(ArgumentRecord) == 16 && sizeof(SpecRecord) == 208);

// Names of one register from 8 bytes to 1, that of its second byte, and its place in struct pt_regs
// (arch/x86/include/asm/ptrace.h).
struct RegisterRow {
  std::string_view names[4];
  std::string_view second_byte;
  std::uint16_t offset;
};
constexpr RegisterRow kRegisters[] = {
    {{"rax", "eax", "ax", "al"}, "ah", 80},
    {{"rbx", "ebx", "bx", "bl"}, "bh", 40},
    {{"rcx", "ecx", "cx", "cl"}, "ch", 88},
    {{"rdx", "edx", "dx", "dl"}, "dh", 96},
    {{"rsi", "esi", "si", "sil"}, {}, 104},
    {{"rdi", "edi", "di", "dil"}, {}, 112},
    {{"rbp", "ebp", "bp", "bpl"}, {}, 32},
    {{"rsp", "esp", "sp", "spl"}, {}, 152},
    {{"r8", "r8d", "r8w", "r8b"}, {}, 72},
    {{"r9", "r9d", "r9w", "r9b"}, {}, 64},
    {{"r10", "r10d", "r10w", "r10b"}, {}, 56},
    {{"r11", "r11d", "r11w", "r11b"}, {}, 48},
    {{"r12", "r12d", "r12w", "r12b"}, {}, 24},
    {{"r13", "r13d", "r13w", "r13b"}, {}, 16},
    {{"r14", "r14d", "r14w", "r14b"}, {}, 8},
    {{"r15", "r15d", "r15w", "r15b"}, {}, 0},
    {{"rip", "eip", "ip", "ip"}, {}, kUsdtInstructionPointer},
};

struct Register {
  std::uint16_t offset = 0;
  bool is_whole = false;        // all eight bytes
  bool is_second_byte = false;  // "ah"
};

std::optional<Register> FindRegister(std::string_view name) {
  for (const RegisterRow& row : kRegisters) {
    if (!row.second_byte.empty() && name == row.second_byte) {
      return Register{static_cast<std::uint16_t>(row.offset + 1), false, true};
    }
    if (std::find(std::begin(row.names), std::end(row.names), name) != std::end(row.names)) {
      return Register{row.offset, name == row.names[0], false};
    }
  }
  return std::nullopt;
}

// Without a sign; decimal, or hexadecimal after "0x".
std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool IsSymbol(std::string_view text) {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '$';
  };
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::all_of(text.begin(), text.end(), is_part);
}

// "-8+16", "counter+8", "8+counter", "": numbers, and one symbol at most.
struct Sum {
  std::int64_t number = 0;
  std::string symbol;
};

std::optional<Sum> ParseSum(std::string_view text) {
  Sum sum;
  std::uint64_t total = 0;
  while (!text.empty()) {
    const bool is_negative = text[0] == '-';
    if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
    const std::string_view term = text.substr(0, text.find_first_of("+-"));
    text.remove_prefix(term.size());
    if (const auto number = ParseNumber(term)) {
      total += is_negative ? 0 - *number : *number;
    } else if (IsSymbol(term) && !is_negative && sum.symbol.empty()) {
      sum.symbol = term;
    } else {
      return std::nullopt;
    }
  }
  sum.number = static_cast<std::int64_t>(total);
  return sum;
}

class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view text) : text_(text) {}

  Result<UsdtArgument> Parse() {
    const std::size_t at = text_.find('@');
    if (at == std::string_view::npos) return Refuse("does not have the form SIZE@PLACE");
    STRATA_TRY(ParseSize(text_.substr(0, at)));
    const std::string_view place = text_.substr(at + 1);
    if (place.starts_with('$')) {
      STRATA_TRY(ParseConstant(place.substr(1)));
    } else if (place.starts_with('%')) {
      STRATA_TRY(ParseRegister(place.substr(1)));
    } else {
      STRATA_TRY(ParseMemory(place));
    }
    return std::move(argument_);
  }

 private:
  // "-4", "8"; "8f" is floating point.
  Result<void> ParseSize(std::string_view size) {
    if (size.ends_with('f')) return Refuse("floating point cannot be fetched");
    argument_.is_signed = size.starts_with('-');
    if (argument_.is_signed) size.remove_prefix(1);
    if (size != "1" && size != "2" && size != "4" && size != "8") return Refuse("the size is none of 1, 2, 4, 8");
    argument_.size_bytes = static_cast<std::uint8_t>(size[0] - '0');
    return {};
  }

  Result<void> ParseConstant(std::string_view text) {
    const auto sum = ParseSum(text);
    if (!sum || text.empty()) return Refuse("the constant is no number");
    if (!sum->symbol.empty()) return Refuse("the address of a symbol is not known before it is loaded");
    argument_.place = UsdtPlace::kConstant;
    argument_.value = sum->number;
    return {};
  }

  Result<void> ParseRegister(std::string_view name) {
    if (name.find(':') != std::string_view::npos) return Refuse("segments cannot be followed");
    const auto found = FindRegister(name);
    if (!found) return Refuse("is in a register that programs do not see");
    if (found->is_second_byte && argument_.size_bytes != 1) return Refuse("the register has one byte");
    argument_.place = UsdtPlace::kRegister;
    argument_.register_offset = found->offset;
    return {};
  }

  // "SUM(%base)", "SUM(,%index,1)"; a symbol's memory with or without "(%rip)".
  Result<void> ParseMemory(std::string_view place) {
    const std::size_t parenthesis = place.find('(');
    const auto sum = ParseSum(place.substr(0, parenthesis));
    if (!sum || place.empty()) return Refuse("the place is not understood");
    argument_.place = UsdtPlace::kMemory;
    argument_.value = sum->number;
    argument_.symbol = sum->symbol;
    argument_.register_offset = kUsdtInstructionPointer;
    if (parenthesis != std::string_view::npos) STRATA_TRY(ParseBase(place.substr(parenthesis)));
    const bool is_relative = argument_.register_offset == kUsdtInstructionPointer;
    if (is_relative && argument_.symbol.empty()) return Refuse("the place names no symbol");
    if (!is_relative && !argument_.symbol.empty()) {
      return Refuse("the address of a symbol plus a register cannot be fetched");
    }
    return {};
  }

  Result<void> ParseBase(std::string_view base) {
    if (!base.ends_with(')')) return Refuse("the place is not understood");
    base = base.substr(1, base.size() - 2);
    if (base.find(',') != std::string_view::npos) {
      const bool is_unscaled = base.starts_with(',') && base.ends_with(",1");
      if (!is_unscaled) return Refuse("an index register cannot be followed");
      base = base.substr(1, base.size() - 3);
    }
    if (!base.starts_with('%')) return Refuse("the place is not understood");
    const auto found = FindRegister(base.substr(1));
    if (!found || !found->is_whole) return Refuse("the address is in no register of eight bytes");
    argument_.register_offset = found->offset;
    return {};
  }

  Error Refuse(std::string_view why) const {
    return Error(ErrorCode::kNotSupported, fmt::format("argument \"{}\": {}", text_, why));
  }

  std::string_view text_;
  UsdtArgument argument_;
};

}  // namespace

Result<std::vector<UsdtArgument>> ParseUsdtArguments(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  std::vector<UsdtArgument> arguments;
  for (std::size_t begin = text.find_first_not_of(kSpace); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    if (arguments.size() == kMaxUsdtArguments) {
      return Error(
          ErrorCode::kNotSupported,
          fmt::format("\"{}\": has more than the {} arguments that programs can have", text, kMaxUsdtArguments));
    }
    arguments.push_back(STRATA_TRY(ArgumentParser(text.substr(begin, end - begin)).Parse()));
    begin = text.find_first_not_of(kSpace, end);
  }
  return arguments;
}

std::vector<std::byte> EncodeUsdtSpec(const std::vector<UsdtArgument>& arguments, std::uint64_t cookie) {
  assert(arguments.size() <= kMaxUsdtArguments);
  SpecRecord record{};
  record.cookie = cookie;
  record.argument_count = static_cast<std::int16_t>(arguments.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const UsdtArgument& argument = arguments[i];
    record.arguments[i] = {.value = static_cast<std::uint64_t>(argument.value),
                           .place = static_cast<std::uint32_t>(argument.place),
                           .register_offset = static_cast<std::int16_t>(argument.register_offset),
                           .is_signed = argument.is_signed,
                           .bit_shift = static_cast<std::uint8_t>(64 - 8 * argument.size_bytes)};
  }
  std::vector<std::byte> bytes(sizeof(record));
  std::memcpy(bytes.data(), &record, sizeof(record));
  return bytes;
}

}  // namespace strata
