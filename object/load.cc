#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "kconfig.h"
#include "load_selection.h"
#include "map_defaults.h"
#include "map_source.h"
#include "strata/base/mapped_file.h"
#include "strata/elf/reader.h"
#include "strata/isa/opcode.h"
#include "strata/object/collection.h"
#include "strata/object/prepare/prepare.h"
#include "strata/spec/context_arguments.h"
#include "strata/spec/map_rules.h"
#include "struct_ops.h"

namespace strata {
namespace {

bool HoldsMaps(MapType type) { return HasTrait(type, map_traits::kHoldsMaps); }

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// Why the kernel cannot load the program without the object's BTF; empty when it can.
std::string_view NeedOfTypes(const LinkedProgram& program) {
  for (std::size_t i = 0; i < program.instructions.size(); i += isa::SlotCount(program.instructions[i])) {
    const isa::Instruction& instruction = program.instructions[i];
    const bool is_load = instruction.opcode == static_cast<std::uint8_t>(isa::Opcode::kLoadImm64);
    if (is_load && instruction.src == static_cast<std::uint8_t>(isa::PseudoLoad::kFunction)) return "it has callbacks";
  }
  return {};
}

}  // namespace

// Makes the objects one kind after the other; what was made goes with the loader when a step fails.
class CollectionLoader {
 public:
  CollectionLoader(std::shared_ptr<Backend> backend, CollectionSpec spec, LoadOptions options)
      : options_(std::move(options)), source_(collection_.backend_, options_) {
    collection_.backend_ = std::move(backend);
    collection_.spec_ = std::move(spec);
  }

  Result<Collection> Load() && {
    STRATA_TRY(CheckByteOrder());
    STRATA_TRY(CheckHasPrograms());
    selection_ = STRATA_TRY(SelectObjects(spec(), options_));
    STRATA_TRY(LoadTypes());
    STRATA_TRY(PlanStructOpsMaps());
    STRATA_TRY(CreateMaps());
    STRATA_TRY(FillDataSections());
    STRATA_TRY(FillArenas());
    STRATA_TRY(FillMapSlots());
    STRATA_TRY(LoadPrograms());
    STRATA_TRY(FillProgramSlots());
    STRATA_TRY(FillStructOps());
    ShareUsdtSpecs();
    STRATA_TRY(source_.CommitPins());
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
    STRATA_TRY(FixContextArguments());
    auto types = backend().LoadTypes(context_types_ != nullptr ? context_types_->bytes() : spec().types->bytes());
    // A kernel that refuses the BTF can still run most programs; it knows less to say about them.
    if (types) {
      types_ = *std::move(types);
    } else {
      types_error_ = std::move(types).error();
    }
    return {};
  }

  Result<void> FixContextArguments() {
    constexpr std::uint32_t kKnowsTheTag = 6U << 16 | 8U << 8;
    if (!backend().runs_in_kernel()) return {};
    const auto version = backend().kernel().Version();
    if (!version || *version >= kKnowsTheTag) return {};
    ContextFixUp fixed = STRATA_TRY(FixUpContextArguments(spec()));
    context_types_ = std::move(fixed.types);
    context_functions_ = std::move(fixed.functions);
    return {};
  }

  Result<void> PlanStructOpsMaps() {
    for (const auto& [name, map] : spec().maps) {
      if (map.type != MapType::kStructOps || !selection_.maps.contains(name)) continue;
      if (!backend().runs_in_kernel()) {
        return Error(ErrorCode::kNotSupported,
                     fmt::format("map {}: struct_ops are not possible on the {} backend", name, backend().name()));
      }
      if (spec().types == nullptr) {
        return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: struct_ops need BTF; compile with -g", name));
      }
      const auto kernel = STRATA_TRY(backend().kernel().Types());
      struct_ops_.emplace(name, STRATA_TRY(PlanStructOps(map, *spec().types, *kernel)));
    }
    return {};
  }

  Result<void> CreateMaps() {
    for (const std::string& name : selection_.maps) {
      auto created = CreateMap(name, spec().maps.at(name));
      if (created) continue;
      if (options_.on_program_error == OnProgramError::kFail) return std::move(created).error();
      collection_.skipped_maps_.emplace(name, std::move(created).error());
    }
    return {};
  }

  Result<void> CreateMap(const std::string& name, const MapSpec& map_spec) {
    if (!map_spec.extra.empty()) {
      return Error(ErrorCode::kNotSupported,
                   fmt::format("map {}: its definition has {} bytes that only its own loader understands", name,
                               map_spec.extra.size()));
    }
    auto obtained = STRATA_TRY(source_.Obtain(name, CompleteMapSpec(name, map_spec), types_));
    if (!obtained.is_new) filled_.insert(name);
    if (obtained.is_given) given_.insert(name);
    const auto [place, unused] = collection_.maps_.emplace(name, std::move(obtained.map));
    source_.NoteForPinning(name, place->second);
    return {};
  }

  MapSpec CompleteMapSpec(const std::string& name, const MapSpec& map) const {
    if (const auto plan = struct_ops_.find(name); plan != struct_ops_.end()) return plan->second.map;
    MapSpec complete = map;
    // Without a template the first map that it shall hold is one.
    if (HoldsMaps(map.type) && map.inner.empty() && !map.slots.empty()) {
      const auto held = spec().maps.find(map.slots.front().symbol);
      if (held != spec().maps.end() && !HoldsMaps(held->second.type)) complete.inner = {held->second};
    }
    return WithMapDefaults(std::move(complete), backend().possible_cpus());
  }

  // Before any program is loaded, so that the verifier knows what constants hold.
  Result<void> FillDataSections() {
    const std::uint32_t first_key = 0;
    for (auto& [name, map] : collection_.maps_) {
      if (!map.spec().is_data_section || filled_.contains(name)) continue;
      const auto contents = STRATA_TRY(DataSectionContents(name, map.spec()));
      STRATA_TRY(map.Update(BytesOf(first_key), contents));
      if (map.spec().freeze) STRATA_TRY(map.Freeze());
    }
    return {};
  }

  Result<std::vector<std::byte>> DataSectionContents(const std::string& name, const MapSpec& map) const {
    if (map.contents.size() > map.value_size) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("map {}: value_size: {} bytes have no room for {} bytes of contents (ResizeDataSection "
                               "changes both)",
                               name, map.value_size, map.contents.size()));
    }
    std::vector<std::byte> contents = InitialContents(name, map, map.value_size);
    if (name == kKconfigMap) {
      STRATA_TRY(ResolveKconfig(spec(), collection_.backend_->kernel(), options_.kconfig, contents));
    }
    return contents;
  }

  std::vector<std::byte> InitialContents(const std::string& name, const MapSpec& map, std::size_t size) const {
    std::vector<std::byte> contents = map.contents;
    contents.resize(size);
    for (const auto& [unused, variable] : spec().variables) {
      const bool fits = variable.offset_bytes <= size && variable.value.size() <= size - variable.offset_bytes;
      if (variable.map_name != name || variable.value.empty() || !fits) continue;
      std::memcpy(contents.data() + variable.offset_bytes, variable.value.data(), variable.value.size());
    }
    return contents;
  }

  // Mapping an arena decides where programs see it, so this too comes before they are loaded.
  Result<void> FillArenas() {
    for (auto& [name, map] : collection_.maps_) {
      if (map.spec().type != MapType::kArena) continue;
      std::shared_ptr<MapMemory> memory = STRATA_TRY(map.backend_map()->Memory());
      if (filled_.contains(name)) {
        collection_.memories_.emplace(name, std::move(memory));
        continue;
      }
      const auto contents = InitialContents(name, map.spec(), map.spec().contents.size());
      if (contents.size() > memory->bytes().size()) {
        return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: {} bytes of variables do not fit into {} pages",
                                                              name, contents.size(), map.spec().max_entries));
      }
      std::copy(contents.begin(), contents.end(), memory->bytes().begin());
      collection_.memories_.emplace(name, std::move(memory));
    }
    return {};
  }

  Result<void> FillMapSlots() {
    for (auto& [name, map] : collection_.maps_) {
      if (!HoldsMaps(map.spec().type) || filled_.contains(name)) continue;
      for (const MapSlotInit& slot : map.spec().slots) {
        const auto inner = STRATA_TRY(ResolveMap(slot.symbol).Context(SlotPlace(name, slot)));
        STRATA_TRY(map.backend_map()->UpdateMap(BytesOf(slot.key), inner).Context(SlotPlace(name, slot)));
      }
    }
    return {};
  }

  // After all programs are there. A program that is not loaded leaves its slot empty. In a pinned array that is used
  // again, slots change from old programs to new ones here, one after the other.
  Result<void> FillProgramSlots() {
    for (auto& [name, map] : collection_.maps_) {
      if (map.spec().type != MapType::kProgArray || given_.contains(name)) continue;
      for (const MapSlotInit& slot : map.spec().slots) {
        const auto program = collection_.programs_.find(slot.symbol);
        if (program == collection_.programs_.end()) {
          if (spec().programs.contains(slot.symbol)) continue;
          return NoSuchProgram(slot.symbol).WithContext(SlotPlace(name, slot));
        }
        STRATA_TRY(map.backend_map()
                       ->UpdateProgram(BytesOf(slot.key), program->second.backend_program())
                       .Context(SlotPlace(name, slot)));
      }
    }
    return {};
  }

  static std::string SlotPlace(const std::string& map, const MapSlotInit& slot) {
    return fmt::format("map {}: slot {}", map, slot.key);
  }

  Result<void> LoadPrograms() {
    ProgramPreparer preparer(
        spec(), backend().kernel(),
        {options_.target_types, options_.extra_target_types, backend().runs_in_kernel(), context_functions_,
         options_.attach_programs, [this](const std::string& name, const btf::Btf& types, btf::TypeId declared) {
           return backend().HasFunction(name, types, declared);
         }});
    const MapResolver resolve = [this](std::string_view name) { return ResolveMap(name); };
    for (const std::string& name : selection_.programs) {
      auto loaded = LoadProgram(name, spec().programs.at(name), preparer, resolve);
      if (loaded) continue;
      if (options_.on_program_error == OnProgramError::kFail) return std::move(loaded).error();
      collection_.skipped_.emplace(name, std::move(loaded).error());
    }
    // A load without programs is no success.
    if (collection_.programs_.empty() && !collection_.skipped_.empty()) return collection_.skipped_.begin()->second;
    return {};
  }

  Result<void> LoadProgram(const std::string& name, const ProgramSpec& program_spec, ProgramPreparer& preparer,
                           const MapResolver& resolve) {
    if (!STRATA_TRY(HasPlace(name, program_spec.type_of_program))) return {};
    LinkedProgram linked = STRATA_TRY(preparer.Prepare(program_spec, resolve));
    linked.types = types_;
    linked.log_level = options_.log_level;
    BindStructOps(name, linked);
    STRATA_TRY(CheckTypesFor(linked));
    auto program = STRATA_TRY(backend().LoadProgram(linked));
    // They come in the order of their names.
    collection_.programs_.emplace_hint(collection_.programs_.end(), name,
                                       Program(collection_.backend_, std::move(program), program_spec));
    return {};
  }

  // A struct_ops program is of use only behind a function pointer. One whose pointer this kernel does not have, or
  // whose map is not made, is left out.
  Result<bool> HasPlace(std::string_view program, ProgramType type) const {
    if (type != ProgramType::kStructOps || FindBinding(program)) return true;
    for (const auto& [name, map] : spec().maps) {
      const bool names_it = std::any_of(map.slots.begin(), map.slots.end(),
                                        [&](const MapSlotInit& slot) { return slot.symbol == program; });
      if (map.type == MapType::kStructOps && names_it) return false;
    }
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("program {}: no struct_ops variable has it as a function pointer", program));
  }

  struct Binding {
    const StructOpsPlan* plan;
    const StructOpsPlan::Callback* callback;
  };
  std::optional<Binding> FindBinding(std::string_view program) const {
    for (const auto& [name, plan] : struct_ops_) {
      for (const StructOpsPlan::Callback& callback : plan.callbacks) {
        if (callback.program == program) return Binding{&plan, &callback};
      }
    }
    return std::nullopt;
  }

  void BindStructOps(const std::string& name, LinkedProgram& linked) const {
    if (linked.type != ProgramType::kStructOps) return;
    const auto binding = FindBinding(name);
    if (!binding) return;
    linked.attach_btf_id = binding->plan->type.value;
    linked.attach_type = static_cast<AttachType>(binding->callback->member);
  }

  Result<void> CheckTypesFor(const LinkedProgram& program) const {
    if (!types_error_) return {};
    const std::string_view need = NeedOfTypes(program);
    if (need.empty()) return {};
    return Error(ErrorCode::kNotSupported,
                 fmt::format("program {}: {}, for which the kernel wants the object's BTF; it refused that: {}",
                             program.name, need, types_error_->message()))
        .WithLog(types_error_->log());
  }

  // A map that is attached by a link is complete now and registered by that link, unless some of its programs are not
  // loaded: the kernel may insist on them. Another one is registered by Collection::RegisterStructOps.
  Result<void> FillStructOps() {
    for (const auto& [name, plan] : struct_ops_) {
      if (!collection_.maps_.contains(name)) continue;  // it could not be made
      auto& pending = collection_.struct_ops_[name];
      pending.contents = plan.map.contents;
      for (const StructOpsPlan::Callback& callback : plan.callbacks) {
        const auto program = collection_.programs_.find(callback.program);
        if (program == collection_.programs_.end()) {
          if (spec().programs.contains(callback.program)) continue;  // not to be loaded: the pointer stays null
          return NoSuchProgram(callback.program).WithContext("map " + name);
        }
        pending.programs.push_back({callback.offset_bytes, program->second.backend_program()});
      }
      const bool is_complete = pending.programs.size() == plan.callbacks.size();
      if (plan.map.is_linkable && is_complete) {
        STRATA_TRY(collection_.maps_.at(name).backend_map()->UpdateStructOps(pending.contents, pending.programs));
      }
    }
    return {};
  }

  // All programs read the arguments of USDT probes from one map.
  void ShareUsdtSpecs() {
    const auto map = collection_.maps_.find(kUsdtSpecsMap);
    if (map == collection_.maps_.end()) return;
    const auto specs = std::make_shared<UsdtSpecs>(map->second.backend_map());
    for (auto& [unused, program] : collection_.programs_) program.ShareUsdtSpecs(specs);
  }

  Error NoSuchProgram(std::string_view name) const {
    return Error(ErrorCode::kNotFound, fmt::format("refers to program {}, which does not exist", name));
  }

  Result<std::shared_ptr<BackendMap>> ResolveMap(std::string_view name) {
    if (const auto error = collection_.skipped_maps_.find(name); error != collection_.skipped_maps_.end()) {
      return error->second;
    }
    return STRATA_TRY(collection_.FindMap(name))
    ->backend_map();
  }

  Backend& backend() const { return *collection_.backend_; }
  const CollectionSpec& spec() const { return collection_.spec_; }

  LoadOptions options_;
  Collection collection_;
  MapSource source_;
  LoadSelection selection_;
  std::set<std::string, std::less<>> filled_;  // maps that existed before
  std::set<std::string, std::less<>> given_;   // by the caller
  std::shared_ptr<BackendTypes> types_;
  std::shared_ptr<const btf::Btf> context_types_;  // the object's with more functions; null where they are not needed
  std::vector<ContextFunction> context_functions_;
  std::optional<Error> types_error_;  // the kernel's answer to the object's BTF
  std::map<std::string, StructOpsPlan, std::less<>> struct_ops_;
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

}  // namespace strata
