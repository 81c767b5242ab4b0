// The types of one BTF by the hash of their names without flavours.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace strata::btf {

// Two arrays of numbers: chains of types whose names fall into one bucket, in the order of ids.
class NameIndex {
 public:
  static constexpr std::uint32_t kEnd = 0xffffffff;

  // Types count from 0; `essential_name(i)` is empty for those without a name.
  template <typename EssentialNameOf>
  NameIndex(std::uint32_t count, EssentialNameOf essential_name);

  std::uint32_t First(std::string_view essential) const { return heads_[Bucket(essential)]; }
  std::uint32_t Next(std::uint32_t index) const { return next_[index]; }

 private:
  std::size_t Bucket(std::string_view name) const { return std::hash<std::string_view>()(name) & (heads_.size() - 1); }

  std::vector<std::uint32_t> heads_;
  std::vector<std::uint32_t> next_;
};

template <typename EssentialNameOf>
NameIndex::NameIndex(std::uint32_t count, EssentialNameOf essential_name)
    : heads_(std::bit_ceil(std::size_t{count} + 1), kEnd), next_(count, kEnd) {
  for (std::uint32_t i = count; i-- > 0;) {
    const std::string_view name = essential_name(i);
    if (name.empty()) continue;
    std::uint32_t& head = heads_[Bucket(name)];
    next_[i] = head;
    head = i;
  }
}

}  // namespace strata::btf
