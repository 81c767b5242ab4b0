// Congestion controls of our own, seen where the kernel lists them.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <optional>

#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Controls() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool CanBeChosen(const std::string& name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0;
}

class StructOps : public testing::KernelTest {};

TEST_F(StructOps, AreRegisteredUntilTheRegistrationGoes) {
  auto objects = Load(STRATA_BPF_CONGESTION);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  EXPECT_THAT(Controls(), Not(HasSubstr("strata_test")));
  {
    const auto registration = objects->RegisterStructOps("strata_control");
    ASSERT_TRUE(registration) << registration.error().message();
    EXPECT_THAT(Controls(), HasSubstr("strata_test"));
    EXPECT_TRUE(CanBeChosen("strata_test"));
  }
  EXPECT_THAT(Controls(), Not(HasSubstr("strata_test")));
}

TEST_F(StructOps, StayRegisteredWhenAForkedChildDropsItsCopy) {
  auto objects = Load(STRATA_BPF_CONGESTION);
  ASSERT_TRUE(objects) << objects.error().message();
  std::optional<StructOpsRegistration> registration = objects->RegisterStructOps("strata_control").value();
  const pid_t child = ::fork();
  if (child == 0) {
    registration.reset();
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_THAT(Controls(), HasSubstr("strata_test"));
}

TEST_F(StructOps, CanBeRegisteredOnceOnly) {
  auto objects = Load(STRATA_BPF_CONGESTION);
  ASSERT_TRUE(objects) << objects.error().message();
  auto registration = objects->RegisterStructOps("strata_control");
  ASSERT_TRUE(registration) << registration.error().message();
  EXPECT_FALSE(objects->RegisterStructOps("strata_control"));
  EXPECT_TRUE(registration->Unregister());
  EXPECT_THAT(Controls(), Not(HasSubstr("strata_test")));
}

TEST_F(StructOps, ThoseOfLinksAreMadeAndWaitForTheirLink) {
  auto objects = Load(STRATA_BPF_CONGESTION_LINK);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(Controls(), Not(HasSubstr("strata_test")));
  EXPECT_EQ(objects->FindMap("strata_control").value()->info().flags & (1U << 13), 1U << 13);
  const auto registration = objects->RegisterStructOps("strata_control");
  ASSERT_FALSE(registration);
  EXPECT_THAT(registration.error().message(), HasSubstr("is registered by a link"));
}

TEST_F(StructOps, ThoseThatAreOffAreNotMadeNorTheirPrograms) {
  auto spec = LoadCollectionSpec(STRATA_BPF_CONGESTION).value();
  spec.maps.at("strata_control").autocreate = false;
  const auto objects = LoadCollection(backend_, std::move(spec));
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_TRUE(objects->programs().empty());
}

TEST_F(StructOps, MembersThatTheKernelLacksMayBeZero) {
  const auto objects = Load(STRATA_BPF_CONGESTION_UNKNOWN_ZERO);
  EXPECT_TRUE(objects) << objects.error().message();
}

TEST_F(StructOps, MembersThatTheKernelLacksAreRefusedWhenSet) {
  const Error error = ErrorOf(Load(STRATA_BPF_CONGESTION_UNKNOWN_SET));
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(error.message(), HasSubstr("map strata_control: member no_such: the kernel's struct does not have it"));
}

TEST_F(StructOps, CallbacksThatTheKernelLacksAreLeftOutWithTheirProgram) {
  auto objects = Load(STRATA_BPF_CONGESTION_UNKNOWN_CALLBACK);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_FALSE(objects->programs().contains("of_another_kernel"));
  EXPECT_TRUE(objects->programs().contains("ssthresh"));
}

TEST_F(StructOps, MembersOfAnotherSizeAreRefused) {
  EXPECT_THAT(ErrorOf(Load(STRATA_BPF_CONGESTION_SIZE)).message(),
              HasSubstr("member flags: has 8 bytes, and the kernel's 4"));
}

TEST_F(StructOps, MembersOfAnotherKindAreRefused) {
  EXPECT_THAT(ErrorOf(Load(STRATA_BPF_CONGESTION_KIND)).message(), HasSubstr("member flags: is a "));
}

TEST_F(StructOps, BitfieldsAreRefusedWhenSet) {
  EXPECT_THAT(ErrorOf(Load(STRATA_BPF_CONGESTION_BITFIELD)).message(),
              HasSubstr("member key: is a bitfield, which struct_ops cannot set"));
}

TEST_F(StructOps, AProgramWithoutAVariableIsRefusedByName) {
  EXPECT_THAT(ErrorOf(Load(STRATA_BPF_CONGESTION_UNUSED)).message(),
              HasSubstr("program of_no_use: no struct_ops variable has it"));
}

TEST_F(StructOps, TypesThatTheKernelLacksAreNamed) {
  auto spec = LoadCollectionSpec(STRATA_BPF_CONGESTION).value();
  spec.maps.at("strata_control").value_type = spec.types->FindByName("sock", btf::Kind::kForward).value();
  EXPECT_FALSE(LoadCollection(backend_, spec));
  spec.maps.at("strata_control").value_type =
      spec.types->FindByName("__sk_buff", btf::Kind::kStruct).value_or(btf::kVoid);
  EXPECT_FALSE(LoadCollection(backend_, std::move(spec)));
}

TEST_F(StructOps, OtherMapsCannotBeRegistered) {
  auto objects = Load(STRATA_BPF_CONGESTION);
  ASSERT_TRUE(objects) << objects.error().message();
  EXPECT_THAT(objects->RegisterStructOps(".bss").error().message(), HasSubstr("is no struct_ops map"));
}

}  // namespace
}  // namespace strata
