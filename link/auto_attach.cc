#include "strata/link/auto_attach.h"

#include <fmt/format.h>

#include <algorithm>

namespace strata {
namespace {

struct FilePlace {
  std::string_view file;
  std::string_view symbol;
};

Result<FilePlace> ParseFilePlace(const Program& program) {
  const std::string_view text = program.spec().attach_to;
  const std::size_t colon = text.rfind(':');
  if (text.empty() || colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("names no place to attach to; write SEC(\"{}/FILE:SYMBOL\") or attach it by AttachUprobe",
                             program.spec().attach_kind));
  }
  return FilePlace{text.substr(0, colon), text.substr(colon + 1)};
}

ExecutableOptions OpenOptions(const AutoAttachOptions& options) {
  return {.pid = 0, .search_folders = options.search_folders};
}

Result<Link> AttachUprobeSection(const Program& program, const AutoAttachOptions& options) {
  const FilePlace place = STRATA_TRY(ParseFilePlace(program));
  const auto file = STRATA_TRY(OpenExecutable(place.file, OpenOptions(options)));
  return Link(STRATA_TRY(file.AttachUprobe(place.symbol, program,
                                           {.pid = options.pid, .offset = 0, .cookie = 0, .agent = options.agent})));
}

Result<Link> AttachUretprobeSection(const Program& program, const AutoAttachOptions& options) {
  const FilePlace place = STRATA_TRY(ParseFilePlace(program));
  const auto file = STRATA_TRY(OpenExecutable(place.file, OpenOptions(options)));
  return Link(STRATA_TRY(file.AttachUretprobe(place.symbol, program,
                                              {.pid = options.pid, .offset = 0, .cookie = 0, .agent = options.agent})));
}

// One row per attach kind whose sections say where.
struct AutoAttachRow {
  std::string_view kind;
  Result<Link> (*attach)(const Program& program, const AutoAttachOptions& options);
};
constexpr AutoAttachRow kRows[] = {
    {"uprobe", AttachUprobeSection},
    {"uretprobe", AttachUretprobeSection},
};

}  // namespace

Result<Link> AutoAttach(const Program& program, const AutoAttachOptions& options) {
  const std::string context = fmt::format("program {}: section {}", program.name(), program.spec().section_name);
  for (const AutoAttachRow& row : kRows) {
    if (row.kind == program.spec().attach_kind) return row.attach(program, options).Context(context);
  }
  return Error(ErrorCode::kNotSupported, context + ": cannot be attached by its section name");
}

bool NamesPlace(const Program& program) {
  const ProgramSpec& spec = program.spec();
  const bool has_row = std::any_of(std::begin(kRows), std::end(kRows),
                                   [&](const AutoAttachRow& row) { return row.kind == spec.attach_kind; });
  return has_row && !spec.attach_to.empty();
}

}  // namespace strata
