// Entries of __bpf_usdt_specs over a map that only remembers.
#include "strata/object/usdt_specs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <optional>
#include <vector>

namespace strata {
namespace {

using testing::HasSubstr;

class RememberingMap : public BackendMap {
 public:
  RememberingMap(std::uint32_t max_entries, std::uint32_t value_size) {
    info_.max_entries = max_entries;
    info_.value_size = info_.element_size = value_size;
  }
  const MapInfo& info() const override { return info_; }
  Result<void> Update(std::span<const std::byte> key, std::span<const std::byte> value, UpdateMode) override {
    if (fails) return Error(ErrorCode::kSystem, "no update");
    std::uint32_t id = 0;
    std::memcpy(&id, key.data(), sizeof(id));
    contents[id].assign(value.begin(), value.end());
    return {};
  }
  Result<bool> Lookup(std::span<const std::byte>, std::span<std::byte>) override { return Unused(); }
  Result<bool> Delete(std::span<const std::byte>) override { return Unused(); }
  Result<bool> LookupAndDelete(std::span<const std::byte>, std::span<std::byte>) override { return Unused(); }
  Result<bool> NextKey(std::optional<std::span<const std::byte>>, std::span<std::byte>) override { return Unused(); }
  Result<void> Freeze() override { return Unused(); }
  Result<std::unique_ptr<MapMemory>> Memory() override { return Unused(); }
  Result<std::unique_ptr<RingMemory>> Ring() override { return Unused(); }

  std::map<std::uint32_t, std::vector<std::byte>> contents;
  bool fails = false;

 private:
  static Error Unused() { return Error(ErrorCode::kNotSupported, "not used here"); }
  MapInfo info_;
};

struct Table {
  explicit Table(std::uint32_t max_entries, std::uint32_t value_size = 8)
      : map(std::make_shared<RememberingMap>(max_entries, value_size)), specs(std::make_shared<UsdtSpecs>(map)) {}
  Result<UsdtSpecs::Entry> Hold(std::uint64_t record) { return specs->Hold(std::as_bytes(std::span(&record, 1))); }
  std::shared_ptr<RememberingMap> map;
  std::shared_ptr<UsdtSpecs> specs;
};

TEST(UsdtSpecs, EqualRecordsShareAnEntryUntilTheLastHolderGoes) {
  Table table(4);
  std::optional<UsdtSpecs::Entry> first = table.Hold(7).value();
  std::optional<UsdtSpecs::Entry> second = table.Hold(7).value();
  const UsdtSpecs::Entry other = table.Hold(8).value();
  EXPECT_EQ(first->id(), second->id());
  EXPECT_NE(first->id(), other.id());
  EXPECT_EQ(table.specs->used(), 2U);
  first.reset();
  EXPECT_EQ(table.specs->used(), 2U);
  second.reset();
  EXPECT_EQ(table.specs->used(), 1U);
}

TEST(UsdtSpecs, TheLongestUnusedEntryIsTakenNext) {
  Table table(3);
  std::optional<UsdtSpecs::Entry> entries[] = {table.Hold(0).value(), table.Hold(1).value(), table.Hold(2).value()};
  EXPECT_FALSE(table.Hold(3));
  entries[1].reset();
  entries[0].reset();
  const auto third = table.Hold(3).value();
  const auto fourth = table.Hold(4).value();
  EXPECT_EQ(third.id(), 1U);
  EXPECT_EQ(fourth.id(), 0U);
  EXPECT_EQ(std::to_integer<int>(table.map->contents[1][0]), 3);
}

TEST(UsdtSpecs, LargerValuesAreFilledWithZeros) {
  Table table(1, 12);
  const auto entry = table.Hold(~std::uint64_t{0}).value();
  const std::vector<std::byte>& value = table.map->contents.at(entry.id());
  ASSERT_EQ(value.size(), 12U);
  EXPECT_EQ(value[7], std::byte{0xff});
  EXPECT_EQ(value[8], std::byte{0});
}

TEST(UsdtSpecs, SmallerValuesAreRefused) {
  Table table(1, 4);
  const auto entry = table.Hold(1);
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code(), ErrorCode::kMapIncompatible);
  EXPECT_THAT(entry.error().message(), HasSubstr("value_size"));
}

TEST(UsdtSpecs, AFailedUpdateTakesNoEntry) {
  Table table(1);
  table.map->fails = true;
  EXPECT_FALSE(table.Hold(1));
  EXPECT_EQ(table.specs->used(), 0U);
  table.map->fails = false;
  EXPECT_TRUE(table.Hold(2));
}

TEST(UsdtSpecs, MovedEntriesAreReleasedOnce) {
  Table table(2);
  auto first = table.Hold(1).value();
  {
    auto second = table.Hold(2).value();
    second = std::move(first);
    EXPECT_EQ(second.id(), 0U);
  }
  EXPECT_EQ(table.specs->used(), 1U);  // what `second` was is in `first` now
}

}  // namespace
}  // namespace strata
