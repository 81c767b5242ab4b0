// How the tests read compiled objects.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "strata/elf/reader.h"
#include "support/elf_writer.h"

namespace strata::test {

inline CollectionSpec Read(const std::string& path) {
  return elf::ReadCollectionSpec(ReadFile(path), {.path = path}).value();
}

inline std::string ErrorOf(const std::string& path, ErrorCode code) {
  const auto result = elf::ReadCollectionSpec(ReadFile(path), {.path = path});
  if (result) return "no error";
  EXPECT_EQ(result.error().code(), code);
  return result.error().message();
}

// "kind symbol+addend" of each reference, in order.
inline std::vector<std::string> References(const FunctionSpec& function) {
  static constexpr const char* kNames[] = {"map", "value", "call", "callback", "ksym", "kfunc"};
  std::vector<std::string> texts;
  for (const Reference& reference : function.references) {
    std::string text = std::string(kNames[static_cast<int>(reference.kind)]) + " " + std::string(reference.symbol);
    if (reference.addend != 0) text += "+" + std::to_string(reference.addend);
    if (reference.is_weak) text += " weak";
    texts.push_back(text);
  }
  return texts;
}

// The parts of "a:b:c".
inline std::vector<std::string> SplitPaths(std::string_view list) {
  std::vector<std::string> paths;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(':'), list.size());
    paths.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return paths;
}

}  // namespace strata::test
