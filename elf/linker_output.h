// An object being put together, and its file.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "strata/base/byte_reader.h"

namespace strata::elf {

inline constexpr std::uint32_t kNoSection = UINT32_MAX;  // of an undefined symbol

struct OutputRelocation {
  std::uint64_t offset = 0;
  std::uint32_t symbol = 0;  // position in OutputObject::symbols
  std::uint32_t type = 0;
};

struct OutputSection {
  std::string name;
  std::uint32_t type = 0;
  std::uint64_t flags = 0;
  std::uint64_t alignment = 1;
  std::uint64_t size_bytes = 0;
  std::vector<std::byte> content;  // size_bytes long; empty for SHT_NOBITS
  std::vector<OutputRelocation> relocations;
};

struct OutputSymbol {
  std::string name;
  std::uint64_t value = 0;
  std::uint64_t size_bytes = 0;
  std::uint8_t type = 0;
  std::uint8_t binding = 0;
  std::uint8_t visibility = 0;
  std::uint32_t section = kNoSection;  // position in OutputObject::sections
};

struct OutputObject {
  std::endian byte_order = std::endian::native;
  std::vector<OutputSection> sections;
  std::vector<OutputSymbol> symbols;
};

// A 64-bit relocatable file for the BPF machine.
std::vector<std::byte> WriteObject(const OutputObject& object);

}  // namespace strata::elf
