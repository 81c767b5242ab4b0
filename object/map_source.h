// Where the maps of a collection come from: made, given by the caller, or pinned by an earlier load.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pin_transaction.h"
#include "strata/object/load_options.h"
#include "strata/object/map.h"

namespace strata {

class MapSource {
 public:
  // Both must outlive it.
  MapSource(const std::shared_ptr<Backend>& backend, const LoadOptions& options)
      : backend_(backend), options_(options) {}

  struct Obtained {
    Map map;
    bool is_new;    // its contents are to be set
    bool is_given;  // by the caller, to be left as it is
  };
  // `spec` is complete; `name` its key in the collection.
  Result<Obtained> Obtain(const std::string& name, MapSpec spec, const std::shared_ptr<BackendTypes>& types);

  // To be called for each map that Obtain() returned, at the place where it stays.
  void NoteForPinning(const std::string& name, Map& map);
  // Pins what is new and shall be pinned, all or nothing.
  Result<void> CommitPins() { return pins_.Commit(); }

 private:
  bool IsToBePinned(const MapSpec& spec) const;
  Result<std::string> PinPathOf(const std::string& name) const;
  Result<Map> MakeMap(MapSpec spec, const std::shared_ptr<BackendTypes>& types) const;
  Result<Obtained> ObtainPinned(const std::string& name, MapSpec spec,
                                const std::shared_ptr<BackendTypes>& types) const;

  const std::shared_ptr<Backend>& backend_;
  const LoadOptions& options_;
  PinTransaction pins_;
};

}  // namespace strata
