// How an object file becomes objects.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "strata/btf/btf.h"
#include "strata/object/map.h"

namespace strata {

// What becomes of maps that no program to be loaded refers to, directly or through maps of maps.
enum class UnusedMaps : std::uint8_t { kCreate, kSkip };

enum class OnProgramError : std::uint8_t {
  kFail,  // nothing stays
  kSkip,  // the program is left out, Collection::skipped() says why; an error when none is left
};

// What becomes of what is pinned already where a map is to be pinned.
enum class PinPolicy : std::uint8_t {
  kReuse,    // it is the map, if it is compatible (map_compatible.h); kMapIncompatible otherwise
  kReplace,  // the new map takes its place when everything is loaded, all maps or none
  kFail,     // an error
};

struct LoadOptions {
  // Lines "CONFIG_X=value" that stand before the running kernel's configuration.
  std::string kconfig = {};
  // What CO-RE fits the code to, instead of the running kernel's types; and more, for types that it does not have.
  std::shared_ptr<const btf::Btf> target_types = {};
  std::vector<std::shared_ptr<const btf::Btf>> extra_target_types = {};
  // What the kernel's verifier shall say of programs that it accepts (Program::log): a sum of 1 (branches), 2 (every
  // state), 4 (statistics). A rejection always has its log.
  std::uint32_t log_level = 0;
  // By the name of a program: the loaded program (Program::backend_program) whose function it replaces (SEC("freplace/
  // FUNCTION")) or observes (SEC("fentry/FUNCTION"), SEC("fexit/FUNCTION")). Not on the userspace backend.
  std::map<std::string, std::shared_ptr<BackendProgram>, std::less<>> attach_programs = {};

  // Only these programs, whatever their autoload says, and those that prog arrays which they use hold from the start.
  // Empty: every program whose autoload is set.
  std::vector<std::string> programs = {};
  OnProgramError on_program_error = OnProgramError::kFail;

  UnusedMaps unused_maps = UnusedMaps::kCreate;
  // Maps to be made although they are unused, or although their autocreate is off.
  std::vector<std::string> maps_to_keep = {};
  // By name, maps that exist and stand for those of the object: shared with another collection, opened by id or path.
  // They have to be compatible, and are left as they are: no contents, slots or freezing by the object. The pointers
  // are not kept.
  std::map<std::string, const Map*> maps = {};

  // Where maps that the object pins by name (LIBBPF_PIN_BY_NAME, PinType::kByName) are pinned: a folder in a BPF file
  // system, made when it is missing. A dot of the name becomes '_', the kernel allows none. Empty: they are not pinned.
  std::string pin_folder = {};
  PinPolicy pin_policy = PinPolicy::kReuse;
};

}  // namespace strata
