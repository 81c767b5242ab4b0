// Each wrong input: one line on standard error that names the place, status 1 (2 for usage), nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "command.h"

namespace strata::testing {
namespace {

using ::testing::HasSubstr;

class BadInput : public ::testing::Test {
 protected:
  CommandResult Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {STRATA_COMMAND};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return RunCommand(all, {runtime_.Variable()});
  }

  void ExpectOneLine(const std::vector<std::string>& arguments, std::initializer_list<const char*> parts) {
    const CommandResult result = Run(arguments);
    EXPECT_EQ(result.status, 1) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_THAT(result.err, ::testing::StartsWith("strata: "));
    for (const char* part : parts) EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(runtime_.Content(), ::testing::IsEmpty());
  }

  RuntimeFolder runtime_;
};

TEST_F(BadInput, MissingFile) {
  ExpectOneLine({"run", "/no/such.bpf.o", "--", "true"}, {"/no/such.bpf.o", "No such file"});
}

TEST_F(BadInput, NotAnElfFile) { ExpectOneLine({"run", "/etc/passwd", "--", "true"}, {"/etc/passwd", "ELF"}); }

TEST_F(BadInput, AnElfFileOfAnotherKind) { ExpectOneLine({"run", "/bin/true", "--", "true"}, {"/bin/true"}); }

TEST_F(BadInput, TruncatedObject) {
  const std::string path = ::testing::TempDir() + "strata_truncated_" + std::to_string(::getpid()) + ".bpf.o";
  std::filesystem::copy_file(STRATA_BPF_MALLOC_HIST, path, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  ExpectOneLine({"run", path, "--", "true"}, {path.c_str()});
  std::filesystem::remove(path);
}

TEST_F(BadInput, UnknownSymbol) {
  ExpectOneLine({"run", STRATA_BPF_UNKNOWN_SYMBOL, "--", "true"}, {"libc.so.6", "mallok", "malloc"});
}

TEST_F(BadInput, UnknownLibrary) {
  ExpectOneLine({"run", STRATA_BPF_UNKNOWN_LIBRARY, "--", "true"}, {"libnosuch.so.9", "not found in"});
}

TEST_F(BadInput, ObjectWithoutPrograms) {
  ExpectOneLine({"run", STRATA_BPF_NO_PROGRAMS, "--", "true"}, {"no_programs", "has no programs"});
}

TEST_F(BadInput, MapTooLarge) { ExpectOneLine({"run", STRATA_BPF_HUGE_MAP, "--", "true"}, {"map huge", "2000000000"}); }

TEST_F(BadInput, UnknownCommand) {
  ExpectOneLine({"run", STRATA_BPF_MALLOC_HIST, "--", "no-such-command"},
                {"command no-such-command", "not found in PATH"});
}

TEST_F(BadInput, CommandWithoutTheRightToRun) {
  ExpectOneLine({"run", STRATA_BPF_MALLOC_HIST, "--", "/etc/passwd"}, {"/etc/passwd", "Permission denied"});
}

TEST_F(BadInput, StaticProgramsCannotLoadTheAgent) {
  const CommandResult result = Run({"run", STRATA_BPF_STATIC_CALLS, "--", STRATA_STATIC_TARGET, "calls", "1"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("statically linked"));
  EXPECT_THAT(result.err, HasSubstr("--backend kernel"));
}

TEST_F(BadInput, KernelBackendWithoutPrivilege) {
  if (::geteuid() != 0) {
    ExpectOneLine({"run", "--backend", "kernel", STRATA_BPF_MALLOC_HIST, "--", "true"}, {"CAP_BPF", "run as root"});
    return;
  }
  // Without capabilities, but still the owner of the build tree.
  const CommandResult result =
      RunCommand({"setpriv", "--bounding-set=-all", "--inh-caps=-all", "--securebits=+noroot,+noroot_locked",
                  STRATA_COMMAND, "run", "--backend", "kernel", STRATA_BPF_MALLOC_HIST, "--", "true"},
                 {runtime_.Variable()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("needs CAP_BPF and CAP_PERFMON"));
  EXPECT_THAT(result.err, HasSubstr("userspace backend"));
}

TEST_F(BadInput, WrongCommandLines) {
  EXPECT_EQ(Run({}).status, 2);
  EXPECT_EQ(Run({"no-such-verb"}).status, 2);
  EXPECT_EQ(Run({"run"}).status, 2);
  EXPECT_EQ(Run({"run", "--backend", "nowhere", STRATA_BPF_MALLOC_HIST, "--", "true"}).status, 2);
  EXPECT_EQ(Run({"run", "--duration", "soon", STRATA_BPF_MALLOC_HIST, "--", "true"}).status, 2);
  EXPECT_EQ(Run({"run", STRATA_BPF_MALLOC_HIST}).status, 2);
  EXPECT_EQ(Run({"--help"}).status, 0);
  EXPECT_THAT(Run({"run", "--help"}).out, HasSubstr("--duration"));
}

TEST_F(BadInput, RegistryOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make a folder of another user";
  const std::string session = runtime_.path() + "/default";
  std::filesystem::create_directory(session);
  ASSERT_EQ(::chown(session.c_str(), 65534, 65534), 0);
  const CommandResult result = Run({"run", STRATA_BPF_MALLOC_HIST, "--", "true"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr(session.c_str()));
  std::filesystem::remove(session);
}

}  // namespace
}  // namespace strata::testing
