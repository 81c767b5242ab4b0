// Where a USDT probe's arguments are: the text of its note as values, and those as programs read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/export.h"
#include "strata/base/result.h"

namespace strata {

inline constexpr std::size_t kMaxUsdtArguments = 12;           // BPF_USDT_MAX_ARG_CNT of <bpf/usdt.bpf.h>
inline constexpr std::uint16_t kUsdtInstructionPointer = 128;  // offsetof(struct pt_regs, ip)

// The numbers are those of enum __bpf_usdt_arg_type.
enum class UsdtPlace : std::uint8_t {
  kConstant = 0,
  kRegister = 1,
  kMemory = 2,  // at a register's value plus an offset
};

struct UsdtArgument {
  UsdtPlace place = UsdtPlace::kConstant;
  std::uint8_t size_bytes = 8;        // 1, 2, 4 or 8
  bool is_signed = false;             // extended by its sign to 8 bytes
  std::uint16_t register_offset = 0;  // of the register in x86-64's struct pt_regs, in bytes
  std::int64_t value = 0;             // the constant; what is added to the register's value
  std::string symbol = {};            // memory of a variable: the register is the instruction pointer, and the distance
                                      // from the probe to this symbol is still to be added to `value`

  bool operator==(const UsdtArgument&) const = default;
};

// "-4@%edi 8@$123 8@-16(%rbp) 4@counter+8(%rip)", by the rules of x86-64 and of <sys/sdt.h>. kNotSupported, with the
// argument's text, for what a program cannot fetch: floating point, vector and segment registers, scaled indexes, more
// than kMaxUsdtArguments. Pure.
STRATA_EXPORT Result<std::vector<UsdtArgument>> ParseUsdtArguments(std::string_view text);

// struct __bpf_usdt_spec of <bpf/usdt.bpf.h>, in host byte order. The symbols must have been resolved, and there may be
// kMaxUsdtArguments at most.
STRATA_EXPORT std::vector<std::byte> EncodeUsdtSpec(const std::vector<UsdtArgument>& arguments, std::uint64_t cookie);

}  // namespace strata
