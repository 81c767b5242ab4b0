#include "semaphores.h"

#include "strata/backend/userspace/runtime/sys.h"
#include "strata/spec/uprobe_config.h"

namespace strata::attach {
namespace {

namespace sys = runtime::sys;

constexpr int kEfault = 14;

// The file's place of the link's semaphore; false when it has none.
bool SemaphorePlace(const LinkState& link, FilePlace* place) {
  const runtime::LinkHeader& header = link.view.header;
  UprobeConfig config;
  if (header.config_size != sizeof(config)) return false;
  __builtin_memcpy(&config, link.view.config, sizeof(config));
  *place = {header.file_device, header.file_inode, link.view.path, config.ref_ctr_file_offset};
  return config.ref_ctr_file_offset != 0;
}

// By the kernel, which answers where the memory is gone since it was looked for. It is no atomic step: another tracer's
// change between the two calls would be lost.
int Add(std::uint64_t address, int amount) {
  std::uint16_t count = 0;
  const sys::IoVector local = {&count, sizeof(count)};
  const sys::IoVector remote = {reinterpret_cast<void*>(address), sizeof(count)};
  const std::uint32_t own = sys::Getpid();
  const long read = sys::ProcessVmReadv(own, &local, &remote);
  if (read != sizeof(count)) return read < 0 ? static_cast<int>(-read) : kEfault;
  // A copy of the file that was loaded anew knows nothing of us.
  if (amount < 0 && count == 0) return 0;
  count = static_cast<std::uint16_t>(count + amount);
  const long written = sys::ProcessVmWritev(own, &local, &remote);
  if (written != sizeof(count)) return written < 0 ? static_cast<int>(-written) : kEfault;
  return 0;
}

bool Contains(const std::uint64_t* addresses, std::size_t count, std::uint64_t wanted) {
  for (std::size_t i = 0; i < count; ++i) {
    if (addresses[i] == wanted) return true;
  }
  return false;
}

}  // namespace

bool FindSemaphores(LinkState& link, const ModuleMap& modules) noexcept {
  FilePlace place;
  link.semaphore_count = 0;
  if (!SemaphorePlace(link, &place)) return true;
  const std::size_t found = modules.FindData(place, link.semaphores, kMaxLinkSites);
  if (found == 0 || found > kMaxLinkSites) return false;
  link.semaphore_count = found;
  return true;
}

int RaiseSemaphores(LinkState& link) noexcept {
  for (std::size_t i = 0; i < link.semaphore_count; ++i) {
    const int error = Add(link.semaphores[i], 1);
    if (error == 0) continue;
    while (i-- > 0) Add(link.semaphores[i], -1);
    link.semaphore_count = 0;
    return error;
  }
  return 0;
}

void LowerSemaphores(LinkState& link, const ModuleMap& modules) noexcept {
  FilePlace place;
  std::uint64_t present[kMaxLinkSites];
  if (link.semaphore_count == 0 || !SemaphorePlace(link, &place)) return;
  std::size_t found = modules.FindData(place, present, kMaxLinkSites);
  if (found > kMaxLinkSites) found = kMaxLinkSites;
  for (std::size_t i = 0; i < link.semaphore_count; ++i) {
    if (Contains(present, found, link.semaphores[i])) Add(link.semaphores[i], -1);
  }
  link.semaphore_count = 0;
}

}  // namespace strata::attach
