// Objects in the running kernel, and what their programs return.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "strata/strata.h"

namespace strata::testing {

class KernelTest : public ::testing::Test {
 protected:
  void SetUp() override;

  Result<Collection> Load(const std::string& path, LoadOptions options = {}) {
    return LoadCollection(backend_, path, std::move(options));
  }
  // With all programs off but those named.
  Result<Collection> LoadOnly(const std::string& path, std::initializer_list<std::string> programs);

  // The error of a load that must fail; empty when it does not.
  static Error ErrorOf(Result<Collection> result);

  std::shared_ptr<Backend> backend_;
};

// What one run of a tc program over a packet with that mark returns.
std::int32_t RunOnPacket(Collection& objects, const std::string& program, std::uint32_t mark = 0);

// What one run of a syscall program returns; `context` is its argument, read and written.
std::int32_t RunAsSyscall(Collection& objects, const std::string& program, void* context = nullptr,
                          std::uint32_t size = 0);

}  // namespace strata::testing
