#include "strata/backend/userspace/runtime/program_instance.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "session_fixture.h"
#include "strata/isa/instruction.h"

namespace strata::runtime {
namespace {

// mov eax, 42; ret, and eight bytes for a relocation
constexpr std::uint8_t kReturn42[] = {0xb8, 42, 0, 0, 0, 0xc3, 0, 0};
// mov rax, imm64 (relocated at 2); ret
constexpr std::uint8_t kReturnImmediate[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90};

struct ProgramSource {
  std::vector<isa::Instruction> instructions;
  std::vector<std::uint8_t> image;
  std::vector<ImageRelocation> relocations;
  std::vector<ProgramMap> maps;
  std::uint32_t flags = 0;
};

template <typename T>
std::uint32_t Append(std::vector<std::byte>* bytes, const std::vector<T>& items) {
  bytes->resize((bytes->size() + 7) / 8 * 8);
  const auto offset = static_cast<std::uint32_t>(bytes->size());
  const auto added = std::as_bytes(std::span(items));
  const std::size_t start = bytes->size();
  bytes->resize(start + added.size());
  std::copy(added.begin(), added.end(), bytes->begin() + static_cast<std::ptrdiff_t>(start));
  return offset;
}

class ProgramInstanceTest : public RuntimeTest {
 protected:
  static std::vector<std::byte> MakeFile(std::uint32_t id, const ProgramSource& source) {
    std::vector<std::byte> bytes(sizeof(ProgramHeader));
    ProgramHeader header{};
    header.magic = static_cast<std::uint32_t>(FileMagic::kProgram);
    header.version = kLayoutVersion;
    header.image_abi = kImageAbi;
    header.id = id;
    header.type = ProgramType::kKprobe;
    header.flags = source.flags;
    header.instructions_offset = Append(&bytes, source.instructions);
    header.instruction_count = static_cast<std::uint32_t>(source.instructions.size());
    header.image_offset = Append(&bytes, source.image);
    header.image_size = static_cast<std::uint32_t>(source.image.size());
    header.relocations_offset = Append(&bytes, source.relocations);
    header.relocation_count = static_cast<std::uint32_t>(source.relocations.size());
    header.maps_offset = Append(&bytes, source.maps);
    header.map_count = static_cast<std::uint32_t>(source.maps.size());
    header.file_size = bytes.size();
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
  }
  void Publish(std::uint32_t id, const ProgramSource& source, unsigned mode = 0600) {
    WriteFile("prog-" + std::to_string(id), MakeFile(id, source), mode);
  }
  long Instantiate(std::uint32_t id, ProgramInstance** out) {
    return InstantiateProgram(process(), folder_fd(), id, out, &reason_);
  }
  long Refusal(std::uint32_t id) {
    ProgramInstance* program = nullptr;
    const long error = Instantiate(id, &program);
    if (error == 0) ReleaseProgram(program);
    return error;
  }
  static ProgramMap AsCompiled(const MapView& map) {
    return {map.id,    map.type,         map.key_size,   map.value_size, map.max_entries,
            map.flags, map.value_stride, map.slot_count, map.slot_stride};
  }
  static ProgramSource Returning(const ImageRelocation& relocation) {
    ProgramSource source;
    source.image.assign(std::begin(kReturnImmediate), std::end(kReturnImmediate));
    source.relocations = {relocation};
    return source;
  }

  Reason reason_;
};

TEST_F(ProgramInstanceTest, RunsAnImage) {
  ProgramSource source;
  source.image.assign(std::begin(kReturn42), std::end(kReturn42));
  Publish(5, source);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(Instantiate(5, &program), 0) << reason_.text;
  RunContext run;
  EXPECT_EQ(RunProgram(*program, run), 42U);
  EXPECT_EQ(run.slot, kNoSlot);
  ProgramInstance* again = nullptr;
  ASSERT_EQ(Instantiate(5, &again), 0);
  EXPECT_EQ(again, program);
  ReleaseProgram(again);
  ReleaseProgram(program);
  EXPECT_EQ(process().programs, nullptr);
}

TEST_F(ProgramInstanceTest, RunsInstructionsWhereThereIsNoImage) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 2);
  ProgramSource source;
  source.flags = program_flags::kInterpreted;
  source.maps = {AsCompiled(map)};
  // r1 = &map's data + 8; r0 = *(u64 *)r1; exit
  isa::Instruction load{0x18, 1, static_cast<std::uint8_t>(isa::PseudoLoad::kMapIndexValue), 0, 0};
  isa::Instruction high{0, 0, 0, 0, 8};
  source.instructions = {load, high, {0x79, 0, 1, 0, 0}, {0x95, 0, 0, 0, 0}};
  Publish(5, source);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(Instantiate(5, &program), 0) << reason_.text;
  const std::uint32_t index = 1;
  const std::uint64_t value = 4711;
  ASSERT_EQ(map.ops->update(map, &index, &value, 0, 0), 0);
  RunContext run;
  EXPECT_EQ(RunProgram(*program, run), 4711U);
  ReleaseProgram(program);
}

TEST_F(ProgramInstanceTest, RelocationsNameThisProcessesAddresses) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 2);
  const auto value_of = [&](std::uint32_t id, ImageRelocationKind kind, std::uint32_t index, std::int64_t addend) {
    ProgramSource source = Returning({2, kind, 0, index, 0, addend});
    source.maps = {AsCompiled(map)};
    Publish(id, source);
    ProgramInstance* program = nullptr;
    EXPECT_EQ(Instantiate(id, &program), 0) << reason_.text;
    RunContext run;
    return RunProgram(*program, run);
  };
  EXPECT_EQ(value_of(10, ImageRelocationKind::kMapView, 0, 0), reinterpret_cast<std::uint64_t>(&map));
  EXPECT_EQ(value_of(11, ImageRelocationKind::kMapData, 0, 8), reinterpret_cast<std::uint64_t>(map.data) + 8);
  EXPECT_EQ(value_of(12, ImageRelocationKind::kMapTable, 0, 0), reinterpret_cast<std::uint64_t>(map.table));
  EXPECT_NE(value_of(13, ImageRelocationKind::kHelper, 5, 0), 0U);
  ProgramInstance* program = nullptr;
  const std::uint64_t inside = value_of(14, ImageRelocationKind::kImage, 0, 4);
  ASSERT_EQ(Instantiate(14, &program), 0);
  EXPECT_EQ(inside, reinterpret_cast<std::uint64_t>(program->image) + 4);
}

TEST_F(ProgramInstanceTest, CodeIsNeverWritableAndExecutableAtOnce) {
  ProgramSource source;
  source.image.assign(std::begin(kReturn42), std::end(kReturn42));
  Publish(5, source);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(Instantiate(5, &program), 0);
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  ASSERT_NE(maps, nullptr);
  char line[512];
  std::string permissions;
  while (std::fgets(line, sizeof(line), maps) != nullptr) {
    unsigned long start = 0;
    char flags[8];
    if (std::sscanf(line, "%lx-%*x %7s", &start, flags) == 2 &&
        start == reinterpret_cast<unsigned long>(program->image))
      permissions = flags;
  }
  std::fclose(maps);
  EXPECT_EQ(permissions, "r-xp");
}

TEST_F(ProgramInstanceTest, RefusesBadRelocations) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 2);
  std::uint32_t id = 100;
  const auto refusal_of = [&](const ImageRelocation& relocation) {
    ProgramSource source = Returning(relocation);
    source.maps = {AsCompiled(map)};
    Publish(++id, source);
    return Refusal(id);
  };
  EXPECT_EQ(refusal_of({8, ImageRelocationKind::kImage, 0, 0, 0, 0}), 0);
  EXPECT_EQ(refusal_of({9, ImageRelocationKind::kImage, 0, 0, 0, 0}), -EBADMSG);
  EXPECT_EQ(refusal_of({0xffffffff, ImageRelocationKind::kImage, 0, 0, 0, 0}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, ImageRelocationKind::kImage, 0, 0, 0, -1}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, ImageRelocationKind::kImage, 0, 0, 0, 17}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, ImageRelocationKind::kMapView, 0, 1, 0, 0}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, ImageRelocationKind::kMapData, 0, 0, 0, 4097}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, static_cast<ImageRelocationKind>(99), 0, 0, 0, 0}), -EBADMSG);
  EXPECT_EQ(refusal_of({0, ImageRelocationKind::kHelper, 0, 99999, 0, 0}), -ENOSYS);
  EXPECT_STREQ(reason_.text, ("program " + std::to_string(id) + ": helper 99999 is unknown to this runtime").c_str());
}

TEST_F(ProgramInstanceTest, RefusesAMapThatDiffersFromWhatWasCompiled) {
  MapView& map = MakeMap(MapType::kArray, 4, 8, 2);
  std::uint32_t id = 200;
  const auto refusal_with = [&](auto&& change) {
    ProgramSource source;
    source.image.assign(std::begin(kReturn42), std::end(kReturn42));
    source.maps = {AsCompiled(map)};
    change(source.maps[0]);
    Publish(++id, source);
    return Refusal(id);
  };
  EXPECT_EQ(refusal_with([](ProgramMap&) {}), 0);
  EXPECT_EQ(refusal_with([](ProgramMap& compiled) { compiled.max_entries = 3; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramMap& compiled) { compiled.value_size = 16; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramMap& compiled) { compiled.type = MapType::kHash; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramMap& compiled) { compiled.slot_count = 2; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramMap& compiled) { compiled.id = 999; }), -ENOENT);
}

TEST_F(ProgramInstanceTest, RefusesTablesOutsideOfTheFile) {
  ProgramSource source;
  source.image.assign(std::begin(kReturn42), std::end(kReturn42));
  const std::vector<std::byte> good = MakeFile(5, source);
  const auto refusal_with = [&](auto&& change) {
    std::vector<std::byte> bytes = good;
    change(*reinterpret_cast<ProgramHeader*>(bytes.data()));
    WriteFile("prog-5", bytes);
    return Refusal(5);
  };
  EXPECT_EQ(refusal_with([](ProgramHeader&) {}), 0);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.magic ^= 1; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.version += 1; }), -EPROTO);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.image_abi = 99; }), -EPROTO);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.id = 6; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.file_size = 1; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.image_size = 0x7fffffff; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.image_offset = 0xfffffff8; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.entry_offset = header.image_size; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.callback_offset = 0xffff; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.relocation_count = 0x0aaaaaab; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.map_count = 5000; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.instruction_count = 0xffffffff; }), -EBADMSG);
  EXPECT_EQ(refusal_with([](ProgramHeader& header) { header.flags = program_flags::kInterpreted; }), -EBADMSG);
}

TEST_F(ProgramInstanceTest, RefusesEveryTruncation) {
  ProgramSource source;
  source.image.assign(std::begin(kReturn42), std::end(kReturn42));
  const std::vector<std::byte> good = MakeFile(5, source);
  for (std::size_t size = 0; size < good.size(); size += 7) {
    WriteFile("prog-5", std::span(good).first(size));
    EXPECT_EQ(Refusal(5), -EBADMSG) << size;
  }
}

TEST_F(ProgramInstanceTest, RefusesCodeThatOthersMayWrite) {
  ProgramSource source;
  source.image.assign(std::begin(kReturn42), std::end(kReturn42));
  Publish(5, source, 0602);
  EXPECT_EQ(Refusal(5), -EACCES);
  Publish(6, source);
  ASSERT_EQ(::chmod(folder().c_str(), 0770), 0);
  EXPECT_EQ(Refusal(6), -EACCES);
  ASSERT_EQ(::chmod(folder().c_str(), 0700), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::fchownat(folder_fd(), "prog-6", 12345, 12345, 0), 0);
    EXPECT_EQ(Refusal(6), -EACCES);
  }
}

TEST_F(ProgramInstanceTest, ARunThatUsesASlotHoldsItMeanwhile) {
  ProgramSource source;
  source.flags = program_flags::kUsesSlot;
  // mov eax, [rsi + 8]; ret: the run's slot
  source.image = {0x8b, 0x46, 0x08, 0xc3, 0x90, 0x90, 0x90, 0x90};
  Publish(5, source);
  ProgramInstance* program = nullptr;
  ASSERT_EQ(Instantiate(5, &program), 0);
  RunContext run;
  EXPECT_LT(RunProgram(*program, run), kTestSlots);
  for (std::uint32_t i = 0; i < kTestSlots; ++i) EXPECT_EQ(process().slots[i].owner, 0U) << "released afterwards";
  for (std::uint32_t i = 0; i < kTestSlots; ++i) LeaseSlot(process());
  RunContext missed;
  EXPECT_EQ(RunProgram(*program, missed), 0U);
  EXPECT_EQ(missed.flags, run_flags::kMissed);
}

}  // namespace
}  // namespace strata::runtime
