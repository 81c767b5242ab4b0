// strata list: what exists on a backend.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "strata/spec/type_names.h"
#include "strata/strata.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct ListOptions {
  std::string backend = "userspace";
  std::string session = "default";
  std::string format = "text";
};

std::string Tag(const ProgramInfo& program) {
  std::string text;
  for (const std::uint8_t byte : program.tag) text += fmt::format("{:02x}", byte);
  return text;
}

std::string Selected(const LinkInfo& link) {
  return link.pid == kAllProcesses ? "every process" : fmt::format("process {}", link.pid);
}

void PrintText(const ObjectListing& listing) {
  for (const MapInfo& map : listing.maps) {
    fmt::print("map     {:>5}  {:<16} {:<14} key {}, value {}, {} entries\n", map.id, map.name, MapTypeName(map.type),
               map.key_size, map.value_size, map.max_entries);
  }
  for (const ProgramInfo& program : listing.programs) {
    fmt::print("program {:>5}  {:<16} {:<14} tag {}, {} instructions{}\n", program.id, program.name,
               ProgramTypeName(program.type), Tag(program), program.instruction_count,
               program.is_verified ? "" : ", unverified");
  }
  for (const LinkInfo& link : listing.links) {
    fmt::print("link    {:>5}  {:<16} program {}, {}, {}\n", link.id, link.kind, link.program_id,
               link.path.empty() ? "-" : link.path, Selected(link));
  }
}

void PrintJson(const ObjectListing& listing) {
  using nlohmann::ordered_json;
  for (const MapInfo& map : listing.maps) {
    fmt::print("{}\n", ordered_json({{"type", "map"},
                                     {"id", map.id},
                                     {"name", map.name},
                                     {"map_type", MapTypeName(map.type)},
                                     {"key_size", map.key_size},
                                     {"value_size", map.value_size},
                                     {"max_entries", map.max_entries}})
                           .dump());
  }
  for (const ProgramInfo& program : listing.programs) {
    fmt::print("{}\n", ordered_json({{"type", "program"},
                                     {"id", program.id},
                                     {"name", program.name},
                                     {"program_type", ProgramTypeName(program.type)},
                                     {"tag", Tag(program)},
                                     {"instructions", program.instruction_count},
                                     {"verified", program.is_verified}})
                           .dump());
  }
  for (const LinkInfo& link : listing.links) {
    fmt::print("{}\n", ordered_json({{"type", "link"},
                                     {"id", link.id},
                                     {"program_id", link.program_id},
                                     {"kind", link.kind},
                                     {"path", link.path},
                                     {"pid", link.pid}})
                           .dump());
  }
}

Result<void> List(const ListOptions& options) {
  const auto backend =
      STRATA_TRY(OpenBackend(options.backend, {.session = options.session, .runtime_folder = {}, .agent_path = {}}));
  const ObjectListing listing = STRATA_TRY(backend->List());
  options.format == "json" ? PrintJson(listing) : PrintText(listing);
  return {};
}

}  // namespace

void SetUpList(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<ListOptions>();
  app.add_option("--backend", options->backend, "Whose objects are listed")
      ->check(CLI::IsMember({"userspace", "kernel"}))
      ->capture_default_str();
  app.add_option("--session", options->session, "The userspace session")->capture_default_str();
  app.add_option("--format", options->format, "json is one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.callback([options, invocation] {
    const auto listed = List(*options);
    if (!listed) fmt::print(stderr, "strata: {}\n", listed.error().message());
    invocation->exit_status = listed ? 0 : kExitFailure;
  });
}

}  // namespace strata::tools
