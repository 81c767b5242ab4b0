// The typed fixture: each test runs once per backend.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "strata/strata.h"

namespace strata::testing {

struct KernelKind {
  static constexpr char kName[] = "kernel";
};
struct UserspaceKind {
  static constexpr char kName[] = "userspace";
};

// A private session folder for the userspace backend, gone with the object.
class SessionFolder {
 public:
  SessionFolder();
  ~SessionFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <typename Kind>
class BackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = OpenBackend(Kind::kName, {.session = "test", .runtime_folder = folder_.path(), .agent_path = {}});
    if (!opened && opened.error().code() == ErrorCode::kPermissionDenied) {
      GTEST_SKIP() << "lacks the right to use bpf(2): " << opened.error().message();
    }
    ASSERT_TRUE(opened) << opened.error().message();
    backend_ = *std::move(opened);
  }

  Map CreateMap(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                std::uint32_t flags = 0) {
    MapSpec spec;
    spec.name = "test_map";
    spec.type = type;
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = max_entries;
    spec.flags = flags;
    return Map(backend_, backend_->CreateMap(spec, nullptr).value(), spec);
  }

  SessionFolder folder_;
  std::shared_ptr<Backend> backend_;
};

using BackendKinds = ::testing::Types<KernelKind, UserspaceKind>;
class BackendNames {
 public:
  template <typename Kind>
  static std::string GetName(int) {
    return Kind::kName;
  }
};

}  // namespace strata::testing
