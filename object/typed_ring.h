// Ring buffers whose records are of one type.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "strata/object/map_views.h"
#include "strata/object/ring_reader.h"

namespace strata {

// What a visitor may be: void or bool (*)(const Record&), or with all bytes of the record as second argument, for
// records that go on behind their type. One that returns false stops after this record.
template <typename Visit, typename Record>
concept RecordVisitor =
    std::invocable<Visit&, const Record&> || std::invocable<Visit&, const Record&, std::span<const std::byte>>;

// A RingReader that hands over values. Move-only, not thread-safe.
template <typename Record>
requires std::is_trivially_copyable_v<Record>
class TypedRingReader {
 public:
  static Result<TypedRingReader> Open(const Map& map) { return TypedRingReader(STRATA_TRY(RingReader::Open(map))); }

  // As RingReader::Consume and Poll. kMalformed for a record that is shorter than its type: it is gone, those behind it
  // are not.
  template <RecordVisitor<Record> Visit>
  Result<std::uint64_t> Consume(Visit&& visit) {
    return Checked([&](const RingReader::OnRecord& on_record) { return reader_.Consume(on_record); }, visit);
  }
  template <RecordVisitor<Record> Visit>
  Result<std::uint64_t> Poll(std::chrono::milliseconds timeout, Visit&& visit) {
    return Checked([&](const RingReader::OnRecord& on_record) { return reader_.Poll(timeout, on_record); }, visit);
  }

  int poll_descriptor() const { return reader_.poll_descriptor(); }
  std::uint64_t dropped() const { return reader_.dropped(); }
  RingReader& reader() { return reader_; }

 private:
  explicit TypedRingReader(RingReader reader) : reader_(std::move(reader)) {}

  template <typename Read, typename Visit>
  Result<std::uint64_t> Checked(Read&& read, Visit& visit) {
    std::optional<std::size_t> short_bytes;
    auto count = read([&](std::span<const std::byte> bytes) {
      if (bytes.size() >= sizeof(Record)) return Call(visit, bytes);
      short_bytes = bytes.size();
      return false;
    });
    if (!count || !short_bytes) return count;
    return Error(ErrorCode::kMalformed, "ring buffer: a record has " + std::to_string(*short_bytes) +
                                            " bytes, its type has " + std::to_string(sizeof(Record)));
  }

  template <typename Visit>
  static bool Call(Visit& visit, std::span<const std::byte> bytes) {
    Record record;
    std::memcpy(&record, bytes.data(), sizeof(Record));
    if constexpr (std::invocable<Visit&, const Record&>) {
      return CallFor([&] { return visit(std::as_const(record)); });
    } else {
      return CallFor([&] { return visit(std::as_const(record), bytes); });
    }
  }
  template <typename Function>
  static bool CallFor(Function function) {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      return true;
    } else {
      return function();
    }
  }

  RingReader reader_;
};

// BPF_MAP_TYPE_RINGBUF.
template <typename Record>
class RingBuffer : public internal::MapView {
 public:
  static Result<RingBuffer> From(const Map& map) {
    const MapInfo& info = map.info();
    STRATA_TRY(internal::CheckView(map, {MapType::kRingBuf}, info.key_size, info.value_size));
    return RingBuffer(map.Clone());
  }

  // Two readers of one ring steal from one another.
  Result<TypedRingReader<Record>> OpenReader() const { return TypedRingReader<Record>::Open(*map_); }

 private:
  using MapView::MapView;
};

}  // namespace strata
