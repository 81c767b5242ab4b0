#include "strata/object/collection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

#include "map_defaults.h"
#include "strata/base/mapped_file.h"
#include "strata/elf/reader.h"
#include "strata/object/prepare/prepare.h"

namespace strata {
namespace {

template <typename Container>
Error NoSuch(std::string_view kind, std::string_view name, const CollectionSpec& spec, const Container& existing) {
  std::vector<std::string_view> names;
  names.reserve(existing.size());
  for (const auto& [key, unused] : existing) names.push_back(key);
  return Error(ErrorCode::kNotFound, fmt::format("{}: no {} named {} (there is: {})", spec.name, kind, name,
                                                 names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace

// Makes the objects one kind after the other; what was made goes with the loader when a step fails.
class CollectionLoader {
 public:
  CollectionLoader(std::shared_ptr<Backend> backend, CollectionSpec spec, LoadOptions options)
      : options_(std::move(options)) {
    collection_.backend_ = std::move(backend);
    collection_.spec_ = std::move(spec);
  }

  Result<Collection> Load() && {
    STRATA_TRY(CheckByteOrder());
    STRATA_TRY(CheckHasPrograms());
    STRATA_TRY(LoadTypes());
    STRATA_TRY(CreateMaps());
    STRATA_TRY(FillDataSections());
    STRATA_TRY(LoadPrograms());
    return std::move(collection_);
  }

 private:
  Result<void> CheckByteOrder() const {
    if (spec().byte_order == std::endian::native) return {};
    return Error(ErrorCode::kNotSupported,
                 "the object is big-endian and this machine is not; compile it with -target bpfel");
  }

  Result<void> CheckHasPrograms() const {
    if (!spec().programs.empty()) return {};
    return Error(ErrorCode::kInvalidArgument, "the object has no programs; a function becomes one by SEC(\"...\")");
  }

  Result<void> LoadTypes() {
    if (spec().types == nullptr) return {};
    auto types = backend().LoadTypes(spec().types->bytes());
    // A kernel that refuses the BTF can still run the programs; it knows less to say about them.
    if (types) types_ = *std::move(types);
    return {};
  }

  Result<void> CreateMaps() {
    for (const auto& [name, map_spec] : spec().maps) {
      MapSpec complete = WithMapDefaults(map_spec, backend().possible_cpus());
      auto map = STRATA_TRY(backend().CreateMap(complete, types_));
      collection_.maps_.emplace(name, Map(collection_.backend_, std::move(map), std::move(complete)));
    }
    return {};
  }

  // Before any program is loaded, so that the verifier knows what constants hold.
  Result<void> FillDataSections() {
    const std::uint32_t first_key = 0;
    for (auto& [name, map] : collection_.maps_) {
      if (!map.spec().is_data_section) continue;
      const auto contents = DataSectionContents(name, map.spec());
      STRATA_TRY(map.Update(std::as_bytes(std::span(&first_key, 1)), contents));
      if (map.spec().freeze) STRATA_TRY(map.Freeze());
    }
    return {};
  }

  std::vector<std::byte> DataSectionContents(const std::string& name, const MapSpec& map) const {
    std::vector<std::byte> contents = map.contents;
    contents.resize(map.value_size);
    for (const auto& [unused, variable] : spec().variables) {
      if (variable.map_name != name || variable.value.empty()) continue;
      std::memcpy(contents.data() + variable.offset_bytes, variable.value.data(), variable.value.size());
    }
    return contents;
  }

  Result<void> LoadPrograms() {
    ProgramPreparer preparer(spec(), backend().kernel(), {options_.target_types, options_.extra_target_types});
    const MapResolver resolve = [this](std::string_view name) { return ResolveMap(name); };
    for (const auto& [name, program_spec] : spec().programs) {
      if (!program_spec.autoload) continue;
      LinkedProgram linked = STRATA_TRY(preparer.Prepare(program_spec, resolve));
      linked.types = types_;
      auto program = STRATA_TRY(backend().LoadProgram(linked));
      collection_.programs_.emplace(name, Program(collection_.backend_, std::move(program), program_spec));
    }
    return {};
  }

  Result<std::shared_ptr<BackendMap>> ResolveMap(std::string_view name) const {
    const auto found = collection_.maps_.find(name);
    if (found == collection_.maps_.end()) return NoSuch("map", name, spec(), collection_.maps_);
    return found->second.backend_map();
  }

  Backend& backend() const { return *collection_.backend_; }
  const CollectionSpec& spec() const { return collection_.spec_; }

  LoadOptions options_;
  Collection collection_;
  std::shared_ptr<BackendTypes> types_;
};

Result<CollectionSpec> LoadCollectionSpec(const std::string& path) {
  const MappedFile file = STRATA_TRY(MappedFile::Open(path));
  return elf::ReadCollectionSpec(file.bytes(), {.path = path, .name = {}});
}

Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, CollectionSpec spec, LoadOptions options) {
  const std::string name = spec.name;
  return CollectionLoader(std::move(backend), std::move(spec), std::move(options)).Load().Context(name);
}

Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, const std::string& path, LoadOptions options) {
  return CollectionLoader(std::move(backend), STRATA_TRY(LoadCollectionSpec(path)), std::move(options))
      .Load()
      .Context(path);
}

Result<Map*> Collection::FindMap(std::string_view name) {
  const auto found = maps_.find(name);
  if (found == maps_.end()) return NoSuch("map", name, spec_, maps_);
  return &found->second;
}

Result<Program*> Collection::FindProgram(std::string_view name) {
  const auto found = programs_.find(name);
  if (found == programs_.end()) return NoSuch("program", name, spec_, programs_);
  return &found->second;
}

Result<Variable> Collection::FindVariable(std::string_view name) {
  const auto found = spec_.variables.find(name);
  if (found == spec_.variables.end()) return NoSuch("variable", name, spec_, spec_.variables);
  const VariableSpec& variable = found->second;
  auto& memory = memories_[variable.map_name];
  if (memory == nullptr) {
    Map* map = STRATA_TRY(FindMap(variable.map_name));
    memory = STRATA_TRY(map->backend_map()->Memory());
  }
  if (variable.offset_bytes > memory->bytes().size() ||
      variable.value.size() > memory->bytes().size() - variable.offset_bytes) {
    return Error(ErrorCode::kMalformed, fmt::format("variable {}: lies outside of {}", name, variable.map_name));
  }
  return Variable(memory, variable);
}

}  // namespace strata
