// What an object takes from the kernel by name: values of .kconfig, symbols and functions of .ksyms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "strata/btf/type_id.h"

namespace strata {

enum class ExternKind : std::uint8_t {
  kKconfig,   // a configuration value of the kernel, or one of LINUX_KERNEL_VERSION, LINUX_HAS_*
  kAddress,   // `extern const void name __ksym`: the symbol's address (/proc/kallsyms)
  kVariable,  // a typed variable of the kernel, by BTF id
  kFunction,  // a kfunc, by BTF id
};

// How a configuration value is read from text.
enum class KconfigType : std::uint8_t {
  kBool,
  kTristate,  // enum libbpf_tristate: no 0, yes 1, module 2
  kChar,      // 'y', 'm', 'n'
  kInteger,   // of 1, 2, 4 or 8 bytes
  kString,    // an array of char
};

struct ExternSpec {
  std::string name;
  ExternKind kind = ExternKind::kKconfig;
  bool is_weak = false;  // missing: zero (and a call of it is poisoned); otherwise an error
  btf::TypeId type;      // the variable's type or the FUNC, in the collection's BTF; kVoid for kAddress

  // Of kKconfig: where the value lies in the map ".kconfig".
  KconfigType kconfig_type = KconfigType::kInteger;
  std::uint32_t offset_bytes = 0;
  std::uint32_t size_bytes = 0;
  bool is_signed = false;
  // What it shall be, whatever the kernel says; size_bytes long.
  std::optional<std::vector<std::byte>> value;

  bool operator==(const ExternSpec&) const = default;
};

}  // namespace strata
