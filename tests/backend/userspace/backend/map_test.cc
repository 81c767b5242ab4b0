#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "backend_fixture.h"
#include "strata/backend/userspace/runtime/map_view.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata {
namespace {

using testing::HasSubstr;

class UserspaceMapTest : public UserspaceBackendTest {
 protected:
  Error CreateError(const MapSpec& spec) {
    auto map = backend().CreateMap(spec, nullptr);
    return map ? Error(ErrorCode::kSystem, "created") : map.error();
  }
  // The map as a program sees it.
  template <typename Use>
  void InProcess(const BackendMap& map, Use use) {
    AsAgent([&](runtime::Process& process, int folder) {
      runtime::MapView* view = nullptr;
      runtime::Reason reason;
      ASSERT_EQ(runtime::OpenMapById(process, folder, map.info().id, &view, &reason), 0) << reason.text;
      use(*view);
      runtime::ReleaseMap(view);
    });
  }
  static bool IsReadable(int fd, int timeout_ms) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, timeout_ms) == 1;
  }
  static void Skip(RingMemory& ring) {
    __atomic_store_n(ring.consumer_position(), *ring.producer_position(), __ATOMIC_RELEASE);
  }
};

TEST_F(UserspaceMapTest, TellsWhichFieldIsWrong) {
  EXPECT_THAT(CreateError(Spec(MapType::kArray, 8, 8, 1)).message(),
              HasSubstr("map counts: key_size: 8 is not possible for a map of type array"));
  EXPECT_THAT(CreateError(Spec(MapType::kHash, 4, 8, 0)).message(), HasSubstr("max_entries: 0"));
  EXPECT_THAT(CreateError(Spec(MapType::kHash, 4, 0, 1)).message(), HasSubstr("value_size: 0"));
  EXPECT_THAT(CreateError(Spec(MapType::kRingBuf, 0, 0, 5000)).message(), HasSubstr("max_entries: 5000"));
  EXPECT_THAT(CreateError(Spec(MapType::kHash, 4, 8, 1, map_flags::kMmapable)).message(), HasSubstr("map_flags: 1024"));
  EXPECT_EQ(CreateError(Spec(MapType::kHash, 4, 8, 0)).sys_errno(), EINVAL);
  EXPECT_EQ(CreateError(Spec(MapType::kHash, 4, 8, 0xffffffff)).code(), ErrorCode::kNoSpace);
  const Error unknown = CreateError(Spec(MapType::kStructOps, 4, 8, 1));
  EXPECT_EQ(unknown.code(), ErrorCode::kNotSupported);
  EXPECT_THAT(unknown.message(), HasSubstr("struct_ops is not supported on the userspace backend"));
}

TEST_F(UserspaceMapTest, ElementsAreSharedWithPrograms) {
  auto map = MakeMap(Spec(MapType::kHash, 4, 8, 10));
  const std::uint32_t key = 5;
  const std::uint64_t value = 50;
  ASSERT_TRUE(map->Update(BytesOf(key), BytesOf(value), UpdateMode::kNoExist));
  InProcess(*map, [&](runtime::MapView& view) {
    auto* found = static_cast<std::uint64_t*>(view.ops->lookup(view, &key, 0));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ((*found)++, 50U);
  });
  std::uint64_t read = 0;
  EXPECT_TRUE(*map->Lookup(BytesOf(key), WritableBytesOf(read)));
  EXPECT_EQ(read, 51U);
  EXPECT_TRUE(*map->LookupAndDelete(BytesOf(key), WritableBytesOf(read)));
  EXPECT_FALSE(*map->Lookup(BytesOf(key), WritableBytesOf(read)));
  EXPECT_FALSE(*map->Delete(BytesOf(key)));
}

TEST_F(UserspaceMapTest, PerCpuElementsHaveOneValuePerPossibleCpu) {
  auto map = MakeMap(Spec(MapType::kPerCpuArray, 4, 5, 2));
  EXPECT_EQ(map->info().element_size, 8 * backend().possible_cpus());
  std::vector<std::byte> values(map->info().element_size);
  const std::uint32_t key = 1;
  EXPECT_TRUE(*map->Lookup(BytesOf(key), values));
}

TEST_F(UserspaceMapTest, ChecksTheSizesOfKeysAndValues) {
  auto map = MakeMap(Spec(MapType::kHash, 4, 8, 10));
  const std::uint64_t wrong = 0;
  std::uint64_t value = 0;
  const auto looked_up = map->Lookup(BytesOf(wrong), WritableBytesOf(value));
  ASSERT_FALSE(looked_up);
  EXPECT_THAT(looked_up.error().message(), HasSubstr("map counts: lookup: key has 8 bytes, expected 4"));
  const std::uint32_t key = 0;
  const auto updated = map->Update(BytesOf(key), BytesOf(key), UpdateMode::kAny);
  ASSERT_FALSE(updated);
  EXPECT_THAT(updated.error().message(), HasSubstr("value has 4 bytes, expected 8"));
}

TEST_F(UserspaceMapTest, AFrozenMapIsWrittenByProgramsOnly) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 8, 1));
  const std::uint32_t key = 0;
  const std::uint64_t value = 1;
  ASSERT_TRUE(map->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny));
  ASSERT_TRUE(map->Freeze());
  EXPECT_EQ(map->Freeze().error().sys_errno(), EPERM);
  EXPECT_EQ(map->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny).error().sys_errno(), EPERM);
  InProcess(*map, [&](runtime::MapView& view) { EXPECT_EQ(view.ops->update(view, &key, &value, 0, 0), 0); });
}

TEST_F(UserspaceMapTest, AccessFlagsBindUserSpace) {
  auto read_only = MakeMap(Spec(MapType::kHash, 4, 8, 1, map_flags::kReadOnly));
  auto write_only = MakeMap(Spec(MapType::kHash, 4, 8, 1, map_flags::kWriteOnly));
  const std::uint32_t key = 0;
  std::uint64_t value = 1;
  EXPECT_EQ(read_only->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny).error().sys_errno(), EPERM);
  EXPECT_EQ(read_only->Delete(BytesOf(key)).error().sys_errno(), EPERM);
  EXPECT_FALSE(*read_only->Lookup(BytesOf(key), WritableBytesOf(value)));
  EXPECT_TRUE(write_only->Update(BytesOf(key), BytesOf(value), UpdateMode::kAny));
  EXPECT_EQ(write_only->Lookup(BytesOf(key), WritableBytesOf(value)).error().sys_errno(), EPERM);
}

TEST_F(UserspaceMapTest, MemoryIsTheValuesThemselves) {
  auto map = MakeMap(Spec(MapType::kArray, 4, 12, 3, map_flags::kMmapable));
  {
    auto memory = map->Memory().value();
    ASSERT_EQ(memory->bytes().size(), 48U);
    memory->bytes()[16] = std::byte{9};
    EXPECT_EQ(map->Freeze().error().sys_errno(), EBUSY) << "somebody may still write";
  }
  std::array<std::byte, 12> value{};
  const std::uint32_t key = 1;
  ASSERT_TRUE(*map->Lookup(BytesOf(key), value));
  EXPECT_EQ(value[0], std::byte{9});
  ASSERT_TRUE(map->Freeze());
  EXPECT_TRUE(map->Memory().value()->is_read_only());
  EXPECT_EQ(MakeMap(Spec(MapType::kArray, 4, 8, 1))->Memory().error().code(), ErrorCode::kNotSupported);
}

TEST_F(UserspaceMapTest, RingBuffersHaveNoElements) {
  auto map = MakeMap(Spec(MapType::kRingBuf, 0, 0, 4096));
  EXPECT_EQ(map->Lookup({}, {}).error().code(), ErrorCode::kNotSupported);
  EXPECT_EQ(map->Update({}, {}, UpdateMode::kAny).error().sys_errno(), 524);
  EXPECT_EQ(MakeMap(Spec(MapType::kHash, 4, 8, 1))->Ring().error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(UserspaceMapTest, ARingsDescriptorIsReadableWhileThereIsData) {
  auto map = MakeMap(Spec(MapType::kRingBuf, 0, 0, 4096));
  auto ring = map->Ring().value();
  const int fd = ring->poll_descriptor();
  EXPECT_FALSE(IsReadable(fd, 0));
  InProcess(*map, [&](runtime::MapView& view) {
    for (int round = 0; round < 50; ++round) {
      ASSERT_EQ(runtime::OutputRecord(view, "x", 1, 0), 0);
      ASSERT_TRUE(IsReadable(fd, 5000)) << round;
      ring->Rearm();
      ASSERT_TRUE(IsReadable(fd, 0)) << "nothing was consumed";
      Skip(*ring);
      ring->Rearm();
      ASSERT_FALSE(IsReadable(fd, 0)) << round;
    }
  });
}

TEST_F(UserspaceMapTest, NoWakeupIsLost) {
  auto map = MakeMap(Spec(MapType::kRingBuf, 0, 0, 1 << 16));
  auto ring = map->Ring().value();
  constexpr std::uint64_t kRecords = 20000;
  InProcess(*map, [&](runtime::MapView& view) {
    std::thread producer([&] {
      for (std::uint64_t i = 0; i < kRecords; ++i) {
        while (runtime::OutputRecord(view, &i, sizeof(i), 0) != 0) std::this_thread::yield();
        if (i % 100 == 0) std::this_thread::yield();
      }
    });
    while (*ring->consumer_position() != kRecords * 16) {
      if (!IsReadable(ring->poll_descriptor(), 5000)) {
        ADD_FAILURE() << "not woken at " << *ring->consumer_position() / 16;
        Skip(*ring);
      }
      const std::uint64_t end = __atomic_load_n(ring->producer_position(), __ATOMIC_ACQUIRE);
      while (*ring->consumer_position() != end) {
        const auto* word =
            reinterpret_cast<const std::uint32_t*>(ring->data() + *ring->consumer_position() % ring->size_bytes());
        if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & runtime::kRecordBusy) != 0) break;
        __atomic_store_n(ring->consumer_position(), *ring->consumer_position() + 16, __ATOMIC_RELEASE);
      }
      ring->Rearm();
    }
    producer.join();
  });
}

TEST_F(UserspaceMapTest, ARecordOfAKilledProducerDoesNotHoldTheReader) {
  auto map = MakeMap(Spec(MapType::kRingBuf, 0, 0, 4096));
  auto ring = map->Ring().value();
  InProcess(*map, [&](runtime::MapView& view) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      runtime::ReserveRecord(view, 8);
      ::kill(::getpid(), SIGKILL);
    }
    siginfo_t ended;
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(IsReadable(ring->poll_descriptor(), 5000));
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    std::uint32_t word = 0;
    std::memcpy(&word, ring->data(), sizeof(word));
    EXPECT_EQ(word, 8 | runtime::kRecordDiscarded);
  });
}

TEST_F(UserspaceMapTest, DroppedRecordsAreCounted) {
  auto map = MakeMap(Spec(MapType::kRingBuf, 0, 0, 4096));
  auto ring = map->Ring().value();
  InProcess(*map, [&](runtime::MapView& view) {
    EXPECT_NE(runtime::ReserveRecord(view, 4000), nullptr);
    EXPECT_EQ(
        runtime::OutputRecord(
            view, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789", 90, 0),
        -EAGAIN);
  });
  EXPECT_EQ(ring->dropped(), 1U);
}

}  // namespace
}  // namespace strata
