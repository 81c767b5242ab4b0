// What the compiled layer may not contain: calls into the host's libraries, and vector registers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>
#include <sstream>
#include <string>

namespace strata::runtime {
namespace {

std::string OutputOf(const std::string& command) {
  std::string output;
  std::FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return output;
  char buffer[4096];
  while (std::size_t count = std::fread(buffer, 1, sizeof(buffer), pipe)) output.append(buffer, count);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return output;
}

constexpr char kArchives[] = STRATA_RUNTIME_ARCHIVES;

TEST(RuntimeArchive, CallsNothingButItself) {
  std::set<std::string> defined;
  std::set<std::string> undefined;
  std::istringstream lines(OutputOf(std::string("nm ") + kArchives));
  for (std::string line; std::getline(lines, line);) {
    // "0000000000000000 T name", or "                 U name"
    if (line.size() < 20 || line[18] != ' ') continue;
    (line[17] == 'U' || line[17] == 'w' ? undefined : defined).insert(line.substr(19));
  }
  ASSERT_GT(defined.size(), 100U);
  for (const std::string& name : defined) undefined.erase(name);
  undefined.erase("_GLOBAL_OFFSET_TABLE_");  // made by the linker
  EXPECT_THAT(undefined, testing::IsEmpty());
}

TEST(RuntimeArchive, TouchesNoVectorRegister) {
  const std::string code = OutputOf(std::string("objdump -d --no-show-raw-insn ") + kArchives);
  ASSERT_NE(code.find("<strata_memcpy>:"), std::string::npos);
  for (const char* name : {"%xmm", "%ymm", "%zmm", "%mm0", "%st", "__tls_get_addr"}) {
    EXPECT_EQ(code.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace strata::runtime
