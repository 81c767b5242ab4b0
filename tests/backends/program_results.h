// Programs that write what helpers returned into the array `results`, run without an event on each backend.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fixture.h"

namespace strata::testing {

// Each test loads the object of that path.
template <typename Kind>
class ResultsTest : public BackendTest<Kind> {
 protected:
  explicit ResultsTest(const char* path) : path_(path) {}

  void SetUp() override {
    BackendTest<Kind>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(path_));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
  }

  // The program's return value; packets for those that the kernel gives packets.
  std::uint32_t Run(const char* program) {
    Program& found = **objects_->FindProgram(program);
    TestRunOptions options;
    const bool takes_packet = found.info().type == ProgramType::kSchedCls;
    if (takes_packet && this->backend_->runs_in_kernel()) options.data_in = packet_;
    auto result = found.TestRun(options);
    EXPECT_TRUE(result) << result.error().message();
    return result ? result->return_value : ~0U;
  }

  // The first `count` results.
  std::vector<std::int64_t> Results(std::uint32_t count) {
    auto results = objects_->template FindMap<Array<std::int64_t>>("results").value();
    std::vector<std::int64_t> values;
    for (std::uint32_t i = 0; i < count; ++i) values.push_back(**results.Lookup(i));
    return values;
  }

  const char* path_;
  std::vector<std::byte> packet_ = std::vector<std::byte>(64);
  std::optional<Collection> objects_;
};

}  // namespace strata::testing
