#include "live_object.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <optional>
#include <vector>

namespace strata::tools {
namespace {

constexpr std::size_t kKernelNameSize = 15;  // longer names are cut off by the kernel

std::optional<std::uint32_t> AsId(const std::string& name) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_number = error == std::errc{} && end == name.data() + name.size();
  return is_number ? std::optional(id) : std::nullopt;
}

bool IsPath(const std::string& name) { return name.find('/') != std::string::npos; }

// The id of the one object that is called so.
template <typename Info>
Result<std::uint32_t> IdOfName(const Backend& backend, std::string_view kind, const std::vector<Info>& objects,
                               const std::string& name) {
  std::vector<std::uint32_t> ids;
  for (const Info& object : objects) {
    const bool is_cut = object.name.size() == kKernelNameSize && name.substr(0, kKernelNameSize) == object.name;
    if (object.name == name || is_cut) ids.push_back(object.id);
  }
  if (ids.empty()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{} {}: there is none of that name; strata list {}s --backend {} shows what there is",
                             kind, name, kind, backend.name()));
  }
  if (ids.size() > 1) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} {}: several have that name; choose by id: {}", kind, name, fmt::join(ids, ", ")));
  }
  return ids.front();
}

}  // namespace

Result<std::shared_ptr<Backend>> BackendChoice::Open() const {
  return OpenBackend(
      backend,
      {.session = session, .runtime_folder = {}, .share = share, .agent_path = {}, .handle_fault_signals = true});
}

void AddBackendOptions(CLI::App& app, BackendChoice& choice) {
  app.add_option("--backend", choice.backend, "Whose objects")
      ->check(CLI::IsMember({"userspace", "kernel"}))
      ->capture_default_str();
  app.add_option("--session", choice.session, "The userspace session")->capture_default_str();
}

void AddShareOption(CLI::App& app, std::string& share) {
  app.add_option("--share", share,
                 "Who else may use a new userspace session: user:NAME or group:NAME; with ,maps=ro maps are read-only");
}

Result<Map> FindLiveMap(const std::shared_ptr<Backend>& backend, const std::string& name) {
  if (IsPath(name)) return Map::OpenPinned(backend, name);
  if (const auto id = AsId(name)) return Map::Open(backend, *id);
  const ObjectListing listing = STRATA_TRY(backend->List());
  return Map::Open(backend, STRATA_TRY(IdOfName(*backend, "map", listing.maps, name)));
}

Result<Program> FindLiveProgram(const std::shared_ptr<Backend>& backend, const std::string& name) {
  if (IsPath(name)) return OpenPinnedProgram(backend, name);
  return OpenProgram(backend, STRATA_TRY(FindProgramId(backend, name)));
}

Result<std::uint32_t> FindProgramId(const std::shared_ptr<Backend>& backend, const std::string& name) {
  if (const auto id = AsId(name)) return *id;
  const ObjectListing listing = STRATA_TRY(backend->List());
  return IdOfName(*backend, "program", listing.programs, name);
}

Result<Link> FindLiveLink(const std::shared_ptr<Backend>& backend, const std::string& name) {
  if (IsPath(name)) return OpenPinnedLink(backend, name);
  if (const auto id = AsId(name)) return OpenLink(backend, *id);
  return Error(ErrorCode::kInvalidArgument, fmt::format("link {}: expected an id or a path", name));
}

}  // namespace strata::tools
