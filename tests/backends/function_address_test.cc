// bpf_get_func_ip: the address of the probe that a program runs for, also when the function has returned.
#include <unistd.h>

#include "fixture.h"
#include "targets.h"

namespace strata {
namespace {

using strata::testing::BackendKinds;
using strata::testing::BackendNames;
using strata::testing::BackendTest;

template <typename T>
std::uint64_t AddressOf(T* function) {
  return reinterpret_cast<std::uint64_t>(function);
}

template <typename T>
class FunctionAddressTest : public BackendTest<T> {
 protected:
  void SetUp() override {
    BackendTest<T>::SetUp();
    if (this->IsSkipped() || this->HasFatalFailure()) return;
    auto objects = LoadCollection(this->backend_, std::string(STRATA_BPF_FUNCTION_ADDRESS));
    ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
    objects_.emplace(*std::move(objects));
    self_.emplace(OpenExecutable("/proc/self/exe").value());
  }
  Program& Find(const char* name) { return **objects_->FindProgram(name); }
  std::uint64_t Seen(const char* variable) {
    return objects_->FindVariable(variable)->template Get<std::uint64_t>().value();
  }

  std::optional<Collection> objects_;
  std::optional<Executable> self_;
};
TYPED_TEST_SUITE(FunctionAddressTest, BackendKinds, BackendNames);

TYPED_TEST(FunctionAddressTest, IsThatOfTheFunctionAtEntryAndReturn) {
  const auto entry = this->self_->AttachUprobe("strata_test_add", this->Find("at_entry"), {.pid = ::getpid()}).value();
  const auto exit =
      this->self_->AttachUretprobe("strata_test_add", this->Find("at_return"), {.pid = ::getpid()}).value();
  strata_test_add(1, 2, 3);
  EXPECT_EQ(this->Seen("address_at_entry"), AddressOf(strata_test_add));
  EXPECT_EQ(this->Seen("address_at_return"), AddressOf(strata_test_add));
}

TYPED_TEST(FunctionAddressTest, TellsTheFunctionsOfOneProgramApart) {
  const auto add = this->self_->AttachUprobe("strata_test_add", this->Find("at_entry"), {.pid = ::getpid()}).value();
  const auto send = this->self_->AttachUprobe("strata_test_send", this->Find("at_entry"), {.pid = ::getpid()}).value();
  for (int i = 0; i < 3; ++i) {
    strata_test_send(1);
    EXPECT_EQ(this->Seen("address_at_entry"), AddressOf(strata_test_send));
    strata_test_add(1, 2, 3);
    EXPECT_EQ(this->Seen("address_at_entry"), AddressOf(strata_test_add));
  }
}

TYPED_TEST(FunctionAddressTest, OfRecursionsReturnsIsTheFunctionsEachTime) {
  const auto exit =
      this->self_->AttachUretprobe("strata_test_factorial", this->Find("at_return"), {.pid = ::getpid()}).value();
  EXPECT_EQ(strata_test_factorial(5), 120);
  EXPECT_EQ(this->Seen("address_at_return"), AddressOf(strata_test_factorial));
}

}  // namespace
}  // namespace strata
