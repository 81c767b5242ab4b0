#include "map_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "map_compatible.h"

namespace strata {

bool MapSource::IsToBePinned(const MapSpec& spec) const {
  return spec.pinning == PinType::kByName && !options_.pin_folder.empty();
}

Result<std::string> MapSource::PinPathOf(const std::string& name) const {
  std::string file = name;
  std::replace(file.begin(), file.end(), '.', '_');
  return backend_->PinPath(fmt::format("{}/{}", options_.pin_folder, file));
}

Result<Map> MapSource::MakeMap(MapSpec spec, const std::shared_ptr<BackendTypes>& types) const {
  auto map = STRATA_TRY(backend_->CreateMap(spec, types));
  return Map(backend_, std::move(map), std::move(spec));
}

Result<MapSource::Obtained> MapSource::Obtain(const std::string& name, MapSpec spec,
                                              const std::shared_ptr<BackendTypes>& types) {
  if (const auto given = options_.maps.find(name); given != options_.maps.end()) {
    STRATA_TRY(CheckCompatible(spec, given->second->info()).Context("the map given for it"));
    return Obtained{Map(backend_, given->second->backend_map(), std::move(spec)), false, true};
  }
  if (IsToBePinned(spec)) return ObtainPinned(name, std::move(spec), types);
  return Obtained {
    STRATA_TRY(MakeMap(std::move(spec), types))
    , true, false
  };
}

Result<MapSource::Obtained> MapSource::ObtainPinned(const std::string& name, MapSpec spec,
                                                    const std::shared_ptr<BackendTypes>& types) const {
  const std::string path = STRATA_TRY(PinPathOf(name));
  auto pinned = Map::OpenPinned(backend_, path);
  if (!pinned && pinned.error().code() != ErrorCode::kNotFound) return std::move(pinned).error();
  if (pinned && options_.pin_policy == PinPolicy::kFail) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("map {}: a map (id {}) is pinned at {} already", name, pinned->info().id, path), EEXIST);
  }
  if (pinned && options_.pin_policy == PinPolicy::kReuse) {
    STRATA_TRY(CheckCompatible(spec, pinned->info()).Context(path));
    Map map(backend_, pinned->backend_map(), std::move(spec));
    PinTransaction::Adopt(map, path);
    return Obtained{std::move(map), false, false};
  }
  return Obtained {
    STRATA_TRY(MakeMap(std::move(spec), types))
    , true, false
  };
}

void MapSource::NoteForPinning(const std::string& name, Map& map) {
  const bool is_given = options_.maps.find(name) != options_.maps.end();
  if (is_given || !IsToBePinned(map.spec()) || !map.pin_path().empty()) return;
  // A path that is none was an error when the map was looked for there.
  if (auto path = PinPathOf(name)) pins_.Add(&map, *std::move(path), options_.pin_policy);
}

}  // namespace strata
