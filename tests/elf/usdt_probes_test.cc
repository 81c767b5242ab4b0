// The USDT probes of files that the tests write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "strata/elf/image.h"
#include "support/elf_writer.h"

namespace strata::elf {
namespace {

using strata::test::BytesOf;
using strata::test::ByteWriter;
using strata::test::ElfWriter;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kBase = 0x400000;   // of the segment with code, over the whole file
constexpr std::uint64_t kData = 0x7000000;  // of the writable one, over the same bytes

struct Note {
  std::uint64_t address = kBase + 0x10;
  std::uint64_t base = 0;
  std::uint64_t semaphore = 0;
  std::string texts = std::string("app\0request\0-4@%edi\0", 20);
  std::uint32_t type = 3;
  std::string owner = std::string("stapsdt\0", 8);
  std::uint32_t claimed_size = 0;  // when it shall differ from the description's
};

std::vector<std::byte> BytesOfNote(const Note& note) {
  ByteWriter description;
  description.Put(note.address).Put(note.base).Put(note.semaphore).Append(BytesOf(note.texts));
  ByteWriter bytes;
  const auto size = note.claimed_size != 0 ? note.claimed_size : static_cast<std::uint32_t>(description.size());
  bytes.Put(static_cast<std::uint32_t>(note.owner.size())).Put(size).Put(note.type).Append(BytesOf(note.owner));
  while (bytes.size() % 4 != 0) bytes.Put(std::uint8_t{0});
  bytes.Append(description.bytes());
  while (bytes.size() % 4 != 0) bytes.Put(std::uint8_t{0});
  return std::move(bytes.bytes());
}

Elf64_Phdr Segment(std::uint64_t address, std::uint32_t flags) {
  Elf64_Phdr header{};
  header.p_type = PT_LOAD;
  header.p_flags = flags;
  header.p_offset = 0;
  header.p_vaddr = address;
  header.p_filesz = 0x100;
  header.p_memsz = 0x200;
  return header;
}

ElfWriter FileOf(std::vector<std::byte> notes) {
  ElfWriter writer(ET_EXEC, EM_X86_64);
  writer.Segment(Segment(kBase, PF_R | PF_X)).Segment(Segment(kData, PF_R | PF_W));
  return writer.Section(".note.stapsdt", std::move(notes), {.type = SHT_NOTE, .flags = 0});
}

Result<std::vector<UsdtProbe>> ProbesOf(const std::vector<std::byte>& file) {
  char name[] = "/tmp/strata_usdt_XXXXXX";
  const int fd = ::mkstemp(name);
  EXPECT_EQ(::write(fd, file.data(), file.size()), static_cast<ssize_t>(file.size()));
  ::close(fd);
  auto image = Image::Open(name);
  ::unlink(name);
  if (!image) return std::move(image).error();
  return image->UsdtProbes();
}

Result<std::vector<UsdtProbe>> ProbesOf(const Note& note) { return ProbesOf(FileOf(BytesOfNote(note)).Bytes()); }

TEST(UsdtProbes, HaveTheirPlacesInTheFile) {
  const auto probes = ProbesOf(Note{.semaphore = kData + 0x20});
  ASSERT_TRUE(probes) << probes.error().message();
  ASSERT_EQ(probes->size(), 1U);
  const UsdtProbe expected = {.provider = "app",
                              .name = "request",
                              .arguments = "-4@%edi",
                              .address = kBase + 0x10,
                              .file_offset = 0x10,
                              .semaphore_address = kData + 0x20,
                              .semaphore_file_offset = 0x20};
  EXPECT_EQ(probes->front(), expected);
}

TEST(UsdtProbes, ManyNotesAmongOthers) {
  std::vector<std::byte> notes = BytesOfNote({});
  const auto append = [&](const Note& note) {
    const auto bytes = BytesOfNote(note);
    notes.insert(notes.end(), bytes.begin(), bytes.end());
  };
  append({.owner = std::string("GNU\0", 4)});
  append({.type = 1});
  append({.address = 0});  // the linker dropped its code
  append({.address = kBase + 0x11, .texts = std::string("app\0reply\0\0", 11)});
  const auto probes = ProbesOf(FileOf(notes).Bytes());
  ASSERT_TRUE(probes) << probes.error().message();
  ASSERT_EQ(probes->size(), 2U);
  EXPECT_EQ((*probes)[1].name, "reply");
  EXPECT_EQ((*probes)[1].arguments, "");
}

TEST(UsdtProbes, NoneInAFileWithoutNotes) {
  ElfWriter writer(ET_EXEC, EM_X86_64);
  writer.Segment(Segment(kBase, PF_R | PF_X));
  EXPECT_THAT(*ProbesOf(writer.Bytes()), IsEmpty());
}

// The writer's sections have address 0: the note was written when .stapsdt.base was at kBase.
TEST(UsdtProbes, MoveWithTheirBaseSection) {
  const Note note = {.address = 2 * kBase + 0x10, .base = kBase, .semaphore = kBase + kData + 0x20};
  auto writer = FileOf(BytesOfNote(note));
  writer.Section(".stapsdt.base", BytesOf("x"));
  const auto probes = ProbesOf(writer.Bytes());
  ASSERT_TRUE(probes) << probes.error().message();
  EXPECT_EQ(probes->front().file_offset, 0x10U);
  EXPECT_EQ(probes->front().semaphore_file_offset, 0x20U);
}

struct MalformedRow {
  const char* what;
  Note note;
  std::size_t cut = 0;  // bytes taken from the end
};

TEST(UsdtProbes, MalformedNotesNameSectionAndOffset) {
  const MalformedRow kRows[] = {
      {"address 0x10 is not in code", {.address = 0x10}},
      {"is not in code", {.address = kData + 0x10}},
      {"is not in code", {.address = kBase + 0x100}},
      {"no writable part", {.semaphore = kBase + 0x20}},
      {"no writable part", {.semaphore = kData + 0x180}},
      {"ends past the section", {.claimed_size = 4096}},
      {"no room for its three addresses", {.claimed_size = 20}},
      {"offset 44: provider: the note ends before it does", {.claimed_size = 24}},
      {"offset 44: provider: the note ends before it does", {.claimed_size = 26}},
      {"offset 48: probe name: the note ends before it does", {.claimed_size = 28}},
      {"offset 56: arguments: the note ends before it does", {.claimed_size = 36}},
      {"ends before it does", {.texts = "appxrequestx-4@%edix"}},
      {"without provider or name", {.texts = std::string("\0request\0\0\0\0", 12)}},
      {"without provider or name", {.texts = std::string("app\0\0\0\0\0", 8)}},
      {"note owner: needs", {}, 48},
      {"a note's header is cut off", {}, 60},
  };
  for (const MalformedRow& row : kRows) {
    std::vector<std::byte> notes = BytesOfNote(row.note);
    ASSERT_EQ(notes.size() % 4, 0U);
    notes.resize(notes.size() - row.cut);
    const auto probes = ProbesOf(FileOf(notes).Bytes());
    ASSERT_FALSE(probes) << row.what;
    EXPECT_EQ(probes.error().code(), ErrorCode::kMalformed) << row.what;
    EXPECT_THAT(probes.error().message(), HasSubstr("section .note.stapsdt: offset ")) << row.what;
    EXPECT_THAT(probes.error().message(), HasSubstr(row.what));
  }
}

// Sizes that are near the end of their type, and every cut of a good file, give an answer and no crash.
TEST(UsdtProbes, NoSizeReadsPastTheSection) {
  const std::vector<std::byte> good = BytesOfNote({});
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto probes = ProbesOf(FileOf({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)}).Bytes());
    EXPECT_EQ(probes ? probes->size() : 0U, 0U) << length;
  }
  for (const std::size_t field : {0U, 4U}) {
    for (const std::uint32_t size : {0xffffffffU, 0xfffffff4U, 0x80000000U}) {
      std::vector<std::byte> notes = good;
      std::memcpy(notes.data() + field, &size, sizeof(size));
      const auto probes = ProbesOf(FileOf(notes).Bytes());
      ASSERT_FALSE(probes);
      EXPECT_EQ(probes.error().code(), ErrorCode::kMalformed);
    }
  }
}

TEST(UsdtProbes, Of32BitFilesAreRefused) {
  Elf32_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS32;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_386;
  header.e_version = EV_CURRENT;
  header.e_ehsize = sizeof(header);
  const auto* start = reinterpret_cast<const std::byte*>(&header);
  const auto probes = ProbesOf(std::vector<std::byte>(start, start + sizeof(header)));
  ASSERT_FALSE(probes);
  EXPECT_EQ(probes.error().code(), ErrorCode::kNotSupported);
  EXPECT_THAT(probes.error().message(), HasSubstr("32-bit"));
}

TEST(UsdtProbes, OfTheCxxLibrary) {
  const auto probes = Image::Open("/usr/lib/x86_64-linux-gnu/libstdc++.so.6")->UsdtProbes();
  ASSERT_TRUE(probes) << probes.error().message();
  EXPECT_TRUE(std::any_of(probes->begin(), probes->end(), [](const UsdtProbe& probe) {
    return probe.provider == "libstdcxx" && probe.name == "throw";
  }));
}

}  // namespace
}  // namespace strata::elf
