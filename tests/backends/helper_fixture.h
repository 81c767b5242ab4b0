// Programs that call helpers, run without an event in this process: on the kernel, in userspace with reads by system
// calls, and in userspace with reads that may fault.
#pragma once

#include <optional>
#include <string>

#include "fixture.h"

namespace strata::testing {

struct FaultingKind {
  static constexpr char kName[] = "userspace_with_fault_table";
};
using HelperKinds = ::testing::Types<KernelKind, UserspaceKind, FaultingKind>;

template <typename Kind>
class HelperTest : public ::testing::Test {
 protected:
  static constexpr bool kIsKernel = std::is_same_v<Kind, KernelKind>;

  void Load(const char* object) {
    auto opened =
        OpenBackend(kIsKernel ? "kernel" : "userspace", {.session = "test",
                                                         .runtime_folder = folder_.path(),
                                                         .agent_path = {},
                                                         .handle_fault_signals = std::is_same_v<Kind, FaultingKind>});
    if (!opened && opened.error().code() == ErrorCode::kPermissionDenied) {
      GTEST_SKIP() << "lacks the right to use bpf(2): " << opened.error().message();
    }
    ASSERT_TRUE(opened) << opened.error().message();
    backend_ = *std::move(opened);
    auto objects = LoadCollection(backend_, std::string(object));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  // Sets `request`, runs the program, and returns `answer`.
  template <typename Answer, typename Request>
  Answer Ask(const char* program, const Request& request) {
    EXPECT_TRUE(objects_->FindVariable("request")->Set(request));
    Run(program);
    return objects_->FindVariable("answer")->template Get<Answer>().value();
  }
  void Run(const char* program) {
    const auto result = (*objects_->FindProgram(program))->TestRun({});
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->return_value, 0U) << program;
  }
  template <typename T>
  T Get(const char* variable) {
    return objects_->FindVariable(variable)->template Get<T>().value();
  }
  template <typename T>
  void Set(const char* variable, const T& value) {
    EXPECT_TRUE(objects_->FindVariable(variable)->Set(value)) << variable;
  }

  SessionFolder folder_;
  std::shared_ptr<Backend> backend_;
  std::optional<Collection> objects_;
};

}  // namespace strata::testing
