// What maps of task and cgroup storage have in common for user space.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "strata/strata.h"

namespace strata::testing {

inline void CheckStorageIsNotWalked(BackendMap& map) {
  int next = 0;
  EXPECT_EQ(map.NextKey(std::nullopt, std::as_writable_bytes(std::span(&next, 1))).error().sys_errno(), 524);
}

inline void CheckStorageCreation(const std::shared_ptr<Backend>& backend, const char* object, const std::string& map) {
  const auto error = [&](auto change) {
    auto spec = LoadCollectionSpec(object).value();
    change(spec.maps.at(map));
    const auto loaded = LoadCollection(backend, std::move(spec));
    return loaded ? 0 : loaded.error().sys_errno();
  };
  EXPECT_EQ(error([](MapSpec&) {}), 0);
  EXPECT_EQ(error([](MapSpec& spec) { spec.max_entries = 1; }), EINVAL);
  EXPECT_EQ(error([](MapSpec& spec) { spec.flags |= map_flags::kReadOnly; }), EINVAL);
  EXPECT_EQ(error([](MapSpec& spec) { spec.key_type = spec.value_type = {}; }), EINVAL);
}

}  // namespace strata::testing
