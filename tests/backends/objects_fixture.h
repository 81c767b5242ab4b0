// The backends, and userspace without compiled code.
#pragma once

#include "fixture.h"
#include "strata/backend/userspace/userspace_backend.h"

namespace strata::testing {

struct InterpretedKind {
  static constexpr char kName[] = "userspace";
};

template <typename Kind>
class EngineTest : public BackendTest<Kind> {
 protected:
  void SetUp() override {
    BackendTest<Kind>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure() || !std::is_same_v<Kind, InterpretedKind>) return;
    UserspaceOptions options;
    options.session = "interpreted";
    options.runtime_folder = this->folder_.path();
    options.engine = UserspaceEngine::kInterpreted;
    this->backend_ = OpenUserspaceBackend(std::move(options)).value();
  }
};

using EngineKinds = ::testing::Types<KernelKind, UserspaceKind, InterpretedKind>;
class EngineNames {
 public:
  template <typename Kind>
  static std::string GetName(int) {
    return std::is_same_v<Kind, InterpretedKind> ? "interpreted" : Kind::kName;
  }
};

}  // namespace strata::testing
