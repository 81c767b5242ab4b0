#include <gtest/gtest.h>

#include <set>

#include "links/attach.h"
#include "strata/spec/attach_kind.h"

namespace strata::kernel {
namespace {

TEST(AttachRows, AreUniqueAndOfKindsThatExist) {
  std::set<std::string_view> kinds;
  for (const AttachRow& row : AttachRows()) {
    EXPECT_TRUE(kinds.insert(row.kind).second) << row.kind;
    EXPECT_NE(FindAttachKind(BuiltinAttachKinds(), row.kind), nullptr) << row.kind;
    EXPECT_NE(row.attach, nullptr) << row.kind;
  }
}

}  // namespace
}  // namespace strata::kernel
