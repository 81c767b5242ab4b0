// What a process makes of the ids that it finds in maps.
#include "strata/backend/userspace/runtime/resolved_objects.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "session_fixture.h"
#include "strata/backend/userspace/runtime/session_view.h"
#include "strata/isa/instruction.h"

namespace strata::runtime {
namespace {

using isa::Instruction;

// Another process of the session, so to speak: it has nothing open but the map that holds the others.
class ResolvedObjectsTest : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    Reason reason;
    ASSERT_EQ(OpenProcess(folder().c_str(), &other_, &reason), 0) << reason.text;
  }
  void TearDown() override {
    CloseProcess(other_);
    RuntimeTest::TearDown();
  }
  Process& other() { return *other_; }

  MapView& MakeOuter(MapType type, const InnerMap& inner, std::uint32_t max_entries = 4) {
    MapAttributes attributes;
    attributes.type = type;
    attributes.key_size = attributes.value_size = 4;
    attributes.max_entries = max_entries;
    attributes.inner = inner;
    return MakeMap(attributes);
  }
  MapView& MakeInner(std::uint32_t max_entries = 2) { return MakeMap(MapType::kArray, 4, 8, max_entries); }
  MapView& InOther(const MapView& map) {
    MapView* view = nullptr;
    EXPECT_EQ(OpenMapById(*other_, folder_fd(), map.id, &view, nullptr), 0);
    return *view;
  }
  static void Put(MapView& map, std::uint32_t key, std::uint32_t id) {
    ASSERT_EQ(map.ops->copy_in(map, &key, &id, 0), 0);
  }
  // The lock as a thread of this process holds it: the calling one, or another.
  OwnerWord HeldBy(std::uint32_t other_thread) {
    constexpr int kTagShift = 44;
    const OwnerWord owner = CurrentOwner(other()) & ((OwnerWord{1} << kTagShift) - 1);
    return (owner + other_thread) | (other().fork_page->generation << kTagShift);
  }
  static MapView* Find(MapView& map, std::uint32_t key) {
    return static_cast<MapView*>(map.ops->lookup(map, &key, kNoSlot));
  }
  static std::uint64_t Failures(const MapView& map) { return map.header->dropped; }

  // A program of instructions alone.
  void PublishProgram(std::uint32_t id, ProgramType type, std::vector<Instruction> code, const MapView* array) {
    ProgramHeader header{};
    header.magic = static_cast<std::uint32_t>(FileMagic::kProgram);
    header.version = kLayoutVersion;
    header.image_abi = kImageAbi;
    header.id = id;
    header.type = type;
    header.flags = program_flags::kInterpreted;
    header.instructions_offset = sizeof(header);
    header.instruction_count = static_cast<std::uint32_t>(code.size());
    header.image_offset = header.relocations_offset = header.instructions_offset;
    header.maps_offset = header.instructions_offset + header.instruction_count * 8;
    header.map_count = array != nullptr ? 1 : 0;
    std::vector<std::byte> bytes(header.maps_offset + header.map_count * sizeof(ProgramMap));
    header.file_size = bytes.size();
    std::memcpy(bytes.data(), &header, sizeof(header));
    std::memcpy(bytes.data() + header.instructions_offset, code.data(), code.size() * 8);
    if (array != nullptr) {
      const ProgramMap map{array->id,    array->type,         array->key_size,   array->value_size, array->max_entries,
                           array->flags, array->value_stride, array->slot_count, array->slot_stride};
      std::memcpy(bytes.data() + header.maps_offset, &map, sizeof(map));
    }
    WriteFile("prog-" + std::to_string(id), bytes);
  }
  // r2 = array; r3 = index; tail call; r0 = 1; exit
  static std::vector<Instruction> TailCallTo(std::int32_t index) {
    constexpr auto kMapIndex = static_cast<std::uint8_t>(isa::PseudoLoad::kMapIndex);
    return {{0x18, 2, kMapIndex, 0, 0}, {0, 0, 0, 0, 0},    {0xb7, 3, 0, 0, index},
            {0x85, 0, 0, 0, 12},        {0xb7, 0, 0, 0, 1}, {0x95, 0, 0, 0, 0}};
  }
  static std::vector<Instruction> Return(std::int32_t value) { return {{0xb7, 0, 0, 0, value}, {0x95, 0, 0, 0, 0}}; }

 private:
  Process* other_ = nullptr;
};

TEST_F(ResolvedObjectsTest, MapsAreOpenedWhenTheyAreMet) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  EXPECT_EQ(Find(theirs, 1), nullptr);
  Put(outer, 1, inner.id);
  MapView* found = Find(theirs, 1);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->id, inner.id);
  EXPECT_EQ(found->process, &other());
  EXPECT_EQ(Find(theirs, 1), found);
  EXPECT_EQ(found->references, 1U) << "one for all finds";
}

TEST_F(ResolvedObjectsTest, WhatIsNotThereIsTriedOnce) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kHashOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 7, 4000);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Find(theirs, 7), nullptr);
  EXPECT_EQ(Failures(outer), 1U);
  Put(outer, 7, inner.id);
  EXPECT_NE(Find(theirs, 7), nullptr);
}

TEST_F(ResolvedObjectsTest, OnlyMapsLikeTheTemplate) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  const MapView* others[] = {&MakeInner(3), &MakeMap(MapType::kArray, 4, 16, 2), &MakeMap(MapType::kHash, 4, 8, 2),
                             &outer};
  for (const MapView* map : others) {
    Put(outer, 0, map->id);
    EXPECT_EQ(Find(theirs, 0), nullptr) << map->id;
  }
  EXPECT_EQ(Failures(outer), 4U);
}

TEST_F(ResolvedObjectsTest, ForgottenObjectsAreClosedAndOpenedAgain) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 0, inner.id);
  ASSERT_NE(Find(theirs, 0), nullptr);
  ForgetResolved(other());
  EXPECT_EQ(other().maps->id, inner.id) << "a run may still be inside";
  ReleaseForgotten(other());
  EXPECT_EQ(other().maps->id, outer.id);
  EXPECT_NE(Find(theirs, 0), nullptr);
}

TEST_F(ResolvedObjectsTest, WhatIsMetBetweenForgettingAndReleasingStays) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 0, inner.id);
  MapView* found = Find(theirs, 0);
  ForgetResolved(other());
  EXPECT_EQ(Find(theirs, 0), found);
  ReleaseForgotten(other());
  EXPECT_EQ(Find(theirs, 0), found);
  EXPECT_EQ(found->references, 1U);
}

TEST_F(ResolvedObjectsTest, ThreadsFindOneViewWhileOthersReplaceMaps) {
  MapView& inner = MakeInner();
  MapView& second = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 0, inner.id);
  std::atomic<bool> is_done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!is_done) {
        const MapView* found = Find(theirs, 0);
        if (found != nullptr && found->id != inner.id && found->id != second.id) ++wrong;
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) Put(outer, 0, i % 2 == 0 ? second.id : inner.id);
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Failures(outer), 0U);
  EXPECT_EQ(Find(theirs, 0)->id, inner.id);
}

TEST_F(ResolvedObjectsTest, AForkedChildIsNotHeldUpByItsParentsThread) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 0, inner.id);
  // As if another thread of the parent were just opening something.
  other().objects_lock = HeldBy(1);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(Find(theirs, 0) != nullptr ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  other().objects_lock = 0;
}

TEST_F(ResolvedObjectsTest, ARunThatInterruptedTheHolderOfTheLockFindsNothing) {
  MapView& inner = MakeInner();
  MapView& outer = MakeOuter(MapType::kArrayOfMaps, AsInnerMap(inner));
  MapView& theirs = InOther(outer);
  Put(outer, 0, inner.id);
  other().objects_lock = HeldBy(0);
  EXPECT_EQ(Find(theirs, 0), nullptr);
  other().objects_lock = 0;
  EXPECT_NE(Find(theirs, 0), nullptr) << "and it is not remembered";
}

TEST_F(ResolvedObjectsTest, TailCallTargetsAreOpenedWhenTheyAreMet) {
  MapView& array = MakeMap(MapType::kProgArray, 4, 4, 4);
  PublishProgram(100, ProgramType::kKprobe, TailCallTo(2), &array);
  PublishProgram(101, ProgramType::kKprobe, Return(7), nullptr);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(InstantiateProgram(other(), folder_fd(), 100, &program, nullptr), 0);
  const auto run = [&] {
    RunContext context;
    const std::uint64_t result = RunProgram(*program, context);
    return (context.flags & run_flags::kMissed) != 0 ? 1000 + result : result;
  };
  EXPECT_EQ(run(), 1U);
  Put(array, 2, 101);
  EXPECT_EQ(run(), 7U);
  Put(array, 2, 999);
  EXPECT_EQ(run(), 1001U) << "no such program: the run goes on, and counts as missed";
  EXPECT_EQ(run(), 1001U);
  EXPECT_EQ(Failures(array), 1U);
  Put(array, 2, 101);
  EXPECT_EQ(run(), 7U);
  ReleaseProgram(program);
}

TEST_F(ResolvedObjectsTest, ProgramsOfAnotherTypeAreNotEntered) {
  MapView& array = MakeMap(MapType::kProgArray, 4, 4, 4);
  PublishProgram(100, ProgramType::kKprobe, TailCallTo(2), &array);
  PublishProgram(101, ProgramType::kXdp, Return(7), nullptr);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(InstantiateProgram(other(), folder_fd(), 100, &program, nullptr), 0);
  Put(array, 2, 101);
  RunContext context;
  EXPECT_EQ(RunProgram(*program, context), 1U);
  EXPECT_NE(context.flags & run_flags::kMissed, 0U);
  ReleaseProgram(program);
}

TEST_F(ResolvedObjectsTest, ProgramsThatCallOneAnotherAreLetGo) {
  MapView& array = MakeMap(MapType::kProgArray, 4, 4, 4);
  PublishProgram(100, ProgramType::kKprobe, TailCallTo(2), &array);
  Put(array, 2, 100);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(InstantiateProgram(other(), folder_fd(), 100, &program, nullptr), 0);
  RunContext context;
  EXPECT_EQ(RunProgram(*program, context), 1U);
  EXPECT_EQ(context.tail_calls_left, 0U);
  ReleaseProgram(program);
  EXPECT_NE(other().programs, nullptr);
  ForgetResolved(other());
  ReleaseForgotten(other());
  EXPECT_EQ(other().programs, nullptr);
  EXPECT_EQ(other().maps, nullptr);
}

}  // namespace
}  // namespace strata::runtime
