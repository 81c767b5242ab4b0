// The entries of a collection's map __bpf_usdt_specs (<bpf/usdt.bpf.h>), shared by all USDT links of its programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "strata/backend/backend.h"
#include "strata/base/result.h"

namespace strata {

inline constexpr std::string_view kUsdtSpecsMap = "__bpf_usdt_specs";

// Places that read the same arguments in the same way have one entry, which goes when the last of them is let go.
// Thread-safe.
class STRATA_EXPORT UsdtSpecs : public std::enable_shared_from_this<UsdtSpecs> {
 public:
  explicit UsdtSpecs(std::shared_ptr<BackendMap> map);

  // Holds an entry. Move-only; keeps the map.
  class STRATA_EXPORT Entry {
   public:
    Entry(Entry&& other) noexcept = default;
    Entry& operator=(Entry&& other) noexcept;
    ~Entry();
    std::uint32_t id() const { return id_; }

   private:
    friend class UsdtSpecs;
    Entry(std::shared_ptr<UsdtSpecs> specs, std::uint32_t id) : specs_(std::move(specs)), id_(id) {}
    std::shared_ptr<UsdtSpecs> specs_;
    std::uint32_t id_;
  };

  // `record` is a struct __bpf_usdt_spec. kMapIncompatible when the map's values are smaller; kMapFull, with the
  // remedy.
  Result<Entry> Hold(std::span<const std::byte> record);

  std::size_t used() const;

 private:
  struct Use {
    std::uint32_t id = 0;
    std::uint32_t holders = 0;
  };
  void Release(std::uint32_t id);

  const std::shared_ptr<BackendMap> map_;
  mutable std::mutex mutex_;
  std::map<std::string, Use> uses_;     // by the record's bytes
  std::uint32_t next_id_ = 0;           // never used so far
  std::deque<std::uint32_t> free_ids_;  // of those below next_id_, the one that was let go first in front
};

}  // namespace strata
