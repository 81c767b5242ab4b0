// docs/helpers.md is printed from the table of helpers. STRATA_REWRITE_GOLDEN=1 writes it anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "strata/backend/userspace/runtime/helpers/table.h"
#include "strata/backend/userspace/verifier/absent_helpers.h"

namespace strata::runtime {
namespace {

std::string ArgumentName(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kNone:
      return "";
    case ArgumentKind::kAnything:
      return "number";
    case ArgumentKind::kMap:
      return "map";
    case ArgumentKind::kMapKey:
      return "key";
    case ArgumentKind::kMapValue:
      return "value";
    case ArgumentKind::kUninitMapValue:
      return "value to write";
    case ArgumentKind::kContext:
      return "context";
    case ArgumentKind::kMemory:
      return "memory";
    case ArgumentKind::kMemoryOrNull:
      return "memory or null";
    case ArgumentKind::kUninitMemory:
      return "memory to write";
    case ArgumentKind::kSize:
      return "size";
    case ArgumentKind::kSizeOrZero:
      return "size or 0";
    case ArgumentKind::kAllocationSize:
      return "constant size";
    case ArgumentKind::kConstString:
      return "constant string";
    case ArgumentKind::kCallback:
      return "callback";
    case ArgumentKind::kCallbackState:
      return "callback state";
    case ArgumentKind::kRingRecord:
      return "ring record";
    case ArgumentKind::kLongOut:
      return "8 bytes to write";
    case ArgumentKind::kTimer:
      return "timer";
    case ArgumentKind::kDynptr:
      return "dynptr";
    case ArgumentKind::kRingDynptr:
      return "dynptr of a ring record";
    case ArgumentKind::kUninitDynptr:
      return "dynptr to make";
    case ArgumentKind::kSpinLock:
      return "spin lock in a value";
    case ArgumentKind::kTask:
      return "task";
    case ArgumentKind::kCgroupOrNull:
      return "cgroup or null";
  }
  return "?";
}

std::string ReturnName(ReturnKind kind) {
  switch (kind) {
    case ReturnKind::kInteger:
      return "number";
    case ReturnKind::kVoid:
      return "nothing";
    case ReturnKind::kMapValueOrNull:
      return "map value or null";
    case ReturnKind::kRingRecordOrNull:
      return "ring record or null";
    case ReturnKind::kMemoryOrNull:
      return "memory or null";
    case ReturnKind::kKernelPointer:
      return "pointer of the kernel's";
  }
  return "?";
}

std::string Arguments(const HelperRow& row) {
  std::string text;
  for (const ArgumentKind argument : row.arguments) {
    if (argument != ArgumentKind::kNone) text += (text.empty() ? "" : ", ") + ArgumentName(argument);
  }
  return text;
}

std::string Notes(const HelperRow& row) {
  std::string text;
  if ((row.flags & helper_flags::kGplOnly) != 0) text += "GPL-compatible programs only";
  if ((row.flags & helper_flags::kUsesSlot) != 0) text += (text.empty() ? "" : "; ") + std::string("leases a slot");
  if ((row.flags & helper_flags::kOfProbes) != 0) text += (text.empty() ? "" : "; ") + std::string("uprobes only");
  return text;
}

std::string Print() {
  std::ostringstream out;
  out << "# Helpers of the userspace runtime\n\n"
         "Printed from `backend/userspace/runtime/helpers/table.cc` by the test `HelpersDoc`; numbers, names and "
         "meaning are the kernel's\n"
         "(`man 7 bpf-helpers`). What differs stands in `differences.md`. A program that calls another helper is "
         "refused when it is loaded.\n\n"
         "| number | bpf_... | arguments | returns | notes |\n|---|---|---|---|---|\n";
  for (const HelperRow& row : Helpers()) {
    out << "| " << row.id << " | `" << row.name << "` | " << Arguments(row) << " | " << ReturnName(row.returns) << " | "
        << Notes(row) << " |\n";
  }
  out << "\n## Helpers that mean nothing outside of the kernel\n\n"
         "Printed from `backend/userspace/verifier/absent_helpers.cc`; the refusal of a program names the reason.\n\n"
         "| number | bpf_... | it |\n|---|---|---|\n";
  for (const verifier::AbsentHelper& row : verifier::AbsentHelpers()) {
    out << "| " << row.id << " | `" << row.name << "` | " << row.reason << " |\n";
  }
  return out.str();
}

TEST(HelpersDoc, NoHelperIsBothThereAndAbsent) {
  std::uint32_t last = 0;
  for (const verifier::AbsentHelper& row : verifier::AbsentHelpers()) {
    EXPECT_GT(row.id, last) << row.name;
    last = row.id;
    EXPECT_FALSE(IsHelperKnown(row.id)) << row.name;
    EXPECT_STRNE(row.reason, "") << row.name;
    EXPECT_EQ(verifier::FindAbsentHelper(row.id), &row);
  }
  EXPECT_EQ(verifier::FindAbsentHelper(1), nullptr);
}

TEST(HelpersDoc, IsWhatTheTableSays) {
  const std::string printed = Print();
  if (std::getenv("STRATA_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(STRATA_HELPERS_DOC) << printed;
    GTEST_SKIP() << "wrote " << STRATA_HELPERS_DOC;
  }
  std::ostringstream expected;
  expected << std::ifstream(STRATA_HELPERS_DOC).rdbuf();
  EXPECT_EQ(printed, expected.str());
}

}  // namespace
}  // namespace strata::runtime
