// The objects of one object file, made on a backend.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/base/result.h"
#include "strata/object/map.h"
#include "strata/object/program.h"
#include "strata/object/registration.h"
#include "strata/object/variable.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// Reads an object file. No privilege, no system call but for reading the file. Errors start with the path.
STRATA_EXPORT Result<CollectionSpec> LoadCollectionSpec(const std::string& path);

// Move-only. Pointers from Find* are valid as long as the collection.
class STRATA_EXPORT Collection {
 public:
  Collection(Collection&&) = default;
  Collection& operator=(Collection&&) = default;

  const CollectionSpec& spec() const { return spec_; }
  const std::shared_ptr<Backend>& backend() const { return backend_; }
  const std::map<std::string, Map, std::less<>>& maps() const { return maps_; }
  const std::map<std::string, Program, std::less<>>& programs() const { return programs_; }

  // kNotFound names what does not exist and what does.
  Result<Map*> FindMap(std::string_view name);
  Result<Program*> FindProgram(std::string_view name);
  Result<Variable> FindVariable(std::string_view name);

  // Makes the kernel use a struct_ops map of section ".struct_ops", until what is returned goes. kInvalidArgument for
  // another map, and for one of ".struct_ops.link", which a link registers.
  Result<StructOpsRegistration> RegisterStructOps(std::string_view map);

  // A typed view (map_views.h): kMapIncompatible when the map is of another kind or has other sizes.
  template <typename View>
  Result<View> FindMap(std::string_view name) {
    return View::From(*STRATA_TRY(FindMap(name)));
  }

 private:
  friend class CollectionLoader;
  Collection() = default;

  CollectionSpec spec_;
  std::shared_ptr<Backend> backend_;
  std::map<std::string, Map, std::less<>> maps_;
  std::map<std::string, Program, std::less<>> programs_;
  std::map<std::string, std::shared_ptr<MapMemory>, std::less<>> memories_;  // of data sections, mapped on first use

  struct StructOpsValue {
    std::vector<std::byte> contents;
    std::vector<ProgramPointer> programs;
  };
  std::map<std::string, StructOpsValue, std::less<>> struct_ops_;  // by map
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
};

// Creates every map, then loads every program whose autoload is set. When one fails, nothing stays.
STRATA_EXPORT Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, CollectionSpec spec,
                                                LoadOptions options = {});
STRATA_EXPORT Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, const std::string& path,
                                                LoadOptions options = {});

}  // namespace strata
