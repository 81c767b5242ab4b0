#include "strata/base/shared_string.h"

#include <cstring>
#include <new>

namespace strata {

SharedString::Storage* SharedString::Store(std::string_view text) {
  if (text.empty()) return nullptr;
  auto* storage = new (::operator new(sizeof(Storage) + text.size())) Storage{{1}, text.size()};
  std::memcpy(static_cast<void*>(storage + 1), text.data(), text.size());
  return storage;
}

void SharedString::Release() {
  if (storage_ == nullptr || storage_->users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  storage_->~Storage();
  ::operator delete(storage_);
}

}  // namespace strata
