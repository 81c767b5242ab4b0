// What the kernel backend asks about maps, and what it makes of the answers of other kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "fake_syscalls.h"
#include "fd_info.h"
#include "strata/backend/kernel/kernel_backend.h"

namespace strata::kernel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A kernel that charges objects to RLIMIT_MEMLOCK, or only refuses.
class OldKernel : public FakeSyscalls {
 public:
  using FakeSyscalls::FakeSyscalls;
  long SetResourceLimit(int resource, const rlimit& limit) const override {
    limits.push_back({resource, limit.rlim_cur});
    return 0;
  }
  mutable std::vector<std::pair<int, rlim_t>> limits;
};

std::shared_ptr<Backend> Open(const std::shared_ptr<FakeSyscalls>& syscalls) {
  return OpenKernelBackend({.syscalls = syscalls}).value();
}

MapSpec HashSpec() {
  MapSpec spec;
  spec.name = "m";
  spec.type = MapType::kHash;
  spec.key_size = spec.value_size = 4;
  spec.max_entries = 10;
  return spec;
}

// Info records are filled as those of HashSpec().
std::optional<long> AnswerInfo(Command command, void* attr) {
  if (command != Command::kInfo) return std::nullopt;
  const auto* info = static_cast<const InfoAttr*>(attr);
  MapInfoRecord record;
  record.type = 1;
  record.id = 77;
  record.key_size = record.value_size = 4;
  record.max_entries = 10;
  std::memcpy(reinterpret_cast<void*>(info->info), &record, std::min<std::size_t>(sizeof(record), info->info_len));
  return 0;
}

TEST(MapSyscalls, FieldsThatASpecDoesNotHaveAreZero) {
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything(AnswerInfo));
  MapSpec spec = HashSpec();
  spec.numa_node = 3;
  ASSERT_TRUE(Open(syscalls)->CreateMap(spec, nullptr));
  MapCreateAttr expected;
  expected.map_type = 1;
  expected.key_size = expected.value_size = 4;
  expected.max_entries = 10;
  expected.numa_node = 3;
  expected.map_name[0] = 'm';
  const auto attr = syscalls->CallsOf(Command::kMapCreate).back().As<MapCreateAttr>();
  EXPECT_EQ(std::memcmp(&attr, &expected, sizeof(attr)), 0);
}

TEST(MapSyscalls, ElementsOfKindsWithoutKeysHaveANullKey) {
  auto syscalls = std::make_shared<FakeSyscalls>(AcceptEverything());
  const auto map = Open(syscalls)->OpenMap(5).value();
  std::byte value{};
  ASSERT_TRUE(map->LookupAndDelete({}, {&value, 1}));
  EXPECT_EQ(syscalls->CallsOf(Command::kMapLookupAndDelete).back().As<ElementAttr>().key, 0U);
  ASSERT_TRUE(map->Update({}, {&value, 1}, UpdateMode::kExist | UpdateMode::kLock));
  const auto update = syscalls->CallsOf(Command::kMapUpdate).back().As<ElementAttr>();
  EXPECT_EQ(update.key, 0U);
  EXPECT_EQ(update.flags, 6U);
  ASSERT_TRUE(map->LookupLocked({}, {&value, 1}));
  EXPECT_EQ(syscalls->CallsOf(Command::kMapLookup).back().As<ElementAttr>().flags, 4U);
}

// A hash of three elements by key, without batches.
class KernelWithoutBatches {
 public:
  explicit KernelWithoutBatches(int batch_errno) : batch_errno_(batch_errno) {}

  std::optional<long> operator()(Command command, void* attr) {
    if (const auto info = AnswerInfo(command, attr)) return info;
    switch (command) {
      case Command::kMapLookupBatch:
      case Command::kMapLookupAndDeleteBatch:
      case Command::kMapUpdateBatch:
      case Command::kMapDeleteBatch:
        return -batch_errno_;
      case Command::kMapNextKey:
        return NextKey(*static_cast<ElementAttr*>(attr));
      case Command::kMapLookup:
        return Lookup(*static_cast<ElementAttr*>(attr));
      case Command::kMapUpdate:
        return Update(*static_cast<ElementAttr*>(attr));
      default:
        return std::nullopt;
    }
  }
  std::map<std::uint32_t, std::uint32_t> elements = {{1, 10}, {2, 20}, {3, 30}};

 private:
  static std::uint32_t& At(std::uint64_t address) { return *reinterpret_cast<std::uint32_t*>(address); }
  long NextKey(ElementAttr& attr) {
    auto next = elements.begin();
    if (attr.key != 0 && elements.contains(At(attr.key))) next = elements.upper_bound(At(attr.key));
    if (next == elements.end()) return -ENOENT;
    At(attr.value) = next->first;
    return 0;
  }
  long Lookup(ElementAttr& attr) {
    const auto found = elements.find(At(attr.key));
    if (found == elements.end()) return -ENOENT;
    At(attr.value) = found->second;
    return 0;
  }
  long Update(ElementAttr& attr) {
    elements[At(attr.key)] = At(attr.value);
    return 0;
  }
  int batch_errno_;
};

TEST(MapSyscalls, BatchesAreDoneByKeyWhereTheKernelHasNone) {
  for (const int refusal : {EINVAL, 524}) {
    auto kernel = std::make_shared<KernelWithoutBatches>(refusal);
    auto syscalls = std::make_shared<FakeSyscalls>(
        AcceptEverything([kernel](Command command, void* attr) { return (*kernel)(command, attr); }));
    const auto map = Open(syscalls)->CreateMap(HashSpec(), nullptr).value();
    std::uint32_t keys[2];
    std::uint32_t values[2];
    std::vector<std::uint32_t> seen;
    BatchCursor cursor;
    while (!cursor.is_at_end) {
      const auto result = map->LookupBatch(cursor, BatchAction::kCopy, std::as_writable_bytes(std::span(keys)),
                                           std::as_writable_bytes(std::span(values)), LookupMode::kPlain);
      ASSERT_TRUE(result) << result.error().message();
      seen.insert(seen.end(), values, values + result.count);
    }
    EXPECT_THAT(seen, ElementsAre(10, 20, 30));
    EXPECT_EQ(syscalls->CallsOf(Command::kMapLookupBatch).size(), 1U);  // it is asked once
    BatchCursor again;
    ASSERT_TRUE(map->LookupBatch(again, BatchAction::kCopy, std::as_writable_bytes(std::span(keys)),
                                 std::as_writable_bytes(std::span(values)), LookupMode::kPlain));
    EXPECT_EQ(syscalls->CallsOf(Command::kMapLookupBatch).size(), 1U);
    const std::uint32_t added[] = {4, 5};
    EXPECT_EQ(
        map->UpdateBatch(std::as_bytes(std::span(added)), std::as_bytes(std::span(added)), UpdateMode::kAny).count, 2U);
    EXPECT_EQ(kernel->elements.at(5), 5U);
  }
}

// The element at the cursor and the one before it go between two calls.
TEST(MapSyscalls, AWalkByKeyGoesOnBehindAKeyThatIsStillThere) {
  auto kernel = std::make_shared<KernelWithoutBatches>(EINVAL);
  for (std::uint32_t key = 4; key <= 9; ++key) kernel->elements[key] = key * 10;
  auto syscalls = std::make_shared<FakeSyscalls>(
      AcceptEverything([kernel](Command command, void* attr) { return (*kernel)(command, attr); }));
  const auto map = Open(syscalls)->CreateMap(HashSpec(), nullptr).value();
  std::uint32_t keys[4];
  std::uint32_t values[4];
  const auto read = [&](BatchCursor& cursor) {
    return map->LookupBatch(cursor, BatchAction::kCopy, std::as_writable_bytes(std::span(keys)),
                            std::as_writable_bytes(std::span(values)), LookupMode::kPlain);
  };
  BatchCursor cursor;
  ASSERT_EQ(read(cursor).count, 4U);
  kernel->elements.erase(4);
  kernel->elements.erase(5);
  ASSERT_EQ(read(cursor).count, 4U);
  EXPECT_THAT(keys, ElementsAre(6, 7, 8, 9));

  BatchCursor lost;
  ASSERT_EQ(read(lost).count, 4U);
  for (const std::uint32_t key : {1U, 2U, 3U, 6U, 7U}) kernel->elements.erase(key);
  const auto aborted = read(lost);
  EXPECT_EQ(aborted.count, 0U);
  ASSERT_FALSE(aborted);
  EXPECT_EQ(aborted.error().code(), ErrorCode::kBusy);
}

TEST(MapSyscalls, AnEarlyErrorOfABatchCountsNothing) {
  // The kernel leaves the count as it was given where it did not begin.
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (const auto info = AnswerInfo(command, attr)) return info;
        if (command == Command::kMapUpdateBatch) return -ENOMEM;
        if (command == Command::kMapDeleteBatch) {
          static_cast<BatchAttr*>(attr)->count = 1;
          return -EFAULT;
        }
        return std::nullopt;
      }));
  const auto map = Open(syscalls)->CreateMap(HashSpec(), nullptr).value();
  const std::uint32_t keys[] = {1, 2, 3};
  const auto updated =
      map->UpdateBatch(std::as_bytes(std::span(keys)), std::as_bytes(std::span(keys)), UpdateMode::kAny);
  EXPECT_EQ(updated.count, 0U);
  EXPECT_EQ(updated.error().sys_errno(), ENOMEM);
  const auto deleted = map->DeleteBatch(std::as_bytes(std::span(keys)));
  EXPECT_EQ(deleted.count, 1U);
  EXPECT_EQ(deleted.error().sys_errno(), EFAULT);
}

TEST(MapSyscalls, ABucketLargerThanTheRoomSaysSo) {
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (const auto info = AnswerInfo(command, attr)) return info;
        if (command != Command::kMapLookupBatch) return std::nullopt;
        static_cast<BatchAttr*>(attr)->count = 0;
        return -ENOSPC;
      }));
  const auto map = Open(syscalls)->CreateMap(HashSpec(), nullptr).value();
  std::uint32_t key;
  std::uint32_t value;
  BatchCursor cursor;
  const auto result = map->LookupBatch(cursor, BatchAction::kCopy, std::as_writable_bytes(std::span(&key, 1)),
                                       std::as_writable_bytes(std::span(&value, 1)), LookupMode::kPlain);
  EXPECT_EQ(result.error().code(), ErrorCode::kNoSpace);
  EXPECT_THAT(result.error().message(), HasSubstr("more than 1 elements share a bucket"));
  EXPECT_FALSE(cursor.is_at_end);
}

TEST(MapSyscalls, DataSectionsDoWithoutFlagsThatAKernelDoesNotKnow) {
  auto syscalls =
      std::make_shared<FakeSyscalls>(AcceptEverything([](Command command, void* attr) -> std::optional<long> {
        if (command != Command::kMapCreate) return std::nullopt;
        return static_cast<MapCreateAttr*>(attr)->map_flags != 0 ? std::optional<long>(-EINVAL) : std::nullopt;
      }));
  MapSpec spec = HashSpec();
  spec.type = MapType::kArray;
  spec.flags = map_flags::kMmapable | map_flags::kReadOnlyProgram;
  const auto backend = Open(syscalls);
  EXPECT_FALSE(backend->CreateMap(spec, nullptr));
  spec.is_data_section = true;
  EXPECT_TRUE(backend->CreateMap(spec, nullptr));
}

std::shared_ptr<OldKernel> KernelWhoseLimitIsUsedUp(long answer_of_probe) {
  auto allowed = std::make_shared<bool>(false);
  auto kernel = std::make_shared<OldKernel>([=](Command command, void*) -> std::optional<long> {
    if (command == Command::kProgramLoad) return answer_of_probe < 0 ? answer_of_probe : FakeSyscalls::AnyDescriptor();
    if (command == Command::kTokenCreate) return -EINVAL;
    if (command == Command::kMapCreate && !std::exchange(*allowed, true)) return -EPERM;
    return command == Command::kMapCreate ? FakeSyscalls::AnyDescriptor() : 0;
  });
  return kernel;
}

TEST(MapSyscalls, MemlockIsRaisedOnceWhereTheKernelChargesToIt) {
  const auto kernel = KernelWhoseLimitIsUsedUp(-EINVAL);  // a helper of Linux 5.11 is unknown
  const auto backend = OpenKernelBackend({.syscalls = kernel});
  ASSERT_TRUE(backend) << backend.error().message();
  EXPECT_THAT(kernel->limits, ElementsAre(std::pair<int, rlim_t>(RLIMIT_MEMLOCK, RLIM_INFINITY)));
  EXPECT_EQ(kernel->CallsOf(Command::kMapCreate).size(), 2U);
}

TEST(MapSyscalls, MemlockStaysWhereTheKernelChargesToCgroups) {
  const auto kernel = KernelWhoseLimitIsUsedUp(0);
  EXPECT_FALSE(OpenKernelBackend({.syscalls = kernel}));
  EXPECT_TRUE(kernel->limits.empty());
  EXPECT_EQ(kernel->CallsOf(Command::kMapCreate).size(), 1U);
}

TEST(MapSyscalls, MemlockStaysWhereNothingIsAllowed) {
  const auto kernel = KernelWhoseLimitIsUsedUp(-EPERM);  // this kernel is newer than 5.11, so that is not why
  EXPECT_FALSE(OpenKernelBackend({.syscalls = kernel}));
  EXPECT_TRUE(kernel->limits.empty());
}

TEST(FdInfo, FieldsAreReadAsTheKernelPrintsThem) {
  const char text[] =
      "pos:\t0\nflags:\t02000002\nmap_type:\t1\nkey_size:\t4\nvalue_size:\t8\nmax_entries:\t10\n"
      "map_flags:\t0x401\nmap_extra:\t0x3\nmemlock:\t4096\nmap_id:\t77\nfrozen:\t1\n";
  EXPECT_EQ(FdInfoNumber(text, "flags"), 02000002U);
  EXPECT_EQ(FdInfoNumber(text, "map_flags"), 0x401U);
  EXPECT_EQ(FdInfoNumber(text, "frozen"), 1U);
  EXPECT_EQ(FdInfoNumber(text, "map"), std::nullopt);
  EXPECT_EQ(FdInfoNumber("frozen:\tyes\n", "frozen"), std::nullopt);
  const auto record = MapRecordOfFdInfo(text).value();
  EXPECT_EQ(record.value_size, 8U);
  EXPECT_EQ(record.id, 77U);
  EXPECT_EQ(record.map_extra, 3U);
  EXPECT_FALSE(MapRecordOfFdInfo("pos:\t0\nflags:\t02\n"));
}

TEST(FdInfo, AMapHasARecordWithoutAskingForOne) {
  auto syscalls = std::make_shared<FakeSyscalls>([](Command command, void*) -> std::optional<long> {
    return command == Command::kInfo ? std::optional<long>(-EINVAL) : std::nullopt;
  });
  const auto backend = OpenKernelBackend({.syscalls = syscalls});
  if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) GTEST_SKIP() << backend.error().message();
  const auto map = (*backend)->CreateMap(HashSpec(), nullptr);
  ASSERT_TRUE(map) << map.error().message();
  EXPECT_EQ((*map)->info().value_size, 4U);
  EXPECT_EQ((*map)->info().max_entries, 10U);
  EXPECT_NE((*map)->info().id, 0U);
}

}  // namespace
}  // namespace strata::kernel
