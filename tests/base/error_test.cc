#include "strata/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace strata {
namespace {

TEST(Error, IsOfPointerSize) { EXPECT_EQ(sizeof(Error), sizeof(void*)); }

TEST(Error, ContextsReadFromTheOutermostInwards) {
  const Error error = Error(ErrorCode::kMalformed, "value_size: expected 4 bytes, got 8")
                          .WithContext("map foo")
                          .WithContext("section .maps");
  EXPECT_EQ(error.message(), "section .maps: map foo: value_size: expected 4 bytes, got 8");
  EXPECT_EQ(error.code(), ErrorCode::kMalformed);
}

TEST(Error, FromErrnoKeepsTheNumberAndNamesIt) {
  const Error error = Error::FromErrno(ENOENT, "a.bpf.o");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.sys_errno(), ENOENT);
  EXPECT_EQ(error.message(), "a.bpf.o: No such file or directory");
}

TEST(Error, KnowsTheKernelsOwnNotSupported) {
  const Error error = Error::FromErrno(524, "load");
  EXPECT_EQ(error.code(), ErrorCode::kNotSupported);
  EXPECT_EQ(error.message(), "load: operation not supported by the kernel");
}

TEST(Error, CopiesShareWhatTheySay) {
  const Error first = Error(ErrorCode::kVerifierRejected, "refused").WithLog("0: exit\n");
  const Error second = first;  // NOLINT: the copy is what is tested
  EXPECT_EQ(second.log(), "0: exit\n");
  EXPECT_EQ(&second.message(), &first.message());
}

TEST(Error, ContextKeepsErrnoLogAndPlace) {
  const Error inner = Error(ErrorCode::kSystem, "broken", EIO, "folder/file.cc", 12).WithLog("log");
  const Error outer = inner.WithContext("reading");
  EXPECT_EQ(outer.sys_errno(), EIO);
  EXPECT_EQ(outer.log(), "log");
  EXPECT_EQ(outer.source_place(), "file.cc:12");
}

}  // namespace
}  // namespace strata
