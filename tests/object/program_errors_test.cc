// What a user reads when a program cannot be loaded, word for word. The verifier's own words are those of one kernel.
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "kernel_fixture.h"
#include "strata/backend/kernel_facts.h"
#include "support/golden.h"

namespace strata {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

bool IsReferenceKernel() {
  utsname name{};
  ::uname(&name);
  return std::string_view(name.release).starts_with("6.18.");
}

void ExpectText(const std::string& name, const std::string& text) {
  test::ExpectGolden(text + "\n", std::string(STRATA_GOLDEN_FOLDER) + "/" + name + ".txt");
}

class ProgramErrors : public testing::KernelTest {
 protected:
  Error ErrorOfProgram(const std::string& object, const std::string& program) {
    return ErrorOf(LoadOnly(object, {program}));
  }
  // The message, and the short form of the log where there is one.
  static std::string TextOf(const Error& error) {
    std::string text = error.message();
    if (!error.log().empty()) text += "\n\nshort form of the log:\n" + FormatVerifierLog(error);
    return text;
  }
};

class Rejection : public ProgramErrors, public ::testing::WithParamInterface<const char*> {};

TEST_P(Rejection, SaysWhatToDo) {
  const Error error = ErrorOfProgram(STRATA_BPF_REJECTED, GetParam());
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected) << error.message();
  EXPECT_FALSE(error.log().empty());
  if (!IsReferenceKernel()) GTEST_SKIP() << "the texts are those of the verifier of Linux 6.18";
  ExpectText(GetParam(), TextOf(error));
}
INSTANTIATE_TEST_SUITE_P(Programs, Rejection,
                         ::testing::Values("null_is_not_checked", "number_as_pointer", "record_is_kept",
                                           "index_without_bounds", "packet_without_bounds", "endless",
                                           "packet_end_is_not_checked", "helper_of_another_type",
                                           "helper_of_the_future", "returns_nothing", "deep_stack", "two_deep_stacks",
                                           "writes_where_it_must_not", "reads_what_was_not_written"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST_F(ProgramErrors, AGplHelperNeedsTheLicense) {
  const Error error = ErrorOfProgram(STRATA_BPF_PROPRIETARY, "calls_a_gpl_helper");
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected) << error.message();
  EXPECT_THAT(error.message(), HasSubstr("compatible with the GPL"));
  if (!IsReferenceKernel()) GTEST_SKIP() << "the texts are those of the verifier of Linux 6.18";
  ExpectText("calls_a_gpl_helper", TextOf(error));
}

TEST_F(ProgramErrors, APoisonedRelocationIsNamed) {
  const Error error = ErrorOfProgram(STRATA_BPF_MISSING, "reads_a_missing_member");
  EXPECT_EQ(error.code(), ErrorCode::kVerifierRejected);
  ExpectText("reads_a_missing_member", error.message());
}

TEST_F(ProgramErrors, AMissingKernelFunctionIsNamed) {
  ExpectText("calls_a_missing_function", ErrorOfProgram(STRATA_BPF_MISSING, "calls_a_missing_function").message());
}

TEST_F(ProgramErrors, AMapThatIsNotCreatedIsNamedWhereItIsUsed) {
  const auto load = [&](const std::string& program) {
    CollectionSpec spec = LoadCollectionSpec(STRATA_BPF_MISSING).value();
    spec.maps.at("not_created").autocreate = false;
    spec.programs.at(program).autoload = true;
    return LoadCollection(backend_, std::move(spec));
  };
  ExpectText("uses_a_missing_map", ErrorOf(load("uses_a_missing_map")).message());
  auto guarded = load("guards_a_missing_map");
  ASSERT_TRUE(guarded) << guarded.error().message();
  const std::array<std::byte, 64> packet{};
  const auto run = guarded->FindProgram("guards_a_missing_map").value()->TestRun({.data_in = packet});
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_EQ(run->return_value, 7U);
}

// fentry and lsm are refused here, with every capability; where they are not there is nothing to explain.
TEST_F(ProgramErrors, AHookThatThisKernelRefusesIsNotBlamedOnTheCaller) {
  for (const char* program : {"hooks_an_entry", "hooks_security"}) {
    auto loaded = LoadOnly(STRATA_BPF_MISSING, {program});
    if (loaded) continue;
    const Error error = loaded.error();
    EXPECT_EQ(error.code(), ErrorCode::kNotSupported) << error.message();
    EXPECT_THAT(error.message(), Not(HasSubstr("MEMLOCK")));
    if (IsReferenceKernel()) ExpectText(program, error.message());
  }
}

TEST_F(ProgramErrors, ATailCallToAnotherTypeNamesBoth) {
  const Error error = ErrorOf(Load(STRATA_BPF_TAIL_CALLS));
  const std::string& text = error.message();
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  ExpectText("tail_call_to_another_type", text.substr(text.find("map table")));
}

// The text that a user without rights reads, from a process that has none.
TEST(ProgramErrorsWithoutRights, NameTheCapabilities) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give its rights away";
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    std::string text = "it could not change its user";
    if (::setresgid(kNobody, kNobody, kNobody) == 0 && ::setresuid(kNobody, kNobody, kNobody) == 0) {
      const auto backend = OpenBackend("kernel");
      text = backend ? "it was opened" : backend.error().message();
    }
    const ssize_t written = ::write(pipe[1], text.data(), text.size());
    ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(pipe[1]);
  std::string text(4096, '\0');
  const ssize_t length = ::read(pipe[0], text.data(), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  ::close(pipe[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::ifstream setting("/proc/sys/kernel/unprivileged_bpf_disabled");
  int disabled = 0;
  if (!(setting >> disabled) || disabled != 2)
    GTEST_SKIP() << "kernel.unprivileged_bpf_disabled is not 2: " << disabled;
  ExpectText("without_rights", text);
}

class SymbolErrors : public ::testing::Test {
 protected:
  SymbolErrors() : folder_(::testing::TempDir() + "strata-symbols-" + std::to_string(::getpid())) {
    std::filesystem::create_directory(folder_);
  }
  ~SymbolErrors() override { std::filesystem::remove_all(folder_); }
  // The path is not the same in every run.
  std::string ErrorOf(const std::string& symbols) const {
    const std::string path = folder_ + "/symbols";
    std::ofstream(path) << symbols;
    const auto found = KernelFacts({.symbols = path}).AddressOf("show");
    if (found) return "it was found";
    std::string text = found.error().message();
    const std::size_t at = text.find(path);
    return at == std::string::npos ? text : text.replace(at, path.size(), "/proc/kallsyms");
  }
  std::string folder_;
};

TEST_F(SymbolErrors, HiddenAddressesNameTheSetting) {
  ExpectText("hidden_addresses", ErrorOf("0000000000000000 T show\n0000000000000000 T store\n"));
}

TEST_F(SymbolErrors, AnAmbiguousSymbolListsItsAddresses) {
  ExpectText("ambiguous_symbol", ErrorOf("ffffffff81000000 t show\nffffffff81000040 t show\n"));
}

}  // namespace
}  // namespace strata
