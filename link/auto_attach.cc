#include "strata/link/auto_attach.h"

#include <fmt/format.h>

#include <algorithm>

#include "attach_hints.h"
#include "section_attach.h"

namespace strata {

Error NamesNoPlace(const Program& program, std::string_view form) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("names nothing to attach to; write SEC(\"{}/{}\")", program.spec().section_name, form));
}

Result<std::string_view> SectionDetails(const Program& program, std::string_view form) {
  if (program.spec().attach_to.empty()) return NamesNoPlace(program, form);
  return std::string_view(program.spec().attach_to);
}

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

// The file's name may contain colons, the probe's do not.
Result<Link> AttachUsdtSection(const Program& program, const AutoAttachOptions& options) {
  const std::string_view text = program.spec().attach_to;
  const std::size_t second = text.rfind(':');
  const std::size_t first = second == std::string_view::npos || second == 0 ? second : text.rfind(':', second - 1);
  if (first == std::string_view::npos || first == 0 || first + 1 == second || second + 1 == text.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 "names no probe; write SEC(\"usdt/FILE:PROVIDER:NAME\") or attach it by AttachUsdt");
  }
  const auto file = STRATA_TRY(OpenExecutable(text.substr(0, first), OpenOptions(options)));
  return Link(STRATA_TRY(file.AttachUsdt(text.substr(first + 1, second - first - 1), text.substr(second + 1), program,
                                         {.pid = options.pid, .cookie = 0, .agent = options.agent})));
}

// SEC("uprobe.multi/libc.so.6:mall*").
Result<Link> AttachUprobesSection(const Program& program, const AutoAttachOptions& options) {
  const FilePlace place = STRATA_TRY(ParseFilePlace(program));
  const auto file = STRATA_TRY(OpenExecutable(place.file, OpenOptions(options)));
  UprobesOptions uprobes;
  uprobes.pattern = place.symbol;
  uprobes.pid = options.pid;
  uprobes.agent = options.agent;
  return Link(STRATA_TRY(file.AttachUprobes(program, uprobes)));
}

// One row per attach kind whose sections say where.
struct AutoAttachRow {
  std::string_view kind;
  SectionAttach* attach;
};
constexpr AutoAttachRow kRows[] = {
    {"uprobe", AttachUprobeSection},
    {"uretprobe", AttachUretprobeSection},
    {"usdt", AttachUsdtSection},
    {"uprobe_multi", AttachUprobesSection},
    {"uretprobe_multi", AttachUprobesSection},
    {"uprobe_session", AttachUprobesSection},
    {"kprobe", AttachKprobeSection},
    {"kretprobe", AttachKprobeSection},
    {"ksyscall", AttachKsyscallSection},
    {"kretsyscall", AttachKsyscallSection},
    {"kprobe_multi", AttachKprobesSection},
    {"kretprobe_multi", AttachKprobesSection},
    {"kprobe_session", AttachKprobesSection},
    {"tracepoint", AttachTracepointSection},
    {"raw_tracepoint", AttachRawTracepointSection},
    {"tp_btf", AttachTraceSection},
    {"fentry", AttachTraceSection},
    {"fexit", AttachTraceSection},
    {"fmod_ret", AttachTraceSection},
    {"fsession", AttachTraceSection},
    {"lsm", AttachTraceSection},
    {"freplace", AttachTraceSection},
    {"iter", AttachIteratorSection},
};

}  // namespace

Result<Link> AutoAttach(const Program& program, const AutoAttachOptions& options) {
  const std::string context = fmt::format("program {}: section {}", program.name(), program.spec().section_name);
  for (const AutoAttachRow& row : kRows) {
    if (row.kind == program.spec().attach_kind) return row.attach(program, options).Context(context);
  }
  const std::string_view hint = AttachHint(program.spec().attach_kind);
  return Error(ErrorCode::kNotSupported,
               fmt::format("{}: {}", context, hint.empty() ? "cannot be attached by its section name" : hint));
}

bool NamesPlace(const Program& program) {
  const ProgramSpec& spec = program.spec();
  const bool has_row = std::any_of(std::begin(kRows), std::end(kRows),
                                   [&](const AutoAttachRow& row) { return row.kind == spec.attach_kind; });
  return has_row && !spec.attach_to.empty();
}

}  // namespace strata
