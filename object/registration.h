// A struct_ops map in use by the kernel.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "strata/backend/backend.h"
#include "strata/base/owner_process.h"
#include "strata/base/result.h"

namespace strata {

// Move-only. The kernel calls the map's programs until this is destroyed or unregistered; it keeps map and programs
// alive.
class STRATA_EXPORT StructOpsRegistration {
 public:
  // Writes the map's value, which is what registers it.
  static Result<StructOpsRegistration> Make(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map,
                                            const std::vector<std::byte>& value,
                                            const std::vector<ProgramPointer>& programs);
  StructOpsRegistration(StructOpsRegistration&&) = default;
  StructOpsRegistration& operator=(StructOpsRegistration&& other) noexcept;
  ~StructOpsRegistration();

  // What still uses it (a connection with that congestion control) keeps it until it ends.
  Result<void> Unregister();

 private:
  StructOpsRegistration(std::shared_ptr<Backend> backend, std::shared_ptr<BackendMap> map)
      : backend_(std::move(backend)), map_(std::move(map)) {}
  std::shared_ptr<Backend> backend_;
  std::shared_ptr<BackendMap> map_;  // null once unregistered
  OwnerProcess owner_;
};

}  // namespace strata
