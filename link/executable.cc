#include "strata/link/executable.h"

#include <fmt/format.h>

#include <fnmatch.h>

#include <algorithm>
#include <cerrno>

#include "library_search.h"
#include "probe_place.h"
#include "strata/elf/image.h"

namespace strata {

struct Executable::State {
  elf::Image image;
};

namespace {

bool LooksLikeLibrary(std::string_view name) { return name.find(".so") != std::string_view::npos; }

Result<std::string> ResolvePath(std::string_view name, const ExecutableOptions& options) {
  if (name.empty()) return Error(ErrorCode::kInvalidArgument, "the executable's name is empty");
  if (name.find('/') != std::string_view::npos) {
    return options.pid > 0 && name.front() == '/' ? PathInProcess(options.pid, std::string(name)) : std::string(name);
  }
  if (options.pid > 0) {
    auto mapped = FindMappedFile(options.pid, name);
    if (mapped || !LooksLikeLibrary(name)) return mapped;
  }
  return LooksLikeLibrary(name) ? FindLibrary(name) : FindProgramFile(name, options.search_folders);
}

}  // namespace

Executable::Executable(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

const elf::Image& Executable::image() const { return state_->image; }
const std::string& Executable::path() const { return state_->image.path(); }

Result<Executable> OpenExecutable(std::string_view name, const ExecutableOptions& options) {
  auto image = STRATA_TRY(elf::Image::Open(STRATA_TRY(ResolvePath(name, options))));
  return Executable(std::make_unique<Executable::State>(Executable::State{std::move(image)}));
}

Result<std::uint64_t> Executable::FileOffsetOf(std::string_view symbol) const {
  const SymbolPlace place = STRATA_TRY(ParseSymbol(symbol));
  if (place.symbol.empty()) return place.offset;
  return STRATA_TRY(state_->image.FindSymbol(place.symbol))
  .file_offset + place.offset;
}

Result<AttachTarget> Executable::UprobeTarget(std::string_view kind, std::string_view symbol,
                                              const UprobeOptions& options) const {
  const std::uint64_t file_offset = STRATA_TRY(FileOffsetOf(symbol))
  +options.offset;
  AttachTarget target;
  target.kind = kind;
  target.path = path();
  target.pid = options.pid;
  target.cookie = options.cookie;
  target.config =
      EncodeConfig(UprobeConfig{.file_offset = file_offset, .ref_ctr_file_offset = options.ref_ctr_file_offset});
  return target;
}

Result<Uprobe> Executable::AttachUprobe(std::string_view symbol, const Program& program,
                                        const UprobeOptions& options) const {
  const auto target = STRATA_TRY(UprobeTarget("uprobe", symbol, options));
  auto link = AttachToTarget(program, target, {.agent = options.agent});
  if (!link) return std::move(link).error().WithContext(fmt::format("uprobe {}:{}", path(), symbol));
  return Uprobe(*std::move(link));
}

Result<Uretprobe> Executable::AttachUretprobe(std::string_view symbol, const Program& program,
                                              const UprobeOptions& options) const {
  const auto target = STRATA_TRY(UprobeTarget("uretprobe", symbol, options));
  auto link = AttachToTarget(program, target, {.agent = options.agent});
  if (!link) return std::move(link).error().WithContext(fmt::format("uretprobe {}:{}", path(), symbol));
  return Uretprobe(*std::move(link));
}

Result<std::vector<UprobePlace>> Executable::PlacesMatching(const std::string& pattern) const {
  std::vector<UprobePlace> places;
  for (const elf::ImageSymbol& symbol : STRATA_TRY(state_->image.Symbols())) {
    const bool matches =
        symbol.kind == elf::SymbolKind::kFunction && ::fnmatch(pattern.c_str(), symbol.name.c_str(), 0) == 0;
    if (matches) places.push_back({.file_offset = symbol.file_offset});
  }
  const auto before = [](const UprobePlace& a, const UprobePlace& b) { return a.file_offset < b.file_offset; };
  const auto equal = [](const UprobePlace& a, const UprobePlace& b) { return a.file_offset == b.file_offset; };
  std::sort(places.begin(), places.end(), before);
  places.erase(std::unique(places.begin(), places.end(), equal), places.end());
  if (places.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("{}: no function matches {}", path(), pattern), ENOENT);
  }
  return places;
}

Result<std::vector<UprobePlace>> Executable::NamedPlaces(const UprobesOptions& options) const {
  std::vector<UprobePlace> places;
  for (const std::string& symbol : options.symbols) {
    places.push_back({ .file_offset = STRATA_TRY(FileOffsetOf(symbol)) });
  }
  for (const std::uint64_t offset : options.file_offsets) places.push_back({.file_offset = offset});
  for (const auto* column : {&options.cookies, &options.ref_ctr_file_offsets}) {
    if (!column->empty() && column->size() != places.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} {} for {} places", column->size(),
                               column == &options.cookies ? "cookies" : "reference counters", places.size()),
                   EINVAL);
    }
  }
  for (std::size_t i = 0; i < options.cookies.size(); ++i) places[i].cookie = options.cookies[i];
  for (std::size_t i = 0; i < options.ref_ctr_file_offsets.size(); ++i) {
    places[i].ref_ctr_file_offset = options.ref_ctr_file_offsets[i];
  }
  return places;
}

Result<AttachTarget> Executable::UprobesTarget(std::string_view kind, const UprobesOptions& options) const {
  const bool has_names = !options.symbols.empty() || !options.file_offsets.empty();
  const bool has_columns = !options.cookies.empty() || !options.ref_ctr_file_offsets.empty();
  if (has_names != options.pattern.empty() || (has_columns && !options.pattern.empty())) {
    return Error(ErrorCode::kInvalidArgument,
                 "give symbols and offsets, with cookies or without, or a pattern, without cookies", EINVAL);
  }
  const auto places = options.pattern.empty() ? STRATA_TRY(NamedPlaces(options)) : STRATA_TRY(PlacesMatching(options.pattern));
  AttachTarget target;
  target.kind = kind;
  target.path = path();
  target.pid = options.pid;
  target.config = EncodeConfigs(places);
  return target;
}

Result<UprobeMulti> Executable::AttachUprobes(const Program& program, const UprobesOptions& options) const {
  const std::string kind = ManyProbesKind(program, "uprobe", options.moment);
  const auto target = STRATA_TRY(UprobesTarget(kind, options).Context(fmt::format("{} {}", kind, path())));
  return UprobeMulti(STRATA_TRY(AttachToTarget(program, target, {.agent = options.agent})));
}

}  // namespace strata
