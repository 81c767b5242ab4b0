#include "usdt_notes.h"

#include <algorithm>
#include <string>

namespace strata::elf {
namespace {

constexpr std::uint32_t kUsdtNote = 3;  // NT_STAPSDT
constexpr std::string_view kOwner("stapsdt\0", 8);
constexpr std::uint64_t kHeaderSize = 12;
constexpr std::uint64_t kAlignment = 4;

Result<void> SkipPadding(ByteReader& notes) {
  const std::uint64_t padding = (kAlignment - notes.offset() % kAlignment) % kAlignment;
  return notes.Skip(std::min<std::uint64_t>(padding, notes.remaining()), "note padding");
}

// A string that ends before the description does.
Result<std::string_view> ReadText(ByteReader& notes, std::uint64_t end, std::string_view what) {
  const auto left = STRATA_TRY(ByteReader(notes).ReadBytes(end - notes.offset(), what));
  const std::string_view rest(reinterpret_cast<const char*>(left.data()), left.size());
  const std::size_t size = rest.find('\0');
  if (size == std::string_view::npos) return notes.Malformed(std::string(what) + ": the note ends before it does");
  STRATA_TRY(notes.Skip(size + 1, what));
  return rest.substr(0, size);
}

Result<UsdtNote> ReadDescription(ByteReader& notes, std::uint64_t end) {
  UsdtNote note;
  constexpr std::uint64_t kAddresses = 3 * sizeof(std::uint64_t);
  if (end - notes.offset() < kAddresses) return notes.Malformed("a probe's note has no room for its three addresses");
  note.address = STRATA_TRY(notes.Read<std::uint64_t>("probe address"));
  note.base = STRATA_TRY(notes.Read<std::uint64_t>("base address"));
  note.semaphore = STRATA_TRY(notes.Read<std::uint64_t>("semaphore address"));
  note.provider = STRATA_TRY(ReadText(notes, end, "provider"));
  note.name = STRATA_TRY(ReadText(notes, end, "probe name"));
  note.arguments = STRATA_TRY(ReadText(notes, end, "arguments"));
  if (note.provider.empty() || note.name.empty()) return notes.Malformed("a probe without provider or name");
  return note;
}

}  // namespace

Result<std::vector<UsdtNote>> ReadUsdtNotes(ByteReader notes) {
  std::vector<UsdtNote> result;
  while (notes.remaining() >= kHeaderSize) {
    const std::uint64_t start = notes.offset();
    const auto owner_size = STRATA_TRY(notes.Read<std::uint32_t>("note owner size"));
    const auto size = STRATA_TRY(notes.Read<std::uint32_t>("note size"));
    const auto type = STRATA_TRY(notes.Read<std::uint32_t>("note type"));
    const auto owner = STRATA_TRY(notes.ReadBytes(owner_size, "note owner"));
    STRATA_TRY(SkipPadding(notes));
    if (size > notes.remaining()) {
      return notes.Malformed("a note of " + std::to_string(size) + " bytes ends past the section");
    }
    const std::uint64_t end = notes.offset() + size;
    if (type == kUsdtNote && std::string_view(reinterpret_cast<const char*>(owner.data()), owner.size()) == kOwner) {
      UsdtNote note = STRATA_TRY(ReadDescription(notes, end));
      note.offset = start;
      result.push_back(note);
    }
    STRATA_TRY(notes.Seek(end, "note end"));
    STRATA_TRY(SkipPadding(notes));
  }
  if (notes.remaining() != 0) return notes.Malformed("a note's header is cut off");
  return result;
}

}  // namespace strata::elf
