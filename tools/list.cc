// strata list: what exists on a backend.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "link_text.h"
#include "object_file.h"
#include "program_text.h"
#include "strata/spec/type_names.h"
#include "strata/strata.h"
#include "verb.h"

namespace strata::tools {
namespace {

using nlohmann::ordered_json;

struct ListOptions {
  std::string kind;  // empty: all
  std::string backend = "userspace";
  std::string session = "default";
  std::string format = "text";
  bool json = false;
};

std::string TextOf(const MapInfo& map) {
  return fmt::format("map     {:>5}  {:<16} {:<14} key {}, value {}, {} entries", map.id, map.name,
                     MapTypeName(map.type), map.key_size, map.value_size, map.max_entries);
}
ordered_json JsonOf(const MapInfo& map) { return MapJson(map); }

std::string TextOf(const ProgramInfo& program) {
  return fmt::format("program {:>5}  {:<16} {:<14} tag {}, {} instructions{}{}", program.id, program.name,
                     ProgramTypeName(program.type), TagText(program), program.instruction_count,
                     program.is_verified ? "" : ", unverified", program.is_enabled ? "" : ", disabled");
}
ordered_json JsonOf(const ProgramInfo& program) { return ProgramJson(program); }

std::string TextOf(const LinkInfo& link) {
  return fmt::format("link    {:>5}  {:<16} program {}{}", link.id, link.kind, link.program_id, LinkPlace(link));
}
ordered_json JsonOf(const LinkInfo& link) { return LinkJson(link); }

std::string TextOf(const TypesInfo& types) {
  return fmt::format("btf     {:>5}  {:<16} {} bytes", types.id, types.name.empty() ? "-" : types.name,
                     types.size_bytes);
}
ordered_json JsonOf(const TypesInfo& types) {
  return {{"type", "btf"},
          {"id", types.id},
          {"name", types.name},
          {"size_bytes", types.size_bytes},
          {"kernel", types.is_kernel}};
}

// One row per kind of object.
class Printer {
 public:
  explicit Printer(const ListOptions& options)
      : kind_(options.kind), is_json_(options.json || options.format == "json") {}

  template <typename Info>
  void Print(std::string_view kind, const std::vector<Info>& objects) const {
    if (!kind_.empty() && kind_ != kind) return;
    for (const Info& object : objects) fmt::print("{}\n", is_json_ ? JsonOf(object).dump() : TextOf(object));
  }

 private:
  std::string_view kind_;
  bool is_json_;
};

Result<void> List(const ListOptions& options) {
  const auto backend = STRATA_TRY(
      OpenBackend(options.backend,
                  {.session = options.session, .runtime_folder = {}, .agent_path = {}, .handle_fault_signals = true}));
  const ObjectListing listing = STRATA_TRY(backend->List());
  const Printer printer(options);
  printer.Print("maps", listing.maps);
  printer.Print("programs", listing.programs);
  printer.Print("links", listing.links);
  printer.Print("btf", listing.types);
  return {};
}

}  // namespace

void SetUpList(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<ListOptions>();
  app.add_option("KIND", options->kind, "maps, programs, links or btf; everything when it is left out")
      ->check(CLI::IsMember({"maps", "programs", "links", "btf"}));
  app.add_option("--backend", options->backend, "Whose objects are listed")
      ->check(CLI::IsMember({"userspace", "kernel"}))
      ->capture_default_str();
  app.add_option("--session", options->session, "The userspace session")->capture_default_str();
  app.add_option("--format", options->format, "json is one object a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_flag("--json", options->json, "The same as --format json");
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(List(*options)); });
}

}  // namespace strata::tools
