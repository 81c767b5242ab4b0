// A session folder made by hand, and maps in it: what the runtime layer finds when a loader has been there.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/process.h"

namespace strata::runtime {

inline constexpr std::uint32_t kTestSlots = 4;

class RuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  const std::string& folder() const { return folder_; }
  int folder_fd() const { return folder_fd_; }
  Process& process() { return *process_; }

  // A map that lies in the session as map-<id>; open until the test ends.
  MapView& MakeMap(const MapAttributes& attributes);
  MapView& MakeMap(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                   std::uint32_t flags = 0);
  void WriteFile(const std::string& name, std::span<const std::byte> bytes, unsigned mode = 0600);
  // Changes bytes of a file of the session in place.
  void Patch(const std::string& name, std::uint64_t offset, std::span<const std::byte> bytes);
  void Truncate(const std::string& name, std::uint64_t size);

  // Runs `body` in a child process that is then killed by SIGKILL at the point where it calls the function given to it.
  void RunAndKill(const std::function<void(const std::function<void()>& die)>& body);

 private:
  std::string folder_;
  int folder_fd_ = -1;
  Process* process_ = nullptr;
  std::uint32_t next_id_ = 1;
};

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace strata::runtime
