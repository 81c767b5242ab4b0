// A ring whose producer is the test, and need not be a good one.
#pragma once

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "prepare/named_map.h"
#include "strata/base/unique_fd.h"
#include "strata/object/map.h"

namespace strata {

// What producer and consumer share.
class FakeRing {
 public:
  static constexpr std::uint64_t kSize = 4096;
  static constexpr std::uint32_t kBusy = 1U << 31;
  static constexpr std::uint32_t kDiscarded = 1U << 30;

  FakeRing() : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    const UniqueFd file(::memfd_create("ring", MFD_CLOEXEC));
    if (::ftruncate(file.get(), kSize) != 0) std::abort();
    data = static_cast<std::byte*>(::mmap(nullptr, 2 * kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::byte* half : {data, data + kSize}) {
      ::mmap(half, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.get(), 0);
    }
  }
  FakeRing(const FakeRing&) = delete;
  FakeRing& operator=(const FakeRing&) = delete;
  ~FakeRing() { ::munmap(data, 2 * kSize); }

  // The word at a record's start, at a position.
  void SetWord(std::uint64_t position, std::uint32_t word) {
    std::memcpy(data + position % kSize, &word, sizeof(word));
  }
  // A record with these bits and bytes; returns its position.
  std::uint64_t Put(std::string_view bytes, std::uint32_t bits = 0) {
    const std::uint64_t position = producer;
    SetWord(position, static_cast<std::uint32_t>(bytes.size()) | bits);
    std::memcpy(data + position % kSize + 8, bytes.data(), bytes.size());
    producer += (bytes.size() + 8 + 7) / 8 * 8;
    return position;
  }

  std::uint64_t consumer = 0;
  std::uint64_t producer = 0;
  std::byte* data;
  UniqueFd event;
};

class FakeRingMap : public NamedMap {
 public:
  explicit FakeRingMap(FakeRing& ring) : NamedMap("events"), ring_(ring) {}
  Result<std::unique_ptr<RingMemory>> Ring() override {
    return std::unique_ptr<RingMemory>(std::make_unique<Memory>(ring_));
  }

 private:
  class Memory : public RingMemory {
   public:
    explicit Memory(FakeRing& ring) : ring_(ring) {}
    std::uint64_t* consumer_position() override { return &ring_.consumer; }
    const std::uint64_t* producer_position() override { return &ring_.producer; }
    const std::byte* data() override { return ring_.data; }
    std::size_t size_bytes() const override { return FakeRing::kSize; }
    int poll_descriptor() const override { return ring_.event.get(); }
    void Rearm() override {}
    std::uint64_t dropped() const override { return 0; }

   private:
    FakeRing& ring_;
  };
  FakeRing& ring_;
};

}  // namespace strata
