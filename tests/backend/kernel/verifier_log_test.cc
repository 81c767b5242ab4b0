// How a program is loaded that the verifier has something to say about.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include "program_fixture.h"
#include "strata/backend/verifier_log.h"

namespace strata::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::vector<std::uint32_t> LogSizes(const FakeSyscalls& syscalls) {
  std::vector<std::uint32_t> sizes;
  for (const auto& call : syscalls.CallsOf(Command::kProgramLoad)) sizes.push_back(call.As<ProgramLoadAttr>().log_size);
  return sizes;
}

Error ErrorOf(const std::shared_ptr<FakeSyscalls>& syscalls) {
  auto loaded = OpenWith(syscalls)->LoadProgram(ReturnZero());
  if (loaded) return Error(ErrorCode::kInvalidArgument, "it was loaded");
  return std::move(loaded).error();
}

TEST(VerifierLogProtocol, ARefusedProgramIsTriedAgainWithALog) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) { return WriteLog(attr, "R0 !read_ok\n", -EACCES); });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  EXPECT_EQ(error.sys_errno(), EACCES);
  EXPECT_EQ(error.log(), "R0 !read_ok\n");
  EXPECT_THAT(LogSizes(*syscalls), ElementsAre(0, 65536));
  EXPECT_EQ(syscalls->CallsOf(Command::kProgramLoad)[1].As<ProgramLoadAttr>().log_level, 1U);
}

TEST(VerifierLogProtocol, TheLogDoublesUntilItHasRoom) {
  const std::string log = std::string(200'000, 'x') + "\n";
  const auto syscalls = WithLoads([&](ProgramLoadAttr& attr) { return WriteLog(attr, log, -EINVAL); });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(error.log(), log);
  EXPECT_EQ(error.sys_errno(), EINVAL);
  EXPECT_THAT(LogSizes(*syscalls), ElementsAre(0, 65536, 131072, 262144));
}

TEST(VerifierLogProtocol, TheLogGrowsAtOnceToTheSizeThatTheKernelNames) {
  const std::string log = std::string(1'000'000, 'x') + "\n";
  const auto syscalls = WithLoads([&](ProgramLoadAttr& attr) {
    attr.log_true_size = attr.log_size != 0 ? static_cast<std::uint32_t>(log.size()) + 1 : 0;
    return WriteLog(attr, log, -EINVAL);
  });
  EXPECT_EQ(ErrorOf(syscalls).log(), log);
  EXPECT_THAT(LogSizes(*syscalls), ElementsAre(0, 65536, 1'000'002));
}

// Kernels since 6.4 keep the end of a log that has no room, and a second one of 100 MB would take many seconds.
TEST(VerifierLogProtocol, OfAHugeLogTheEndIsEnoughUnlessMoreIsAskedFor) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) -> long {
    if (attr.log_size == 0) return -E2BIG;
    attr.log_true_size = 111'624'267;
    const long result = WriteLog(attr, "BPF program is too large. Processed 1000001 insn\n", -E2BIG);
    return attr.log_size < attr.log_true_size ? -ENOSPC : result;
  });
  const Error error = ErrorOf(syscalls);
  EXPECT_THAT(LogSizes(*syscalls), ElementsAre(0, 65536));
  EXPECT_THAT(error.log(), EndsWith("(log truncated: 49 of 111624267 bytes are here)"));
  EXPECT_THAT(error.message(), HasSubstr("gives up after 1000000 instructions"));
  LinkedProgram talkative = ReturnZero();
  talkative.log_level = 1;
  const auto asked = OpenWith(syscalls)->LoadProgram(talkative);
  ASSERT_FALSE(asked);
  EXPECT_FALSE(IsTruncated(asked.error().log()));
  EXPECT_EQ(LogSizes(*syscalls).back(), 111'624'267U);
}

TEST(VerifierLogProtocol, ALogWithoutAnEndIsTruncatedAndSaysSo) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) {
    if (attr.log_size == 0) return -long{EACCES};
    return WriteLog(attr, "R1 invalid mem access 'scalar'", 0) == 0 ? -long{ENOSPC} : -long{ENOSPC};
  });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(error.sys_errno(), EACCES) << "that of the verifier, not of the log";
  EXPECT_TRUE(IsTruncated(error.log()));
  EXPECT_THAT(error.log(), EndsWith("(log truncated: 30 bytes of it are here)"));
  EXPECT_THAT(error.message(), EndsWith("(the log is truncated)"));
  const auto sizes = LogSizes(*syscalls);
  EXPECT_EQ(sizes.back(), UINT32_MAX >> 2);
  EXPECT_LE(sizes.size(), 31U);
}

TEST(VerifierLogProtocol, TheNumberOfAttemptsIsBounded) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) {
    attr.log_true_size = attr.log_size + 1;  // a log that grows as fast as the room for it
    return WriteLog(attr, "R0 !read_ok", 0) == 0 ? -long{ENOSPC} : -long{ENOSPC};
  });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(LogSizes(*syscalls).size(), 31U);
  EXPECT_TRUE(IsTruncated(error.log()));
}

TEST(VerifierLogProtocol, WhatTheKernelCouldWriteIsKept) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) {
    if (attr.log_size == 0) return -long{EINVAL};
    WriteLog(attr, "0: (85) call unknown#4000\ninvalid func unknown#4000\n", 0);
    return -long{EFAULT};
  });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(error.sys_errno(), EINVAL);
  EXPECT_THAT(error.log(), HasSubstr("invalid func unknown#4000\n(log truncated: "));
}

TEST(VerifierLogProtocol, ALoadThatSucceedsTheSecondTimeCounts) {
  const auto syscalls = WithLoads(
      [](ProgramLoadAttr& attr) { return attr.log_size == 0 ? -long{EINVAL} : FakeSyscalls::AnyDescriptor(); });
  EXPECT_TRUE(OpenWith(syscalls)->LoadProgram(ReturnZero()));
}

TEST(VerifierLogProtocol, ALogThatIsAskedForIsWrittenTheFirstTime) {
  const auto syscalls = WithLoads([](ProgramLoadAttr& attr) {
    const long result = WriteLog(attr, std::string(70'000, 'x'), 0);
    return result == 0 ? FakeSyscalls::AnyDescriptor() : result;
  });
  LinkedProgram program = ReturnZero();
  program.log_level = 2;
  const auto loaded = OpenWith(syscalls)->LoadProgram(program);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->log().size(), 70'000U);
  EXPECT_THAT(LogSizes(*syscalls), ElementsAre(65536, 131072));
  EXPECT_EQ(syscalls->CallsOf(Command::kProgramLoad)[0].As<ProgramLoadAttr>().log_level, 2U);
}

TEST(VerifierLogProtocol, SignalsMayInterruptALoadManyTimesButNotForEver) {
  int refusals = 500;
  const auto patient =
      WithLoads([&](ProgramLoadAttr&) { return refusals-- > 0 ? -long{EAGAIN} : FakeSyscalls::AnyDescriptor(); });
  EXPECT_TRUE(OpenWith(patient)->LoadProgram(ReturnZero()));
  const auto hopeless = WithLoads([](ProgramLoadAttr&) { return -long{EAGAIN}; });
  EXPECT_EQ(ErrorOf(hopeless).code(), ErrorCode::kBusy);
}

TEST(VerifierLogProtocol, TheProfilersSignalWaitsOnceALoadWasInterrupted) {
  const auto is_blocked = [] {
    sigset_t now;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
    return ::sigismember(&now, SIGPROF) == 1;
  };
  std::vector<bool> was_blocked;
  const auto syscalls = WithLoads([&](ProgramLoadAttr&) {
    was_blocked.push_back(is_blocked());
    return was_blocked.size() < 3 ? -long{EAGAIN} : FakeSyscalls::AnyDescriptor();
  });
  ASSERT_TRUE(OpenWith(syscalls)->LoadProgram(ReturnZero()));
  EXPECT_THAT(was_blocked, ElementsAre(false, true, true));
  EXPECT_FALSE(is_blocked());
}

TEST(VerifierLogProtocol, WithoutALogTheErrnoIsTheReason) {
  const auto syscalls = WithLoads([](ProgramLoadAttr&) { return -long{ENOMEM}; });
  const Error error = ErrorOf(syscalls);
  EXPECT_EQ(error.code(), ErrorCode::kNoSpace);
  EXPECT_EQ(error.message(), "program p: loading it: Cannot allocate memory");
}

}  // namespace
}  // namespace strata::kernel
