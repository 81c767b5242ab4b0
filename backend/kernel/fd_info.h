// What /proc/self/fdinfo says of a BPF object: the only source for some facts, and the only one at all before
// Linux 4.13.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strata/backend/kernel/bpf_attr.h"

namespace strata::kernel {

// Empty where it cannot be read.
std::string ReadFdInfo(int fd);

// The number after "name:" in such a text; octal, decimal or with 0x, as the kernel prints the field.
std::optional<std::uint64_t> FdInfoNumber(std::string_view text, std::string_view name);

// A map's record by its fields there; nothing for another object.
std::optional<MapInfoRecord> MapRecordOfFdInfo(std::string_view text);

// "prog", "link", ... where the descriptor is a BPF object of another kind than `kind` ("map"); empty when it is of
// that kind or cannot be known.
std::string OtherObjectKind(int fd, std::string_view kind);

}  // namespace strata::kernel
