#include "kernel_fixture.h"

#include <bpf/bpf.h>

#include <array>

namespace strata::testing {

void KernelTest::SetUp() {
  auto backend = OpenBackend("kernel");
  if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
  }
  ASSERT_TRUE(backend) << backend.error().message();
  backend_ = *std::move(backend);
}

Result<Collection> KernelTest::LoadOnly(const std::string& path, std::initializer_list<std::string> programs) {
  auto spec = STRATA_TRY(LoadCollectionSpec(path));
  for (auto& [name, program] : spec.programs) program.autoload = false;
  for (const std::string& name : programs) spec.programs.at(name).autoload = true;
  return LoadCollection(backend_, std::move(spec));
}

Error KernelTest::ErrorOf(Result<Collection> result) {
  if (!result) return std::move(result).error();
  return Error(ErrorCode::kInvalidArgument, "it was loaded");
}

namespace {

std::int32_t Run(Collection& objects, const std::string& name, bpf_test_run_opts options) {
  const UniqueFd fd(::bpf_prog_get_fd_by_id(objects.FindProgram(name).value()->info().id));
  options.sz = sizeof(options);
  EXPECT_EQ(::bpf_prog_test_run_opts(fd.get(), &options), 0) << name;
  return static_cast<std::int32_t>(options.retval);
}

}  // namespace

std::int32_t RunOnPacket(Collection& objects, const std::string& program, std::uint32_t mark) {
  std::array<std::byte, 64> packet{};
  __sk_buff context{};
  context.mark = mark;
  bpf_test_run_opts options{};
  options.data_in = packet.data();
  options.data_size_in = packet.size();
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  return Run(objects, program, options);
}

std::int32_t RunAsSyscall(Collection& objects, const std::string& program, void* context, std::uint32_t size) {
  bpf_test_run_opts options{};
  options.ctx_in = context;  // written too, where the kernel gives it back
  options.ctx_size_in = size;
  return Run(objects, program, options);
}

}  // namespace strata::testing
