#include "strata/backend/kernel_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "strata/base/unique_fd.h"

namespace strata {
namespace {

// Files of sysfs and procfs have no true size.
Result<std::vector<std::byte>> ReadWhole(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, path);
  std::vector<std::byte> bytes;
  constexpr std::size_t kStep = std::size_t{1} << 20;
  for (;;) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kStep);
    const ssize_t count = ::read(fd.get(), bytes.data() + size, kStep);
    if (count < 0) return Error::FromErrno(errno, path);
    bytes.resize(size + static_cast<std::size_t>(count));
    if (count == 0) return bytes;
  }
}

}  // namespace

struct KernelFacts::State {
  KernelFactsSources sources;
  std::mutex mutex;
  std::shared_ptr<const btf::Btf> types;
};

KernelFacts::KernelFacts(KernelFactsSources sources) : state_(new State{std::move(sources), {}, {}}) {}
KernelFacts::~KernelFacts() = default;

Result<std::shared_ptr<const btf::Btf>> KernelFacts::Types() const {
  const std::lock_guard lock(state_->mutex);
  if (state_->types == nullptr) {
    auto bytes = STRATA_TRY(ReadWhole(state_->sources.types).Context("the kernel's BTF (CONFIG_DEBUG_INFO_BTF)"));
    state_->types = STRATA_TRY(btf::Btf::Parse(std::move(bytes), state_->sources.types));
  }
  return state_->types;
}

}  // namespace strata
