// The producer's side of user ring buffers (kernel/bpf/ringbuf.c): page 0 is the consumer's and read-only, page 1 the
// producer's, then the data twice.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map.h"
#include "mapping.h"

namespace strata::kernel {
namespace {

class KernelUserRingMemory : public UserRingMemory {
 public:
  KernelUserRingMemory(UniqueFd fd, Mapping consumer, Mapping producer, std::size_t size)
      : fd_(std::move(fd)), consumer_(std::move(consumer)), producer_(std::move(producer)), size_(size) {}
  const std::uint64_t* consumer_position() override { return reinterpret_cast<const std::uint64_t*>(consumer_.data()); }
  std::uint64_t* producer_position() override { return reinterpret_cast<std::uint64_t*>(producer_.data()); }
  std::byte* data() override { return producer_.data() + ::sysconf(_SC_PAGESIZE); }
  std::size_t size_bytes() const override { return size_; }
  int poll_descriptor() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
  Mapping consumer_;
  Mapping producer_;
  std::size_t size_;
};

}  // namespace

Result<std::unique_ptr<UserRingMemory>> KernelMap::UserRing() {
  if (info_.type != MapType::kUserRingBuf) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("map {}: is no user ring buffer", info_.name));
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::string what = "map " + info_.name;
  auto consumer = STRATA_TRY(Mapping::Make(context_, fd(), page, PROT_READ, 0, what));
  auto producer = STRATA_TRY(Mapping::Make(context_, fd(), page + 2 * std::size_t{info_.max_entries},
                                           PROT_READ | PROT_WRITE, static_cast<off_t>(page), what));
  auto descriptor = STRATA_TRY(fd_.Clone());
  return std::unique_ptr<UserRingMemory>(std::make_unique<KernelUserRingMemory>(
      std::move(descriptor), std::move(consumer), std::move(producer), info_.max_entries));
}

}  // namespace strata::kernel
