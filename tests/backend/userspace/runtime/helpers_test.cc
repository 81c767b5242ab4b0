#include "strata/backend/userspace/runtime/helpers/table.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <string>
#include <thread>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/ring_buffer.h"

namespace strata::runtime {
namespace {

TEST(HelperTable, IsSortedUniqueAndComplete) {
  std::set<std::string> names;
  std::uint32_t last = 0;
  for (const HelperRow& row : Helpers()) {
    EXPECT_GT(row.id, last) << row.name;
    last = row.id;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(row.function, nullptr) << row.name;
    EXPECT_EQ(FindHelperRow(row.id), &row);
    bool has_ended = false;
    for (const ArgumentKind argument : row.arguments) {
      EXPECT_FALSE(has_ended && argument != ArgumentKind::kNone) << row.name << ": a hole";
      has_ended |= argument == ArgumentKind::kNone;
    }
  }
  EXPECT_FALSE(IsHelperKnown(0));
  EXPECT_FALSE(IsHelperKnown(9)) << "skb_store_bytes: there are no packets here";
  EXPECT_EQ(FindHelper(0x7fffffff), nullptr);
}

TEST(HelperTable, MemoryArgumentsAreFollowedByTheirSize) {
  for (const HelperRow& row : Helpers()) {
    for (int i = 0; i < 5; ++i) {
      const ArgumentKind argument = row.arguments[i];
      if (argument != ArgumentKind::kMemory && argument != ArgumentKind::kMemoryOrNull &&
          argument != ArgumentKind::kUninitMemory)
        continue;
      ASSERT_LT(i, 4) << row.name;
      const ArgumentKind next = row.arguments[i + 1];
      EXPECT_TRUE(next == ArgumentKind::kSize || next == ArgumentKind::kSizeOrZero) << row.name;
    }
  }
}

class HelpersTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    run_.process = &process();
  }
  template <typename... Arguments>
  std::int64_t Call(std::uint32_t id, Arguments... arguments) {
    std::uint64_t registers[5] = {Register(arguments)...};
    return static_cast<std::int64_t>(
        FindHelper(id)(registers[0], registers[1], registers[2], registers[3], registers[4], &run_));
  }
  template <typename T>
  static std::uint64_t Register(T value) {
    if constexpr (std::is_null_pointer_v<T>) {
      return 0;
    } else if constexpr (std::is_pointer_v<T>) {
      return reinterpret_cast<std::uint64_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  std::string Print(const char* format, std::vector<std::uint64_t> arguments, std::size_t room = 100) {
    std::string out(room, '?');
    const std::int64_t length = Call(165, out.data(), out.size(), format, arguments.data(), arguments.size() * 8);
    if (length < 0) return "error " + std::to_string(length);
    return std::string(out.c_str()) + "/" + std::to_string(length);
  }

  RunContext run_;
};

TEST_F(HelpersTest, MapsAreReachedThroughTheirViews) {
  MapView& map = MakeMap(MapType::kHash, 4, 8, 2);
  const std::uint32_t key = 5;
  const std::uint64_t value = 50;
  EXPECT_EQ(Call(1, &map, &key), 0);
  EXPECT_EQ(Call(2, &map, &key, &value, 0), 0);
  ASSERT_NE(Call(1, &map, &key), 0);
  EXPECT_EQ(*reinterpret_cast<std::uint64_t*>(Call(1, &map, &key)), 50U);
  EXPECT_EQ(Call(2, &map, &key, &value, 1), -EEXIST);
  EXPECT_EQ(Call(3, &map, &key), 0);
  EXPECT_EQ(Call(3, &map, &key), -ENOENT);
}

TEST_F(HelpersTest, ProgramsDoNotWriteReadOnlyMaps) {
  MapView& map = MakeMap(MapType::kHash, 4, 8, 2, map_flags::kReadOnlyProgram);
  const std::uint32_t key = 5;
  const std::uint64_t value = 50;
  EXPECT_EQ(Call(2, &map, &key, &value, 0), -EPERM);
  EXPECT_EQ(Call(3, &map, &key), -EPERM);
}

TEST_F(HelpersTest, PerCpuLookupLeasesASlotWhenTheRunHasNone) {
  MapView& map = MakeMap(MapType::kPerCpuArray, 4, 8, 1);
  const std::uint32_t key = 0;
  ASSERT_NE(Call(1, &map, &key), 0);
  ASSERT_LT(run_.slot, kTestSlots);
  EXPECT_EQ(Call(8), run_.slot);
  EXPECT_EQ(Call(195, &map, &key, run_.slot), Call(1, &map, &key));
  EXPECT_EQ(Call(195, &map, &key, kTestSlots), 0);
  EXPECT_EQ(process().slots[run_.slot].owner, CurrentOwner(process()));
}

TEST_F(HelpersTest, ProbeReadGivesFaultAndZeros) {
  const char text[] = "readable";
  char out[16];
  EXPECT_EQ(Call(112, out, sizeof(text), text), 0);
  EXPECT_STREQ(out, "readable");
  std::memset(out, 'x', sizeof(out));
  for (const std::uint64_t bad :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffff800000000000}, ~std::uint64_t{0}}) {
    EXPECT_EQ(Call(112, out, 8, bad), -EFAULT);
    EXPECT_EQ(out[7], 0);
    EXPECT_EQ(out[8], 'x');
  }
  EXPECT_EQ(Call(4, out, 0, std::uint64_t{0}), 0);
  EXPECT_EQ(Call(148, out, 8, std::uint64_t{16}), -EFAULT);
}

TEST_F(HelpersTest, ProbeReadOverTheEndOfAPageFaults) {
  void* pages = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(::mprotect(static_cast<char*>(pages) + 4096, 4096, PROT_NONE), 0);
  char* end = static_cast<char*>(pages) + 4096;
  char out[64];
  EXPECT_EQ(Call(112, out, 16, end - 16), 0);
  EXPECT_EQ(Call(112, out, 17, end - 16), -EFAULT);
  std::memcpy(end - 4, "abc", 4);
  EXPECT_EQ(Call(114, out, 64, end - 4), 4) << "a string may end with its page";
  EXPECT_STREQ(out, "abc");
  end[-1] = 'd';
  EXPECT_EQ(Call(114, out, 64, end - 4), -EFAULT);
  ::munmap(pages, 8192);
}

TEST_F(HelpersTest, ProbeReadStringTerminatesAndCounts) {
  char out[8];
  EXPECT_EQ(Call(45, out, 8, "abc"), 4);
  EXPECT_STREQ(out, "abc");
  EXPECT_EQ(Call(45, out, 8, "longer than that"), 8);
  EXPECT_STREQ(out, "longer ");
  EXPECT_EQ(Call(115, out, 1, "abc"), 1);
  EXPECT_STREQ(out, "");
  EXPECT_EQ(Call(115, out, 0, "abc"), 0);
}

TEST_F(HelpersTest, ClocksAgreeWithTheSystems) {
  const auto now = [](int clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  const std::pair<std::uint32_t, int> clocks[] = {
      {5, CLOCK_MONOTONIC}, {125, CLOCK_BOOTTIME}, {160, CLOCK_MONOTONIC_COARSE}, {208, CLOCK_TAI}};
  for (const auto& [helper, clock] : clocks) {
    const std::int64_t before = now(clock);
    const std::int64_t seen = Call(helper);
    EXPECT_GE(seen, before) << helper;
    EXPECT_LE(seen, now(clock)) << helper;
  }
  EXPECT_NE(process().clock.clock_gettime, nullptr) << "found in the vDSO";
  EXPECT_GT(Call(118), 0);
}

TEST_F(HelpersTest, IdsAreThoseOfTheThread) {
  EXPECT_EQ(Call(14), (std::int64_t{::getpid()} << 32) | ::gettid());
  EXPECT_EQ(Call(15), (std::int64_t{::getgid()} << 32) | ::getuid());
  char comm[16];
  std::thread([&] {
    ::prctl(PR_SET_NAME, "worker");
    EXPECT_EQ(Call(16, comm, 16), 0);
  }).join();
  EXPECT_STREQ(comm, "worker");
  EXPECT_EQ(Call(16, comm, 4), 0);
  EXPECT_EQ(std::strlen(comm), 3U);
}

TEST_F(HelpersTest, NamespaceIdsNeedTheRightNamespace) {
  std::uint32_t ids[2] = {1, 1};
  EXPECT_EQ(Call(120, process().namespace_device, process().namespace_inode, ids, 8), 0);
  EXPECT_EQ(ids[0], static_cast<std::uint32_t>(::gettid()));
  EXPECT_EQ(ids[1], static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(Call(120, process().namespace_device, 1, ids, 8), -EINVAL);
  EXPECT_EQ(ids[0], 0U);
}

TEST_F(HelpersTest, RandomNumbersDiffer) {
  std::set<std::int64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(Call(7));
  EXPECT_GT(seen.size(), 95U);
  EXPECT_LE(*seen.rbegin(), std::int64_t{0xffffffff});
}

TEST_F(HelpersTest, ContextOfTheRunIsPassedOn) {
  run_.cookie = 123;
  run_.function_address = 456;
  EXPECT_EQ(Call(174, nullptr), 123);
  EXPECT_EQ(Call(173, nullptr), 456);
}

TEST_F(HelpersTest, ArgumentsAndResultsAreThoseOfTheEvent) {
  std::uint64_t registers[21] = {};
  registers[10] = 77;
  registers[14] = 11;
  std::uint64_t value = 5;
  EXPECT_EQ(Call(183, nullptr, 0, &value), -EOPNOTSUPP) << "no event";
  EXPECT_EQ(Call(184, nullptr, &value), -EOPNOTSUPP);
  EXPECT_EQ(value, 5U);
  run_.context = registers;
  run_.event = ProbeEvent::kEntry;
  EXPECT_EQ(Call(183, nullptr, std::uint64_t{1} << 32, &value), 0) << "32 bits count";
  EXPECT_EQ(value, 11U);
  run_.event = ProbeEvent::kReturn;
  EXPECT_EQ(Call(184, nullptr, &value), 0);
  EXPECT_EQ(value, 77U);
  EXPECT_EQ(Call(183, nullptr, 6, &value), -EINVAL);
  EXPECT_EQ(Call(185, nullptr), 6);
}

TEST_F(HelpersTest, RingRecordsAreReservedSubmittedAndDiscarded) {
  MapView& ring = MakeMap(MapType::kRingBuf, 0, 0, 4096);
  auto* first = reinterpret_cast<char*>(Call(131, &ring, 8, 0));
  ASSERT_NE(first, nullptr);
  auto* second = reinterpret_cast<char*>(Call(131, &ring, 8, 0));
  Call(133, first, 0);
  Call(132, second, 0);
  EXPECT_EQ(Call(130, &ring, "abc", 3, 0), 0);
  EXPECT_EQ(Call(130, &ring, "abc", 3, 77), -EINVAL);
  EXPECT_EQ(Call(131, &ring, 8, 1), 0) << "reserve takes no flags";
  EXPECT_EQ(Call(134, &ring, 0), 48);
  MapView& array = MakeMap(MapType::kArray, 4, 8, 1);
  EXPECT_EQ(Call(131, &array, 8, 0), 0);
  EXPECT_EQ(Call(130, &array, "abc", 3, 0), -EINVAL);
}

TEST_F(HelpersTest, NumbersAreParsedAsTheKernelDoes) {
  std::int64_t value = 0;
  const auto parse = [&](std::uint32_t id, const std::string& text, std::uint64_t flags) {
    return Call(id, text.data(), text.size(), flags, &value);
  };
  EXPECT_EQ(parse(105, "  -42 rest", 10), 5);
  EXPECT_EQ(value, -42);
  EXPECT_EQ(parse(105, "0x1f", 0), 4);
  EXPECT_EQ(value, 31);
  EXPECT_EQ(parse(105, "0x1f", 16), 4);
  EXPECT_EQ(parse(105, "017", 0), 3);
  EXPECT_EQ(value, 15);
  EXPECT_EQ(parse(105, "0", 0), 1);
  EXPECT_EQ(value, 0);
  EXPECT_EQ(parse(105, "-9223372036854775808", 10), 20);
  EXPECT_EQ(value, INT64_MIN);
  EXPECT_EQ(parse(105, "9223372036854775808", 10), -ERANGE);
  EXPECT_EQ(parse(106, "18446744073709551615", 10), 20);
  EXPECT_EQ(parse(106, "18446744073709551616", 10), -ERANGE);
  EXPECT_EQ(parse(106, "-1", 10), -EINVAL);
  EXPECT_EQ(parse(105, "", 10), -EINVAL);
  EXPECT_EQ(parse(105, "   ", 10), -EINVAL);
  EXPECT_EQ(parse(105, "x", 10), -EINVAL);
  EXPECT_EQ(parse(105, "1", 7), -EINVAL);
  EXPECT_EQ(parse(105, "1", 32), -EINVAL);
}

TEST_F(HelpersTest, StringsAreCompared) {
  EXPECT_EQ(Call(182, "abc", 4, "abc"), 0);
  EXPECT_EQ(Call(182, "abd", 4, "abc"), 1);
  EXPECT_EQ(Call(182, "abb", 4, "abc"), -1);
  EXPECT_EQ(Call(182, "abX", 2, "abc"), 0);
}

TEST_F(HelpersTest, SnprintfSpeaksTheKernelsSubset) {
  EXPECT_EQ(Print("%d %u %x %X", {static_cast<std::uint64_t>(-5), 5, 0xbeef, 0xbeef}), "-5 5 beef BEEF/15");
  EXPECT_EQ(Print("%ld %lu %llx", {static_cast<std::uint64_t>(-5), ~0ULL, ~0ULL}),
            "-5 18446744073709551615 ffffffffffffffff/41");
  EXPECT_EQ(Print("[%5d][%-5d][%05d][%+d]", {42, 42, 42, 42}), "[   42][42   ][00042][+42]/27");
  EXPECT_EQ(Print("%s|%c|%%", {Register("text"), 'c'}), "text|c|%/9");
  EXPECT_EQ(Print("%pks %pus", {Register("k"), Register("u")}), "k u/4");
  EXPECT_EQ(Print("%px", {0x1234}), "0000000000001234/17");
  const unsigned char address[4] = {192, 168, 0, 1};
  EXPECT_EQ(Print("%pI4 %pi4", {Register(address), Register(address)}), "192.168.0.1 192.168.000.001/28");
  EXPECT_EQ(Print("%s", {0}), "/1") << "an unreadable string is empty";
}

TEST_F(HelpersTest, SnprintfCutsOffAndTellsTheWholeLength) {
  EXPECT_EQ(Print("%d", {123456}, 4), "123/7");
  EXPECT_EQ(Call(165, nullptr, 0, "%d", nullptr, 0), -EINVAL) << "an argument is missing";
  const std::uint64_t one = 1;
  EXPECT_EQ(Call(165, nullptr, 0, "%d", &one, 8), 2);
}

TEST_F(HelpersTest, SnprintfRefusesWhatTheKernelRefuses) {
  EXPECT_EQ(Print("%f", {1}), "error -22");
  EXPECT_EQ(Print("%", {1}), "error -22");
  EXPECT_EQ(Print("%d %d", {1}), "error -22");
  EXPECT_EQ(Print("%pI5", {1}), "error -22");
  EXPECT_EQ(Print("\x01", {}), "error -22");
  const std::uint64_t one = 1;
  char out[8];
  EXPECT_EQ(Call(165, out, 8, "%d", &one, 7), -EINVAL);
}

TEST_F(HelpersTest, TracePrintWritesARecordIntoTheLog) {
  MapView& log = MakeMap(MapType::kRingBuf, 0, 0, 4096);
  process().log = &log;
  const char format[] = "pid %d says %s";
  EXPECT_EQ(Call(6, format, sizeof(format), 7, "hello"), 16);
  TraceRecord record;
  std::memcpy(&record, RingData(log) + kRecordHeaderSize, sizeof(record));
  EXPECT_EQ(record.tid, static_cast<std::uint32_t>(::gettid()));
  EXPECT_EQ(record.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(record.time_ns, 0U);
  const auto* text = reinterpret_cast<const char*>(RingData(log) + kRecordHeaderSize + sizeof(record));
  EXPECT_EQ(std::string(text, 16), "pid 7 says hello");
  EXPECT_EQ(Call(6, "no end", 6), -EINVAL);
  const std::uint64_t arguments[] = {1, 2, 3, 4};
  EXPECT_EQ(Call(177, "%d%d%d%d", 9, arguments, 32), 4);
  process().log = nullptr;
  EXPECT_EQ(Call(6, "x", 2), 1) << "without a log the line goes nowhere";
}

std::uint64_t CountTo(std::uint64_t r1, std::uint64_t r2, std::uint64_t, std::uint64_t, std::uint64_t function,
                      RunContext*) {
  auto& sum = *reinterpret_cast<std::uint64_t*>(r2);
  ++sum;
  return r1 == function ? 1 : 0;  // stops in the round whose number is "the function"
}

TEST_F(HelpersTest, LoopCallsBackUntilToldToStop) {
  run_.callback = CountTo;
  std::uint64_t rounds = 0;
  EXPECT_EQ(Call(181, 10, 1000, &rounds, 0), 10);
  EXPECT_EQ(rounds, 10U);
  EXPECT_EQ(Call(181, 10, 3, &rounds, 0), 4);
  EXPECT_EQ(rounds, 14U);
  EXPECT_EQ(Call(181, 10, 3, &rounds, 1), -EINVAL);
  EXPECT_EQ(Call(181, (8 << 20) + 1, 3, &rounds, 0), -E2BIG);
  run_.budget = -1;
  EXPECT_EQ(Call(181, 10, 1000, &rounds, 0), 1) << "a run whose budget is used up ends";
}

std::uint64_t SumValues(std::uint64_t, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, std::uint64_t,
                        RunContext*) {
  *reinterpret_cast<std::uint64_t*>(r4) +=
      *reinterpret_cast<std::uint32_t*>(r2) * 1000 + *reinterpret_cast<std::uint64_t*>(r3);
  return 0;
}

TEST_F(HelpersTest, ForEachMapElementVisitsAll) {
  MapView& map = MakeMap(MapType::kHash, 4, 8, 10);
  for (std::uint32_t key = 1; key <= 3; ++key) {
    const std::uint64_t value = key;
    ASSERT_EQ(map.ops->update(map, &key, &value, 0, 0), 0);
  }
  run_.callback = SumValues;
  std::uint64_t sum = 0;
  EXPECT_EQ(Call(164, &map, 0, &sum, 0), 3);
  EXPECT_EQ(sum, 6006U);
  EXPECT_EQ(Call(164, &map, 0, &sum, 1), -EINVAL);
}

TEST_F(HelpersTest, SignalsGoToTheThreadOrTheProcess) {
  static volatile std::sig_atomic_t received;
  received = 0;
  const auto previous = std::signal(SIGUSR1, [](int) { received = received + 1; });
  EXPECT_EQ(Call(117, SIGUSR1), 0);
  while (received < 1) ::usleep(100);  // a sanitizer may hand it over later
  EXPECT_EQ(Call(109, SIGUSR1), 0);
  while (received < 2) ::usleep(100);
  EXPECT_EQ(received, 2);
  EXPECT_EQ(Call(109, 0), 0);
  EXPECT_EQ(Call(109, 65), -EINVAL);
  std::signal(SIGUSR1, previous);
}

}  // namespace
}  // namespace strata::runtime
