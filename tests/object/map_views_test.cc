// Views of the kinds that the kernel alone has, and what handles may do.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "kernel_fixture.h"

namespace strata {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class MapViews : public testing::KernelTest {
 protected:
  Map Create(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries,
             std::uint32_t flags = 0) {
    MapSpec spec;
    spec.name = "viewed";
    spec.type = type;
    spec.key_size = key_size;
    spec.value_size = value_size;
    spec.max_entries = max_entries;
    spec.flags = flags;
    return Map::Create(backend_, spec).value();
  }
  Map CreateOuter(MapType type) {
    MapSpec spec;
    spec.name = "outer";
    spec.type = type;
    spec.key_size = 4;
    spec.max_entries = 4;
    MapSpec inner;
    inner.type = MapType::kArray;
    inner.key_size = inner.value_size = 4;
    inner.max_entries = 1;
    spec.inner = {inner};
    return Map::Create(backend_, spec).value();
  }
};

TEST_F(MapViews, QueuesGiveTheOldestElementFirst) {
  auto queue = Queue<std::uint64_t>::From(Create(MapType::kQueue, 0, 8, 2)).value();
  EXPECT_FALSE(queue.Peek()->has_value());
  ASSERT_TRUE(queue.Push(1));
  ASSERT_TRUE(queue.Push(2));
  EXPECT_EQ(queue.Push(3).error().code(), ErrorCode::kMapFull);
  ASSERT_TRUE(queue.Push(3, UpdateMode::kExist));  // 1 makes room
  EXPECT_EQ(**queue.Peek(), 2U);
  EXPECT_EQ(**queue.Pop(), 2U);
  EXPECT_EQ(**queue.Pop(), 3U);
  EXPECT_FALSE(queue.Pop()->has_value());
}

TEST_F(MapViews, StacksGiveTheNewestElementFirst) {
  auto stack = Stack<std::uint32_t>::From(Create(MapType::kStack, 0, 4, 4)).value();
  for (std::uint32_t value : {1U, 2U, 3U}) ASSERT_TRUE(stack.Push(value));
  EXPECT_EQ(**stack.Pop(), 3U);
  EXPECT_EQ(**stack.Peek(), 2U);
}

TEST_F(MapViews, BloomFiltersForgetNothing) {
  auto filter = BloomFilter<std::uint64_t>::From(Create(MapType::kBloomFilter, 0, 8, 1000)).value();
  EXPECT_FALSE(*filter.MayContain(42));
  ASSERT_TRUE(filter.Add(42));
  EXPECT_TRUE(*filter.MayContain(42));
  EXPECT_EQ(Queue<std::uint64_t>::From(filter.map()).error().code(), ErrorCode::kMapIncompatible);
}

TEST_F(MapViews, TriesFindTheLongestPrefix) {
  using Key = PrefixKey<4>;
  auto trie = LpmTrie<Key, std::uint32_t>::From(Create(MapType::kLpmTrie, 8, 4, 10)).value();
  ASSERT_TRUE(trie.Update({8, {10}}, 8));
  ASSERT_TRUE(trie.Update({24, {10, 1, 2}}, 24));
  EXPECT_EQ(**trie.Lookup({32, {10, 1, 2, 3}}), 24U);
  EXPECT_EQ(**trie.Lookup({32, {10, 9, 9, 9}}), 8U);
  EXPECT_FALSE(trie.Lookup({32, {11}})->has_value());
  std::uint32_t sum = 0;
  for (const auto& [key, value] : trie.Entries()) sum += key.prefix_bits * 100 + value;
  EXPECT_EQ(sum, 3232U);
  EXPECT_TRUE(*trie.Delete({24, {10, 1, 2}}));
  EXPECT_EQ(**trie.Lookup({32, {10, 1, 2, 3}}), 8U);
}

TEST_F(MapViews, MapsOfMapsTakeMapsAndGiveIds) {
  const Map inner = Create(MapType::kArray, 4, 4, 1);
  auto number = Array<std::uint32_t>::From(inner).value();
  ASSERT_TRUE(number.Update(0, 99));
  const auto check = [&](auto outer) {
    EXPECT_FALSE(outer.Lookup(2)->has_value());
    ASSERT_TRUE(outer.Update(2, inner));
    EXPECT_EQ(**outer.LookupId(2), inner.info().id);
    const Map found = *outer.Lookup(2).value();
    EXPECT_EQ(**Array<std::uint32_t>::From(found)->Lookup(0), 99U);
    EXPECT_EQ(outer.Update(1, Create(MapType::kArray, 4, 8, 1)).error().code(), ErrorCode::kInvalidArgument);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> entries;
    for (const auto& entry : outer.Entries()) entries.push_back(entry);
    EXPECT_THAT(entries, ElementsAre(Pair(2, inner.info().id)));
    EXPECT_TRUE(*outer.Delete(2));
    EXPECT_FALSE(outer.LookupId(2)->has_value());
  };
  check(ArrayOfMaps::From(CreateOuter(MapType::kArrayOfMaps)).value());
  check(HashOfMaps<std::uint32_t>::From(CreateOuter(MapType::kHashOfMaps)).value());
}

TEST_F(MapViews, ProgArraysTakePrograms) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"jumps_to_target"}}).value();
  auto jumps = objects.FindMap<ProgArray>("jumps").value();
  EXPECT_EQ(**jumps.LookupId(1), objects.FindProgram("target").value()->info().id);
  EXPECT_EQ(testing::RunOnPacket(objects, "jumps_to_target"), 7);
  EXPECT_TRUE(*jumps.Delete(1));
  EXPECT_FALSE(*jumps.Delete(1));
  EXPECT_EQ(testing::RunOnPacket(objects, "jumps_to_target"), -1);
  ASSERT_TRUE(jumps.Update(1, *objects.FindProgram("target").value()));
  EXPECT_EQ(testing::RunOnPacket(objects, "jumps_to_target"), 7);
}

TEST_F(MapViews, SocketMapsTakeDescriptors) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
  for (const std::uint32_t value_size : {4U, 8U}) {
    auto sockets = DescriptorMap<std::uint32_t>::From(Create(MapType::kSockHash, 4, value_size, 4)).value();
    ASSERT_TRUE(sockets.Update(7, socket.get()));
    EXPECT_EQ(sockets.Update(7, socket.get(), UpdateMode::kNoExist).error().code(), ErrorCode::kKeyExist);
    EXPECT_TRUE(*sockets.Delete(7));
    EXPECT_FALSE(sockets.Update(7, 0));  // standard input is no socket
  }
}

TEST_F(MapViews, StoragesHoldAValuePerObject) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"target"}}).value();
  auto storage = objects.FindMap<Storage<std::uint64_t>>("storage").value();
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  ASSERT_TRUE(self);
  EXPECT_FALSE(storage.Lookup(self.get())->has_value());
  EXPECT_EQ(storage.Update(self.get(), 1, UpdateMode::kExist).error().code(), ErrorCode::kKeyNotExist);
  ASSERT_TRUE(storage.Update(self.get(), 42));
  EXPECT_EQ(**storage.Lookup(self.get()), 42U);
  EXPECT_TRUE(*storage.Delete(self.get()));
  EXPECT_FALSE(*storage.Delete(self.get()));
  EXPECT_EQ(storage.Lookup(-1).error().sys_errno(), EBADF);
}

struct LockedCount {
  std::uint32_t lock;
  std::uint32_t count;
};

TEST_F(MapViews, ValuesWithASpinLockAreReadAndWrittenUnderIt) {
  auto objects = Load(STRATA_BPF_MAPS, {.programs = {"locks"}}).value();
  auto locked = objects.FindMap<HashMap<std::uint32_t, LockedCount>>("locked").value();
  ASSERT_TRUE(locked.Update(0, {0, 41}));
  ASSERT_TRUE(locked.Update(0, {0xffffffff, 50}, UpdateMode::kExist | UpdateMode::kLock));
  EXPECT_EQ(testing::RunOnPacket(objects, "locks"), 51);
  const auto value = **locked.Lookup(0, LookupMode::kLock);
  EXPECT_EQ(value.count, 51U);
  EXPECT_EQ(value.lock, 0U);  // never shown
  EXPECT_EQ(locked.Update(1, {0, 1}, UpdateMode::kExist | UpdateMode::kLock).error().code(), ErrorCode::kKeyNotExist);
  const std::uint32_t keys[] = {0};
  const LockedCount values[] = {{0, 70}};
  ASSERT_TRUE(locked.UpdateBatch(keys, values, UpdateMode::kLock));
  EXPECT_EQ(testing::RunOnPacket(objects, "locks"), 71);
}

TEST_F(MapViews, WithTooLittleRoomForABucketACursorStaysWhereItIs) {
  constexpr std::uint32_t kCount = 1000;  // in 1024 buckets: some have two
  auto map = HashMap<std::uint32_t, std::uint32_t>::From(Create(MapType::kHash, 4, 4, kCount)).value();
  for (std::uint32_t key = 0; key < kCount; ++key) ASSERT_TRUE(map.Update(key, key));
  std::vector<std::uint32_t> keys(64);
  std::vector<std::uint32_t> values(64);
  BatchCursor cursor;
  std::uint32_t seen = 0;
  int refused = 0;
  while (!cursor.is_at_end) {
    BatchResult result = map.LookupBatch(cursor, std::span(keys).first(1), std::span(values).first(1));
    if (!result) {
      ASSERT_EQ(result.error().code(), ErrorCode::kNoSpace) << result.error().message();
      ++refused;
      result = map.LookupBatch(cursor, keys, values);
      ASSERT_TRUE(result) << result.error().message();
    }
    seen += result.count;
  }
  EXPECT_EQ(seen, kCount);
  EXPECT_GT(refused, 0);
}

// A map whose elements are read all at once or not at all.
class OneBucket : public BackendMap {
 public:
  OneBucket() {
    info_.type = MapType::kHash;
    info_.key_size = 4;
    info_.element_size = info_.value_size = 1 << 16;
    info_.max_entries = 100;
  }
  const MapInfo& info() const override { return info_; }
  BatchResult LookupBatch(BatchCursor& cursor, BatchAction, std::span<std::byte> keys, std::span<std::byte>,
                          LookupMode) override {
    if (keys.size() / 4 < info_.max_entries) return {0, false, Error(ErrorCode::kNoSpace, "too little room", ENOSPC)};
    cursor.is_at_end = true;
    return {info_.max_entries, true, {}};
  }
  Result<bool> Lookup(std::span<const std::byte>, std::span<std::byte>) override { return false; }
  Result<void> Update(std::span<const std::byte>, std::span<const std::byte>, UpdateMode) override { return {}; }
  Result<bool> Delete(std::span<const std::byte>) override { return false; }
  Result<bool> LookupAndDelete(std::span<const std::byte>, std::span<std::byte>) override { return false; }
  Result<bool> NextKey(std::optional<std::span<const std::byte>>, std::span<std::byte>) override { return false; }
  Result<void> Freeze() override { return {}; }
  Result<std::unique_ptr<MapMemory>> Memory() override { return Error(ErrorCode::kNotSupported, "no"); }
  Result<std::unique_ptr<RingMemory>> Ring() override { return Error(ErrorCode::kNotSupported, "no"); }

 private:
  MapInfo info_;
};

TEST(MapIteratorRoom, GrowsToTheLargestBucket) {
  MapIterator elements(Map(nullptr, std::make_shared<OneBucket>(), {}));
  int count = 0;
  while (elements.Next()) ++count;
  EXPECT_TRUE(elements.status()) << elements.status().error().message();
  EXPECT_EQ(count, 100);
}

TEST_F(MapViews, PerCpuElementsHaveAValueForEachCpu) {
  auto counts = PerCpuArray<std::uint32_t>::From(Create(MapType::kPerCpuArray, 4, 4, 2)).value();
  const std::uint32_t cpus = backend_->possible_cpus();
  EXPECT_EQ(counts.Update(0, std::vector<std::uint32_t>(cpus + 1)).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(counts.Update(1, std::vector<std::uint32_t>(cpus, 3)));
  EXPECT_THAT(*counts.Sums(), ElementsAre(0U, 3 * cpus));
  EXPECT_EQ(**counts.Sum(1), 3 * cpus);
  EXPECT_FALSE(counts.Sum(2)->has_value());
}

TEST_F(MapViews, LruAndPerCpuHashesAreTakenOutInBatches) {
  for (const MapType type : {MapType::kLruHash, MapType::kPerCpuHash, MapType::kLruPerCpuHash}) {
    Map map = Create(type, 4, 8, 100);
    const std::vector<std::uint32_t> keys = {1, 2, 3};
    std::vector<std::byte> values(3 * map.info().element_size, std::byte{9});
    ASSERT_EQ(map.UpdateBatch(std::as_bytes(std::span(keys)), values).count, 3U);
    std::vector<std::uint32_t> taken(100);
    std::vector<std::byte> read(100 * map.info().element_size);
    BatchCursor cursor;
    const auto result = map.LookupAndDeleteBatch(cursor, std::as_writable_bytes(std::span(taken)), read);
    ASSERT_TRUE(result) << result.error().message();
    taken.resize(result.count);
    EXPECT_THAT(taken, ::testing::UnorderedElementsAre(1, 2, 3));
    EXPECT_TRUE(std::equal(values.begin(), values.end(), read.begin()));
    EXPECT_TRUE(result.is_at_end);
    EXPECT_FALSE(MapIterator(map).Next());
  }
}

TEST_F(MapViews, AnOperationThatAKindDoesNotHaveIsNamed) {
  Map queue = Create(MapType::kQueue, 0, 4, 1);
  const auto deleted = queue.Delete({});
  ASSERT_FALSE(deleted);
  EXPECT_EQ(deleted.error().code(), ErrorCode::kInvalidArgument) << deleted.error().message();
  Map array = Create(MapType::kArray, 4, 4, 1);
  std::uint32_t key = 0;
  std::uint32_t value = 0;
  const auto taken = array.LookupAndDelete(internal::BytesOf(key), internal::WritableBytesOf(value));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(taken.error().message(), HasSubstr("lookup and delete: a map of type array has no such operation"));
}

TEST_F(MapViews, ReadOnlyAndWriteOnlyHandlesKeepToIt) {
  auto readable = Array<std::uint32_t>::From(Create(MapType::kArray, 4, 4, 1, map_flags::kReadOnly)).value();
  EXPECT_EQ(**readable.Lookup(0), 0U);
  const auto refused = readable.Update(0, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("this handle may only read it"));
  auto writable = Array<std::uint32_t>::From(Create(MapType::kArray, 4, 4, 1, map_flags::kWriteOnly)).value();
  EXPECT_TRUE(writable.Update(0, 1));
  EXPECT_THAT(writable.Lookup(0).error().message(), HasSubstr("this handle may only write it"));
}

TEST_F(MapViews, ProgramsKeepToTheFlagsOfTheirSide) {
  const auto load_with = [&](const char* map, std::uint32_t flags, const char* program) {
    auto spec = LoadCollectionSpec(STRATA_BPF_MAPS).value();
    spec.maps.at(map).flags |= flags;
    return LoadCollection(backend_, std::move(spec), {.programs = {program}});
  };
  EXPECT_TRUE(load_with("settings", map_flags::kReadOnlyProgram, "reads_setting"));
  EXPECT_THAT(ErrorOf(load_with("settings", map_flags::kWriteOnlyProgram, "reads_setting")).message(),
              HasSubstr("read from map forbidden"));
  EXPECT_THAT(ErrorOf(load_with("counters", map_flags::kReadOnlyProgram, "counts")).message(),
              HasSubstr("write into map forbidden"));
}

TEST_F(MapViews, MemoryOfAFrozenMapCannotBeWritten) {
  Map map = Create(MapType::kArray, 4, 4, 3, map_flags::kMmapable);
  {
    const auto memory = map.Memory().value();
    EXPECT_EQ(memory->bytes().size(), 24U);  // each value has 8 bytes
    EXPECT_FALSE(memory->is_read_only());
    EXPECT_EQ(map.Freeze().error().code(), ErrorCode::kBusy);
  }
  ASSERT_TRUE(map.Freeze());
  const auto memory = map.Memory().value();
  EXPECT_TRUE(memory->is_read_only());
  EXPECT_EQ(Create(MapType::kHash, 4, 4, 1).Memory().error().code(), ErrorCode::kNotSupported);
}

}  // namespace
}  // namespace strata
