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
#include "strata/object/load_options.h"
#include "strata/object/map.h"
#include "strata/object/program.h"
#include "strata/object/registration.h"
#include "strata/object/variable.h"
#include "strata/spec/collection_spec.h"

namespace strata {

// Reads an object file. No privilege, no system call but for reading the file. Errors start with the path.
STRATA_EXPORT Result<CollectionSpec> LoadCollectionSpec(const std::string& path);

// Move-only. Pointers from Find* are valid as long as the collection. It is what keeps prog arrays filled: the kernel
// empties one that no process has a handle of and that is not pinned. Programs and links keep the maps that they use,
// so that is at the end of the process, not of the collection, for programs that stay attached by a pinned link.
class STRATA_EXPORT Collection {
 public:
  Collection(Collection&&) = default;
  Collection& operator=(Collection&&) = default;

  const CollectionSpec& spec() const { return spec_; }
  const std::shared_ptr<Backend>& backend() const { return backend_; }
  const std::map<std::string, Map, std::less<>>& maps() const { return maps_; }
  const std::map<std::string, Program, std::less<>>& programs() const { return programs_; }

  // Programs that were left out because they cannot be loaded, and maps that cannot be made, with the reason: only with
  // OnProgramError::kSkip. Programs that use such a map are among the former.
  const std::map<std::string, Error, std::less<>>& skipped() const { return skipped_; }
  const std::map<std::string, Error, std::less<>>& skipped_maps() const { return skipped_maps_; }

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

  std::map<std::string, Error, std::less<>> skipped_;
  std::map<std::string, Error, std::less<>> skipped_maps_;

  struct StructOpsValue {
    std::vector<std::byte> contents;
    std::vector<ProgramPointer> programs;
  };
  std::map<std::string, StructOpsValue, std::less<>> struct_ops_;  // by map
};

// Creates the maps, then loads the programs that LoadOptions::programs names, or whose autoload is set. When one fails,
// nothing stays, unless LoadOptions::on_program_error says otherwise.
STRATA_EXPORT Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, CollectionSpec spec,
                                                LoadOptions options = {});
STRATA_EXPORT Result<Collection> LoadCollection(std::shared_ptr<Backend> backend, const std::string& path,
                                                LoadOptions options = {});

}  // namespace strata
