// strata load: makes the objects of an object file, says what was made, and keeps them if asked to.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "live_object.h"
#include "object_file.h"
#include "program_text.h"
#include "strata/backend/verifier_log.h"
#include "strata/spec/type_names.h"
#include "verb.h"

namespace strata::tools {
namespace {

struct LoadVerbOptions {
  BackendChoice backend;
  std::string object;
  std::string pin_folder;
  std::string kconfig_file;
  std::size_t log_lines = 20;
  bool json = false;
};

Result<std::string> ReadTextFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error(ErrorCode::kNotFound, path + ": cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Removes again what it pinned, unless everything was.
class Pins {
 public:
  explicit Pins(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Pins(const Pins&) = delete;
  Pins& operator=(const Pins&) = delete;
  ~Pins() {
    std::error_code ignored;
    for (const auto& path : made_) std::filesystem::remove(path, ignored);
  }

  template <typename Object>
  Result<void> Add(const char* kind, const std::string& name, Object& object) {
    std::error_code error;
    std::filesystem::create_directories(folder_ / kind, error);
    if (error) return Error::FromErrno(error.value(), fmt::format("making {}", (folder_ / kind).string()));
    const std::filesystem::path path = folder_ / kind / FileName(name);
    STRATA_TRY(object.Pin(path.string()));
    made_.push_back(path);
    return {};
  }
  void Keep() { made_.clear(); }

 private:
  // A BPF file system takes no dots in names.
  static std::string FileName(std::string name) {
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
  }

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> made_;
};

Result<void> PinAll(const Backend& backend, Collection& objects, const std::string& folder) {
  Pins pins(STRATA_TRY(backend.PinPath(folder)));
  for (const auto& [name, unused] : objects.programs()) {
    STRATA_TRY(pins.Add("programs", name, *STRATA_TRY(objects.FindProgram(name))));
  }
  for (const auto& [name, unused] : objects.maps()) {
    STRATA_TRY(pins.Add("maps", name, *STRATA_TRY(objects.FindMap(name))));
  }
  pins.Keep();
  return {};
}

// The collection's names of the maps that a program uses.
std::vector<std::string> MapsOf(const Collection& objects, const ProgramInfo& program) {
  std::vector<std::string> names;
  for (const std::uint32_t id : program.map_ids) {
    for (const auto& [name, map] : objects.maps()) {
      if (map.info().id == id) names.push_back(name);
    }
  }
  return names;
}

void PrintText(const Collection& objects) {
  for (const auto& [name, map] : objects.maps()) {
    const MapInfo& info = map.info();
    fmt::print("map     {:>5}  {:<24} {:<16} key {}, value {}, {} entries\n", info.id, name, MapTypeName(info.type),
               info.key_size, info.value_size, info.max_entries);
  }
  for (const auto& [name, program] : objects.programs()) {
    const ProgramInfo& info = program.info();
    const auto maps = MapsOf(objects, info);
    fmt::print("program {:>5}  {:<24} {:<16} tag {}, {} instructions{}{}\n", info.id, name, ProgramTypeName(info.type),
               TagText(info), info.instruction_count, maps.empty() ? "" : ", maps ", fmt::join(maps, " "));
  }
}

void PrintJson(const Collection& objects) {
  for (const auto& [name, map] : objects.maps()) {
    nlohmann::ordered_json json = MapJson(map.info());
    json["name"] = name;
    fmt::print("{}\n", json.dump());
  }
  for (const auto& [name, program] : objects.programs()) {
    nlohmann::ordered_json json = ProgramJson(program.info());
    json["name"] = name;
    json["section"] = program.spec().section_name;
    json["maps"] = MapsOf(objects, program.info());
    fmt::print("{}\n", json.dump());
  }
}

Result<void> Load(const LoadVerbOptions& options) {
  LoadOptions load;
  if (!options.kconfig_file.empty()) load.kconfig = STRATA_TRY(ReadTextFile(options.kconfig_file));
  const auto backend = STRATA_TRY(options.backend.Open());
  auto objects = LoadCollection(backend, options.object, std::move(load));
  if (!objects) {
    if (!objects.error().log().empty() && options.log_lines > 0) {
      fmt::print(stderr, "{}\n",
                 FormatVerifierLog(objects.error(), {.form = VerifierLogForm::kTail, .lines = options.log_lines}));
    }
    return objects.error();
  }
  if (!options.pin_folder.empty()) STRATA_TRY(PinAll(*backend, *objects, options.pin_folder));
  options.json ? PrintJson(*objects) : PrintText(*objects);
  return {};
}

}  // namespace

void SetUpLoad(CLI::App& app, Invocation* invocation) {
  auto options = std::make_shared<LoadVerbOptions>();
  app.add_option("OBJECT", options->object, "A compiled eBPF object")->required();
  app.add_option("--pin", options->pin_folder,
                 "Keep everything under this folder of a BPF file system, in programs/ and maps/; without it all goes "
                 "when the command ends");
  app.add_option("--kconfig", options->kconfig_file, "Lines CONFIG_X=value that stand before the kernel's");
  app.add_option("--log-lines", options->log_lines, "How much of the verifier's log a rejection shows; 0 for none")
      ->capture_default_str();
  app.add_flag("--json", options->json, "One JSON object a line");
  AddBackendOptions(app, options->backend);
  AddShareOption(app, options->backend.share);
  app.callback([options, invocation] { invocation->exit_status = ExitStatusOf(Load(*options)); });
}

}  // namespace strata::tools
