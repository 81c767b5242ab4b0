#include "strata/elf/image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "elf_file.h"
#include "strata/base/byte_reader.h"
#include "strata/base/similar_name.h"
#include "strata/base/unique_fd.h"
#include "usdt_notes.h"

namespace strata::elf {
namespace {

constexpr std::uint64_t kMaxNotesSize = 1 << 20;
constexpr std::uint16_t kHiddenVersion = 0x8000;  // of a .gnu.version entry: not the one that a plain name means

SymbolKind KindOf(const ElfSymbol& symbol) {
  switch (symbol.type) {
    case STT_FUNC:
      return SymbolKind::kFunction;
    case STT_OBJECT:
      return SymbolKind::kObject;
    case STT_GNU_IFUNC:
      return SymbolKind::kIndirectFunction;
    default:
      return SymbolKind::kOther;
  }
}

bool HasAddress(const ElfSymbol& symbol) {
  const bool is_place =
      symbol.type == STT_FUNC || symbol.type == STT_OBJECT || symbol.type == STT_GNU_IFUNC || symbol.type == STT_NOTYPE;
  return is_place && !symbol.name.empty() && symbol.section != SHN_UNDEF && symbol.section != SHN_ABS &&
         symbol.section != SHN_COMMON;
}

std::string_view WithoutVersion(std::string_view name) { return name.substr(0, name.find('@')); }

// "malloc@GLIBC_2.2.5" is an old version, "malloc@@GLIBC_2.2.5" the default one.
bool IsOldVersion(std::string_view name) {
  const auto at = name.find('@');
  return at != std::string_view::npos && name.substr(at, 2) != "@@";
}

// Of several symbols of one name, the lowest is meant.
struct Preference {
  bool is_old_version = false;
  std::uint8_t kind = 0;
  std::uint8_t binding = 0;
  auto operator<=>(const Preference&) const = default;
};

std::uint8_t BindingRank(std::uint8_t binding) {
  return binding == STB_GLOBAL || binding == STB_GNU_UNIQUE ? 0 : binding == STB_WEAK ? 1 : 2;
}

struct IndexedSymbol {
  ImageSymbol symbol;
  Preference preference;
};

}  // namespace

struct Image::State {
  std::string path;
  UniqueFd descriptor;
  std::optional<ElfFile> file;  // under `mutex` after Open
  std::vector<ImageSegment> segments;
  std::vector<std::byte> build_id;

  // Read at the first question for a symbol: many images are opened for their build id alone.
  std::mutex mutex;
  bool has_index = false;
  std::vector<IndexedSymbol> symbols;                         // sorted by name, then preference
  std::unordered_map<std::string_view, std::size_t> by_name;  // the preferred one

  Result<void> ReadSegments();
  Result<void> ReadBuildId();
  Result<void> LoadIndex();
  Result<void> AddSymbols(const ElfSection& table, std::span<const std::uint16_t> versions);
  Result<std::vector<std::uint16_t>> Versions(const ElfSection& table) const;
  std::string NearestHint(std::string_view name) const;
  const ImageSegment* SegmentOfAddress(std::uint64_t address) const;
  Result<UsdtProbe> ProbeOf(const UsdtNote& note, const ElfSection* base) const;
  Result<std::vector<std::byte>> Read(std::uint64_t offset, std::uint64_t count) const;
};

Image::Image(std::unique_ptr<State> state) : state_(std::move(state)) {}
Image::Image(Image&&) noexcept = default;
Image& Image::operator=(Image&&) noexcept = default;
Image::~Image() = default;

Result<Image> Image::Open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  // Without O_NONBLOCK, opening a FIFO would wait for its writer.
  state->descriptor.Reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!state->descriptor) return Error::FromErrno(errno, path);
  struct stat status {};
  if (::fstat(state->descriptor.get(), &status) != 0) return Error::FromErrno(errno, path);
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::kMalformed, path + ": is no regular file");
  state->file = STRATA_TRY(ElfFile::FromDescriptor(state->descriptor.get(), path));
  if (state->file->type() != ET_EXEC && state->file->type() != ET_DYN) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: is neither an executable nor a shared library", path));
  }
  STRATA_TRY(state->ReadSegments());
  STRATA_TRY(state->ReadBuildId());
  return Image(std::move(state));
}

const std::string& Image::path() const { return state_->path; }
std::uint16_t Image::machine() const { return state_->file->machine(); }
bool Image::is_64_bit() const { return state_->file->is_64_bit(); }
bool Image::is_position_independent() const { return state_->file->type() == ET_DYN; }
std::uint64_t Image::size_bytes() const { return state_->file->size_bytes(); }
const std::vector<ImageSegment>& Image::segments() const { return state_->segments; }
const std::vector<std::byte>& Image::build_id() const { return state_->build_id; }

std::string Image::build_id_text() const {
  std::string text;
  for (const std::byte byte : state_->build_id) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

Result<void> Image::State::ReadSegments() {
  for (const ElfSegment& segment : file->segments()) {
    if (segment.type != PT_LOAD) continue;
    if (segment.file_size_bytes > UINT64_MAX - segment.address) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("{}: a segment at address {:#x} does not end", path, segment.address));
    }
    segments.push_back(ImageSegment{segment.address, segment.offset, segment.file_size_bytes, segment.memory_size_bytes,
                                    (segment.flags & PF_X) != 0, (segment.flags & PF_W) != 0});
  }
  return {};
}

namespace {

// The build id among the notes of one segment; empty when it is not there. A note is three words, its name and its
// description; the description and the next note start at multiples of the alignment.
Result<std::vector<std::byte>> FindBuildId(ByteReader notes, std::uint64_t alignment) {
  const auto skip_padding = [&] {
    const std::uint64_t padding = (alignment - notes.offset() % alignment) % alignment;
    return notes.Skip(std::min<std::uint64_t>(padding, notes.remaining()), "note padding");
  };
  constexpr std::uint64_t kNoteHeaderSize = 12;
  while (notes.remaining() >= kNoteHeaderSize) {
    const auto name_size = STRATA_TRY(notes.Read<std::uint32_t>("note name size"));
    const auto size = STRATA_TRY(notes.Read<std::uint32_t>("note size"));
    const auto type = STRATA_TRY(notes.Read<std::uint32_t>("note type"));
    const auto name = STRATA_TRY(notes.ReadBytes(name_size, "note name"));
    STRATA_TRY(skip_padding());
    const auto description = STRATA_TRY(notes.ReadBytes(size, "note"));
    STRATA_TRY(skip_padding());
    const std::string_view owner(reinterpret_cast<const char*>(name.data()), name.size());
    if (type == NT_GNU_BUILD_ID && owner == std::string_view("GNU\0", 4)) {
      return std::vector(description.begin(), description.end());
    }
  }
  return std::vector<std::byte>();
}

}  // namespace

Result<void> Image::State::ReadBuildId() {
  for (const ElfSegment& segment : file->segments()) {
    if (segment.type != PT_NOTE || segment.file_size_bytes > kMaxNotesSize) continue;
    const auto bytes = STRATA_TRY(Read(segment.offset, segment.file_size_bytes));
    const std::uint64_t alignment = segment.alignment == 8 ? 8 : 4;
    build_id = STRATA_TRY(FindBuildId(ByteReader(bytes, path + ": notes", file->byte_order()), alignment));
    if (!build_id.empty()) return {};
  }
  return {};
}

Result<std::vector<std::byte>> Image::State::Read(std::uint64_t offset, std::uint64_t count) const {
  const std::uint64_t size = file->size_bytes();
  if (offset > size || count > size - offset) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: [{}, +{}) is outside of the file's {} bytes", path, offset, count, size));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(count));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(descriptor.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, path);
    if (got == 0) return Error(ErrorCode::kInvalidArgument, fmt::format("{}: became shorter while it was read", path));
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<std::vector<std::byte>> Image::ReadBytes(std::uint64_t file_offset, std::uint64_t count) const {
  return state_->Read(file_offset, count);
}

const ImageSegment* Image::State::SegmentOfAddress(std::uint64_t address) const {
  for (const ImageSegment& segment : segments) {
    if (address >= segment.address && address - segment.address < segment.file_size_bytes) return &segment;
  }
  return nullptr;
}

Result<std::uint64_t> Image::FileOffsetOf(std::uint64_t address) const {
  const ImageSegment* segment = state_->SegmentOfAddress(address);
  if (segment != nullptr) return segment->file_offset + (address - segment->address);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: no segment of the file holds address {:#x}", path(), address));
}

Result<std::uint64_t> Image::AddressOf(std::uint64_t file_offset) const {
  for (const ImageSegment& segment : state_->segments) {
    const bool holds =
        file_offset >= segment.file_offset && file_offset - segment.file_offset < segment.file_size_bytes;
    if (holds) return segment.address + (file_offset - segment.file_offset);
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: no segment holds file offset {:#x}", path(), file_offset));
}

// One number for each symbol of the dynamic table; empty when the file has no versions.
Result<std::vector<std::uint16_t>> Image::State::Versions(const ElfSection& table) const {
  std::vector<std::uint16_t> versions;
  for (const ElfSection section : file->sections()) {
    if (section.type != SHT_GNU_versym || section.link != table.index) continue;
    ByteReader reader(STRATA_TRY(file->Contents(section)), fmt::format("{}: section {}", path, section.name),
                      file->byte_order());
    while (reader.remaining() >= sizeof(std::uint16_t)) {
      versions.push_back(STRATA_TRY(reader.Read<std::uint16_t>("version")));
    }
  }
  return versions;
}

Result<void> Image::State::AddSymbols(const ElfSection& table, std::span<const std::uint16_t> versions) {
  const SymbolTable raw = STRATA_TRY(file->Symbols(table));
  for (std::uint32_t i = 0; i < raw.size(); ++i) {
    const ElfSymbol symbol = raw[i];
    const ImageSegment* segment = HasAddress(symbol) ? SegmentOfAddress(symbol.value) : nullptr;
    if (segment == nullptr) continue;
    const bool is_hidden = i < versions.size() && (versions[i] & kHiddenVersion) != 0;
    IndexedSymbol entry;
    entry.symbol.name = WithoutVersion(symbol.name);
    entry.symbol.kind = KindOf(symbol);
    entry.symbol.address = symbol.value;
    entry.symbol.file_offset = segment->file_offset + (symbol.value - segment->address);
    entry.symbol.size_bytes = symbol.size_bytes;
    const bool is_function = symbol.type == STT_FUNC || symbol.type == STT_GNU_IFUNC;
    entry.preference = Preference{is_hidden || IsOldVersion(symbol.name),
                                  static_cast<std::uint8_t>(is_function ? 0 : 1), BindingRank(symbol.binding)};
    symbols.push_back(std::move(entry));
  }
  return {};
}

Result<void> Image::State::LoadIndex() {
  const std::lock_guard lock(mutex);
  if (has_index) return {};
  symbols.clear();
  for (const std::uint32_t type : {std::uint32_t{SHT_SYMTAB}, std::uint32_t{SHT_DYNSYM}}) {
    const auto table = file->FindSectionOfType(type);
    if (table) STRATA_TRY(AddSymbols(*table, STRATA_TRY(Versions(*table))));
  }
  std::stable_sort(symbols.begin(), symbols.end(), [](const IndexedSymbol& a, const IndexedSymbol& b) {
    return std::tie(a.symbol.name, a.preference) < std::tie(b.symbol.name, b.preference);
  });
  for (std::size_t i = 0; i < symbols.size(); ++i) by_name.emplace(symbols[i].symbol.name, i);
  has_index = true;
  return {};
}

std::string Image::State::NearestHint(std::string_view name) const {
  SimilarName similar(name);
  for (const auto& [candidate, unused] : by_name) similar.Offer(candidate);
  return similar.Hint();
}

Result<ImageSymbol> Image::FindSymbol(std::string_view name) const {
  STRATA_TRY(state_->LoadIndex());
  const std::string_view plain = WithoutVersion(name);
  const auto found = state_->by_name.find(plain);
  if (found == state_->by_name.end()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: no symbol named {}{}", path(), name, state_->NearestHint(plain)));
  }
  const ImageSymbol& symbol = state_->symbols[found->second].symbol;
  if (symbol.kind == SymbolKind::kIndirectFunction) {
    return Error(
        ErrorCode::kNotSupported,
        fmt::format("{}: symbol {} is an indirect function (GNU_IFUNC): calls go to the variant that its resolver "
                    "picks, which has a name of its own",
                    path(), name));
  }
  return symbol;
}

Result<std::vector<ImageSymbol>> Image::Symbols() const {
  STRATA_TRY(state_->LoadIndex());
  std::vector<ImageSymbol> result;
  result.reserve(state_->symbols.size());
  for (const IndexedSymbol& entry : state_->symbols) result.push_back(entry.symbol);
  const auto order = [](const ImageSymbol& symbol) { return std::tie(symbol.address, symbol.name, symbol.size_bytes); };
  std::stable_sort(result.begin(), result.end(),
                   [&](const ImageSymbol& a, const ImageSymbol& b) { return order(a) < order(b); });
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

Result<std::vector<std::uint64_t>> Image::AddressesOf(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::uint64_t> addresses;
  for (const ElfSection& section : state_->file->sections()) {
    if (section.type != SHT_SYMTAB && section.type != SHT_DYNSYM) continue;
    for (const ElfSymbol& symbol : STRATA_TRY(state_->file->Symbols(section))) {
      if (HasAddress(symbol) && symbol.name == name) addresses.push_back(symbol.value);
    }
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

// A file whose addresses were changed after it was linked (prelink) has its notes as they were; section .stapsdt.base
// moved along and tells by how much.
Result<UsdtProbe> Image::State::ProbeOf(const UsdtNote& note, const ElfSection* base) const {
  const std::uint64_t moved = base == nullptr || note.base == 0 ? 0 : base->address - note.base;
  UsdtProbe probe{std::string(note.provider), std::string(note.name), std::string(note.arguments)};
  probe.address = note.address + moved;
  const ImageSegment* code = SegmentOfAddress(probe.address);
  if (code == nullptr || !code->is_executable) {
    return Error(ErrorCode::kMalformed, fmt::format("address {:#x} is not in code", probe.address));
  }
  probe.file_offset = code->file_offset + (probe.address - code->address);
  if (note.semaphore == 0) return probe;
  probe.semaphore_address = note.semaphore + moved;
  const ImageSegment* data = SegmentOfAddress(probe.semaphore_address);
  if (data == nullptr || !data->is_writable) {
    return Error(ErrorCode::kMalformed, fmt::format("the semaphore's address {:#x} is in no writable part of the file",
                                                    probe.semaphore_address));
  }
  probe.semaphore_file_offset = data->file_offset + (probe.semaphore_address - data->address);
  return probe;
}

Result<std::vector<UsdtProbe>> Image::UsdtProbes() const {
  if (!is_64_bit())
    return Error(ErrorCode::kNotSupported, path() + ": is a 32-bit file; USDT probes need a 64-bit one");
  const std::lock_guard lock(state_->mutex);
  const ElfFile& file = *state_->file;
  const auto base = file.FindSection(".stapsdt.base");
  std::vector<UsdtProbe> probes;
  for (const ElfSection& section : file.sections()) {
    if (section.name != ".note.stapsdt") continue;
    const std::string where = path() + ": section .note.stapsdt";
    const auto bytes = STRATA_TRY(file.Contents(section));
    for (const UsdtNote& note : STRATA_TRY(ReadUsdtNotes(ByteReader(bytes, where, file.byte_order())))) {
      if (note.address == 0) continue;
      auto probe = state_->ProbeOf(note, base ? &*base : nullptr);
      if (!probe) {
        return std::move(probe).error().WithContext(
            fmt::format("{}: offset {}: {}:{}", where, note.offset, note.provider, note.name));
      }
      probes.push_back(*std::move(probe));
    }
  }
  return probes;
}

}  // namespace strata::elf
