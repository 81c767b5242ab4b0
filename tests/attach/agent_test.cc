// The agent library from outside, and the parts of it that are not about hooks.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "strata/attach/agent/environment.h"
#include "strata/attach/agent/loaded_symbols.h"
#include "strata/attach/agent/program_check.h"
#include "strata/attach/agent/x86_64/system_call_site.h"

extern char** environ;

namespace strata::attach {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<char> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
std::vector<T> RecordsOf(const std::vector<char>& file, std::uint32_t section_type) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::vector<T> records;
  for (int i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, file.data() + header.e_shoff + i * sizeof(section), sizeof(section));
    if (section.sh_type != section_type) continue;
    records.resize(section.sh_size / sizeof(T));
    std::memcpy(records.data(), file.data() + section.sh_offset, records.size() * sizeof(T));
  }
  return records;
}

TEST(AgentLibrary, NeedsNoOtherLibraryAndIsConstructedFirst) {
  bool is_first = false;
  for (const Elf64_Dyn& entry : RecordsOf<Elf64_Dyn>(ReadFile(STRATA_AGENT_FILE), SHT_DYNAMIC)) {
    EXPECT_NE(entry.d_tag, DT_NEEDED);
    EXPECT_NE(entry.d_tag, DT_TEXTREL);
    if (entry.d_tag == DT_FLAGS_1) is_first = (entry.d_un.d_val & DF_1_INITFIRST) != 0;
  }
  EXPECT_TRUE(is_first);
}

TEST(AgentLibrary, ImportsAndExportsNothing) {
  for (const Elf64_Sym& symbol : RecordsOf<Elf64_Sym>(ReadFile(STRATA_AGENT_FILE), SHT_DYNSYM)) {
    EXPECT_EQ(symbol.st_name, 0U);
  }
}

TEST(AgentLibrary, IsSmall) {
  const std::vector<char> file = ReadFile(STRATA_AGENT_FILE);
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::uint64_t loaded = 0;
  std::uint64_t thread_bytes = 0;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, file.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_LOAD) loaded += segment.p_memsz;
    if (segment.p_type == PT_TLS) thread_bytes += segment.p_memsz;
  }
  std::printf("agent: file %zu bytes, loaded %lu, per thread %lu\n", file.size(), static_cast<unsigned long>(loaded),
              static_cast<unsigned long>(thread_bytes));
  EXPECT_LE(loaded, std::uint64_t{1} << 20);
  EXPECT_LE(thread_bytes, 128U);
}

std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char part[512];
  while (pipe != nullptr && fgets(part, sizeof(part), pipe) != nullptr) output += part;
  if (pipe != nullptr) pclose(pipe);
  return output;
}

const std::string kWithAgent = std::string("LD_PRELOAD=") + STRATA_AGENT_FILE + " STRATA_SESSION=/nonexistent/session ";

TEST(AgentLibrary, StepsAsideWithoutASession) { EXPECT_EQ(OutputOf(kWithAgent + "echo works 2>&1"), "works\n"); }

TEST(AgentLibrary, LeavesNoTraceInTheEnvironment) {
  const std::string output = OutputOf(kWithAgent + "/usr/bin/env 2>&1");
  EXPECT_THAT(output, HasSubstr("PATH="));
  EXPECT_THAT(output, Not(HasSubstr("LD_PRELOAD")));
  EXPECT_THAT(output, Not(HasSubstr("STRATA_SESSION")));
}

class EnvironmentOf {
 public:
  explicit EnvironmentOf(std::vector<std::string> entries) : entries_(std::move(entries)) {
    for (std::string& entry : entries_) pointers_.push_back(entry.data());
    pointers_.push_back(nullptr);
  }
  char** get() { return pointers_.data(); }
  std::vector<std::string> Left() const {
    std::vector<std::string> left;
    for (char* const* entry = pointers_.data(); *entry != nullptr; ++entry) left.emplace_back(*entry);
    return left;
  }

 private:
  std::vector<std::string> entries_;
  std::vector<char*> pointers_;
};

TEST(AgentEnvironment, TakesItsOwnVariables) {
  EnvironmentOf environment({"A=1", "STRATA_SESSION=/s", "LD_PRELOAD=/lib/libstrata-agent.so", "B=2"});
  AgentSettings settings;
  TakeSettings(environment.get(), &settings);
  EXPECT_STREQ(settings.session, "/s");
  EXPECT_STREQ(settings.agent_path, "/lib/libstrata-agent.so");
  EXPECT_THAT(environment.Left(), ElementsAre("A=1", "B=2"));
}

struct PreloadRow {
  const char* list;
  const char* left;  // null: the variable is gone
  const char* path;
};

TEST(AgentEnvironment, TakesItselfOutOfLdPreload) {
  constexpr PreloadRow kRows[] = {
      {"/a/libstrata-agent.so:/x.so", "/x.so", "/a/libstrata-agent.so"},
      {"/x.so:/a/libstrata-agent.so", "/x.so", "/a/libstrata-agent.so"},
      {"/x.so /a/libstrata-agent.so /y.so", "/x.so /y.so", "/a/libstrata-agent.so"},
      {"libstrata-agent.so", nullptr, "libstrata-agent.so"},
      {"/x.so", "/x.so", ""},
      {"/a/xlibstrata-agent.so", "/a/xlibstrata-agent.so", ""},
      {"", "", ""},
  };
  for (const PreloadRow& row : kRows) {
    EnvironmentOf environment({std::string("LD_PRELOAD=") + row.list});
    AgentSettings settings;
    TakeSettings(environment.get(), &settings);
    EXPECT_STREQ(settings.agent_path, row.path) << row.list;
    if (row.left == nullptr) {
      EXPECT_THAT(environment.Left(), IsEmpty()) << row.list;
    } else {
      EXPECT_THAT(environment.Left(), ElementsAre(std::string("LD_PRELOAD=") + row.left)) << row.list;
    }
  }
}

std::vector<std::string> Entries(const ChildEnvironment& child) {
  std::vector<std::string> entries;
  for (const char* const* entry = child.entries; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

const AgentSettings kSettings = {"/session", "/agent.so"};

TEST(AgentEnvironment, PutsItsVariablesBackForAChild) {
  EnvironmentOf environment({"A=1", "LD_PRELOAD=/x.so", "STRATA_SESSION=/other"});
  ChildEnvironment child;
  ASSERT_TRUE(AddSettings(environment.get(), kSettings, &child));
  EXPECT_THAT(Entries(child), ElementsAre("A=1", "LD_PRELOAD=/agent.so:/x.so", "STRATA_SESSION=/session"));
  ASSERT_TRUE(AddSettings(nullptr, kSettings, &child));
  EXPECT_THAT(Entries(child), ElementsAre("LD_PRELOAD=/agent.so", "STRATA_SESSION=/session"));
}

TEST(AgentEnvironment, GivesUpOnAnEnvironmentThatDoesNotFit) {
  EnvironmentOf environment(std::vector<std::string>(kMaxEntries, "A=1"));
  ChildEnvironment child;
  EXPECT_FALSE(AddSettings(environment.get(), kSettings, &child));
  EnvironmentOf preload({"LD_PRELOAD=" + std::string(2 * kMaxPath, 'x')});
  EXPECT_FALSE(AddSettings(preload.get(), kSettings, &child));
}

// A file in a folder of the test's own.
class TemporaryFile {
 public:
  TemporaryFile(const char* name, const std::string& contents, mode_t mode = 0755) {
    std::string pattern = testing::TempDir() + "strata_agent_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    path_ = folder_ + "/" + name;
    std::ofstream(path_, std::ios::binary) << contents;
    chmod(path_.c_str(), mode);
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  const char* path() const { return path_.c_str(); }

 private:
  std::string folder_;
  std::string path_;
};

std::string ElfHeader(unsigned char file_class, std::uint16_t machine, std::uint16_t segments) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = file_class;
  header.e_machine = machine;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = segments;
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

TEST(AgentProgramCheck, AcceptsDynamicProgramsOfThisMachine) {
  EXPECT_TRUE(TakesAgent("/bin/true", STRATA_AGENT_FILE));
  EXPECT_FALSE(TakesAgent("/bin/true", "/nonexistent/agent.so"));
}

TEST(AgentProgramCheck, RefusesProgramsThatCannotLoadIt) {
  const TemporaryFile narrow("narrow", ElfHeader(ELFCLASS32, EM_386, 0));
  EXPECT_FALSE(TakesAgent(narrow.path(), STRATA_AGENT_FILE));
  const TemporaryFile foreign("foreign", ElfHeader(ELFCLASS64, EM_AARCH64, 0));
  EXPECT_FALSE(TakesAgent(foreign.path(), STRATA_AGENT_FILE));
  Elf64_Phdr segment = {};
  segment.p_type = PT_LOAD;
  const std::string static_program =
      ElfHeader(ELFCLASS64, EM_X86_64, 1) + std::string(reinterpret_cast<const char*>(&segment), sizeof(segment));
  const TemporaryFile alone("static", static_program);
  EXPECT_FALSE(TakesAgent(alone.path(), STRATA_AGENT_FILE));
  const TemporaryFile privileged("privileged", ElfHeader(ELFCLASS64, EM_X86_64, 1), 04755);
  EXPECT_FALSE(TakesAgent(privileged.path(), STRATA_AGENT_FILE));
}

TEST(AgentProgramCheck, JudgesScriptsByTheirInterpreter) {
  const TemporaryFile script("script", "#! /bin/sh -e\n");
  EXPECT_TRUE(TakesAgent(script.path(), STRATA_AGENT_FILE));
  const TemporaryFile narrow("narrow", ElfHeader(ELFCLASS32, EM_386, 0));
  const TemporaryFile narrow_script("script", std::string("#!") + narrow.path() + "\n");
  EXPECT_FALSE(TakesAgent(narrow_script.path(), STRATA_AGENT_FILE));
}

TEST(AgentSymbols, FindsWhatTheDynamicLinkerLoaded) {
  std::uint64_t addresses[4] = {};
  const AuxiliaryEntry* vector = AuxiliaryVectorBehind(environ);
  ASSERT_EQ(FindLoadedFunctions(vector, "execve", addresses, 4), 1U);
  EXPECT_EQ(addresses[0], reinterpret_cast<std::uint64_t>(&execve));
  EXPECT_EQ(FindLoadedFunctions(vector, "strata_no_such_function", addresses, 4), 0U);
}

TEST(AgentSymbols, PlansAFunctionThatIsOnlyASystemCall) {
  UprobePlan plan;
  ASSERT_TRUE(PlanSystemCall(reinterpret_cast<std::uint64_t>(&execve), 59, &plan));
  EXPECT_TRUE(IsWellFormed(plan));
  EXPECT_FALSE(PlanSystemCall(reinterpret_cast<std::uint64_t>(&execve), 60, &plan));
  alignas(16) static const unsigned char with_end_branch[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xb8, 59, 0, 0, 0, 0x0f, 0x05};
  ASSERT_TRUE(PlanSystemCall(reinterpret_cast<std::uint64_t>(with_end_branch), 59, &plan));
  EXPECT_EQ(plan.window_size, 9);
  EXPECT_EQ(plan.boundary_count, 2);
}

}  // namespace
}  // namespace strata::attach
