// What the tests of single kinds of maps share: programs that do one operation, and the same operations on two
// backends.
#pragma once

#include <cerrno>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "fixture.h"

namespace strata::testing {

inline int ErrnoOf(const Result<void>& result) { return result ? 0 : result.error().sys_errno(); }
// ENOENT where there is nothing.
inline int ErrnoOf(const Result<bool>& result) { return !result ? result.error().sys_errno() : *result ? 0 : ENOENT; }

template <typename T>
std::span<const std::byte> Bytes(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <typename T>
std::span<std::byte> Writable(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

// struct request of map_kinds.bpf.c.
struct Request {
  enum Operation : std::uint32_t { kPush, kPop, kPeek, kLookup, kUpdate, kDelete };
  std::uint32_t operation = kPush;
  std::uint32_t prefix_bits = 0;
  std::uint64_t flags = 0;
  std::uint64_t value = 0;
  std::int64_t result = -1;
  std::uint8_t data[8] = {};
};

template <typename Kind>
class MapKindsTest : public BackendTest<Kind> {
 protected:
  void LoadObjects(const char* path) {
    auto objects = LoadCollection(this->backend_, std::string(path));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }
  // Runs the program once; what is in the request afterwards.
  Request Run(const std::string& program, const Request& request) {
    auto requests = objects_->template FindMap<Array<Request>>("requests").value();
    EXPECT_TRUE(requests.Update(0, request));
    const auto result = (*objects_->FindProgram(program))->TestRun();
    EXPECT_TRUE(result) << result.error().message();
    return **requests.Lookup(0);
  }
  std::int64_t ResultOf(const std::string& program, const Request& request) { return Run(program, request).result; }

  MapSpec SpecOf(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                 std::uint32_t flags = 0) {
    MapSpec spec;
    spec.name = "test_map";
    spec.type = type;
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = max_entries;
    spec.flags = flags;
    return spec;
  }
  // 0, or the errno of the creation.
  int CreationErrno(const MapSpec& spec) {
    const auto map = this->backend_->CreateMap(spec, nullptr);
    return map ? 0 : map.error().sys_errno();
  }

  std::optional<Collection> objects_;
};

// The same map on both backends.
class BothBackends : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"kernel", "userspace"}) {
      auto opened = OpenBackend(name, {.session = "test", .runtime_folder = folder_.path(), .agent_path = {}});
      if (!opened && opened.error().code() == ErrorCode::kPermissionDenied)
        GTEST_SKIP() << "lacks the right to use bpf(2): " << opened.error().message();
      ASSERT_TRUE(opened) << opened.error().message();
      backends_.push_back(*std::move(opened));
    }
  }
  std::vector<Map> CreateMaps(const MapSpec& spec) {
    std::vector<Map> maps;
    for (const auto& backend : backends_) maps.emplace_back(backend, backend->CreateMap(spec, nullptr).value(), spec);
    return maps;
  }

  SessionFolder folder_;
  std::vector<std::shared_ptr<Backend>> backends_;
};

}  // namespace strata::testing
