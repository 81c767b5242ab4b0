#include "strata/base/byte_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace strata {
namespace {

std::vector<std::byte> Bytes(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(ByteReader, ReadsBothByteOrders) {
  const auto bytes = Bytes({1, 2, 3, 4});
  EXPECT_EQ(*ByteReader(bytes, "", std::endian::little).Read<std::uint32_t>("word"), 0x04030201U);
  EXPECT_EQ(*ByteReader(bytes, "", std::endian::big).Read<std::uint32_t>("word"), 0x01020304U);
}

TEST(ByteReader, TruncationNamesPlaceAndField) {
  const auto bytes = Bytes({1, 2, 3});
  ByteReader reader(bytes, "a.bpf.o: section .BTF");
  ASSERT_TRUE(reader.Skip(1, "magic"));
  const auto word = reader.Read<std::uint32_t>("hdr_len");
  ASSERT_FALSE(word);
  EXPECT_EQ(word.error().message(), "a.bpf.o: section .BTF: offset 1: hdr_len: needs 4 bytes, 2 are left");
  EXPECT_EQ(word.error().code(), ErrorCode::kMalformed);
}

TEST(ByteReader, HugeOffsetsAndCountsDoNotWrap) {
  const auto bytes = Bytes({1, 2, 3, 4});
  ByteReader reader(bytes);
  EXPECT_FALSE(reader.Seek(UINT64_MAX, "types"));
  EXPECT_FALSE(reader.Skip(UINT64_MAX, "types"));
  EXPECT_FALSE(reader.ReadBytes(UINT64_MAX - 1, "types"));
  EXPECT_FALSE(reader.Slice(2, UINT64_MAX - 1, "types"));
  EXPECT_EQ(reader.offset(), 0U);
}

TEST(ByteReader, SliceHasItsOwnNameAndEnd) {
  const auto bytes = Bytes({1, 2, 3, 4});
  auto slice = ByteReader(bytes, "file").Slice(1, 2, "strings");
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->size(), 2U);
  EXPECT_EQ(slice->Read<std::uint32_t>("x").error().message(), "file: strings: offset 0: x: needs 4 bytes, 2 are left");
}

TEST(ByteReader, StringNeedsItsEnd) {
  const auto bytes = Bytes({'a', 'b', 0, 'c'});
  const ByteReader reader(bytes, "f");
  EXPECT_EQ(*reader.StringAt(0, "name"), "ab");
  EXPECT_EQ(*reader.StringAt(2, "name"), "");
  EXPECT_FALSE(reader.StringAt(3, "name"));
  EXPECT_FALSE(reader.StringAt(4, "name"));
}

}  // namespace
}  // namespace strata
