// Many maps pinned together, or none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "strata/object/load_options.h"
#include "strata/object/map.h"

namespace strata {

class PinTransaction {
 public:
  // `map` is pinned at `path` already.
  static void Adopt(Map& map, std::string path) { map.pin_path_ = std::move(path); }

  // `map` must live until Commit(). With kReplace what is at `path` then is replaced, otherwise it is an error.
  void Add(Map* map, std::string path, PinPolicy policy);

  // Pins every map beside its place, then puts each into its place by rename. When a step fails, what was pinned before
  // is there as before. kBusy when another process pinned something there meanwhile.
  Result<void> Commit();

 private:
  struct Entry {
    Map* map;
    std::string path;
    PinPolicy policy;
    bool is_staged = false;
    bool has_backup = false;
    bool is_in_place = false;
    std::string Staged() const;
    std::string Backup() const;
  };
  Result<void> Stage(Entry& entry);
  Result<void> PutInPlace(Entry& entry);
  void RollBack();
  void RemoveBackups();

  std::vector<Entry> entries_;
};

}  // namespace strata
