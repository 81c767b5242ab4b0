#include "strata/object/registration.h"

#include <span>
#include <utility>

namespace strata {

Result<StructOpsRegistration> StructOpsRegistration::Make(std::shared_ptr<Backend> backend,
                                                          std::shared_ptr<BackendMap> map,
                                                          const std::vector<std::byte>& value,
                                                          const std::vector<ProgramPointer>& programs) {
  STRATA_TRY(map->UpdateStructOps(value, programs));
  return StructOpsRegistration(std::move(backend), std::move(map));
}

StructOpsRegistration& StructOpsRegistration::operator=(StructOpsRegistration&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(map_, other.map_);
  std::swap(owner_, other.owner_);
  return *this;
}

StructOpsRegistration::~StructOpsRegistration() {
  if (!owner_.IsCaller()) return;
  // A destructor has nobody to tell; Unregister() says what went wrong.
  [[maybe_unused]] const auto result = Unregister();
}

Result<void> StructOpsRegistration::Unregister() {
  if (map_ == nullptr) return {};
  const std::uint32_t key = 0;
  const auto map = std::exchange(map_, nullptr);
  STRATA_TRY(map->Delete(std::as_bytes(std::span(&key, 1))));
  return {};
}

}  // namespace strata
