// A userspace backend over a session of its own, with a planner and agents that the test plays itself.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "strata/backend/userspace/runtime/program_instance.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/backend/userspace/userspace_backend.h"

namespace strata {

class UserspaceBackendTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  UserspaceOptions Options() const;
  // Another loader of the same session.
  std::shared_ptr<Backend> OpenAgain() const;
  Backend& backend() { return *backend_; }
  void CloseBackend() { backend_.reset(); }
  std::string session_folder() const { return runtime_folder_ + "/test"; }
  const std::string& runtime_folder() const { return runtime_folder_; }
  // Names of the session's files, sorted; empty when the session is gone.
  std::vector<std::string> Files() const;

  static MapSpec Spec(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
                      std::uint32_t flags = 0);
  std::shared_ptr<BackendMap> MakeMap(const MapSpec& spec) { return backend_->CreateMap(spec, nullptr).value(); }
  // r0 = 7; exit
  static LinkedProgram TrivialProgram();
  std::shared_ptr<BackendProgram> MakeProgram() { return backend_->LoadProgram(TrivialProgram()).value(); }
  // Adds one to the value of index or key 0 of a map of u32 keys and u64 values, if it has one.
  static LinkedProgram CountingProgram(const std::shared_ptr<BackendMap>& map);
  static AttachTarget Target(std::int32_t pid = kAllProcesses);

  // Calls `use(process, folder descriptor)` with the session as an agent opens it.
  template <typename Use>
  void AsAgent(Use use) {
    runtime::Process* process = nullptr;
    runtime::Reason reason;
    ASSERT_EQ(runtime::OpenProcess(session_folder().c_str(), &process, &reason), 0) << reason.text;
    const int folder = runtime::OpenSessionFolder(session_folder().c_str(), &reason);
    EXPECT_GE(folder, 0) << reason.text;
    use(*process, folder);
    runtime::CloseDescriptor(folder);
    runtime::CloseProcess(process);
  }
  // Instantiates the program as an agent does and runs it `times` times; the last result.
  std::uint64_t Run(const BackendProgram& program, int times = 1);

 private:
  std::string runtime_folder_;
  std::shared_ptr<Backend> backend_;
};

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <typename T>
std::span<std::byte> WritableBytesOf(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

}  // namespace strata
