// Private to stack capture: a cursor over unwind information, with DWARF's variable-length numbers and pointers.
#pragma once

#include "guarded_read.h"

namespace strata::runtime {

// DW_EH_PE_*
inline constexpr std::uint8_t kEncodingOmitted = 0xff;
inline constexpr std::uint8_t kEncodingSigned32 = 0x0b;
inline constexpr std::uint8_t kEncodingPcRelative = 0x10;
inline constexpr std::uint8_t kEncodingDataRelative = 0x30;
inline constexpr std::uint8_t kEncodingIndirect = 0x80;

// Memory read forwards, piece by piece. After the first failure everything reads as 0.
class UnwindCursor {
 public:
  UnwindCursor(Process& process, std::uint64_t at, std::uint64_t end) : process_(process), at_(at), end_(end) {}

  bool is_good() const { return is_good_; }
  bool has_more() const { return is_good_ && at_ < end_; }
  std::uint64_t at() const { return at_; }
  void Skip(std::uint64_t bytes) {
    if (bytes > end_ - at_) {
      is_good_ = false;
    } else {
      at_ += bytes;
    }
  }

  template <typename T>
  T Read() {
    T value{};
    if (sizeof(T) > end_ - at_ || !Fill(sizeof(T))) {
      is_good_ = false;
      return T{};
    }
    memcpy(&value, window_ + (at_ - window_begin_), sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::uint64_t ReadUleb() {
    std::uint64_t value = 0;
    for (std::uint32_t shift = 0; is_good_; shift += 7) {
      const auto byte = Read<std::uint8_t>();
      if (shift < 64) value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }
  std::int64_t ReadSleb() {
    std::uint64_t value = 0;
    std::uint32_t shift = 0;
    std::uint8_t byte = 0x80;
    while (is_good_ && (byte & 0x80) != 0) {
      byte = Read<std::uint8_t>();
      if (shift < 64) value |= std::uint64_t{byte & 0x7fU} << shift;
      shift += 7;
    }
    if (shift < 64 && (byte & 0x40) != 0) value |= ~std::uint64_t{0} << shift;
    return static_cast<std::int64_t>(value);
  }
  // A pointer as `encoding` says; 0 and not good for encodings that eh_frame does not use on this machine.
  std::uint64_t ReadEncoded(std::uint8_t encoding) {
    const std::uint64_t place = at_;
    std::uint64_t value = 0;
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = Read<std::uint64_t>();
        break;
      case 0x02:
        value = Read<std::uint16_t>();
        break;
      case 0x03:
        value = Read<std::uint32_t>();
        break;
      case 0x0a:
        value = static_cast<std::uint64_t>(std::int64_t{Read<std::int16_t>()});
        break;
      case kEncodingSigned32:
        value = static_cast<std::uint64_t>(std::int64_t{Read<std::int32_t>()});
        break;
      default:
        is_good_ = false;
    }
    if ((encoding & 0x70) == kEncodingPcRelative) return value + place;
    if ((encoding & 0x70) != 0 || (encoding & kEncodingIndirect) != 0) is_good_ = false;
    return value;
  }

 private:
  static constexpr std::size_t kWindowBytes = 128;

  bool Fill(std::uint64_t bytes) {
    if (at_ >= window_begin_ && at_ + bytes <= window_end_) return true;
    const std::uint64_t wanted = end_ - at_ < kWindowBytes ? end_ - at_ : kWindowBytes;
    window_begin_ = at_;
    window_end_ = at_ + wanted;
    if (GuardedRead(process_, window_, at_, wanted) == 0) return true;
    // The end may lie behind what is there.
    window_end_ = at_ + bytes;
    if (GuardedRead(process_, window_, at_, bytes) == 0) return true;
    window_end_ = window_begin_;
    return false;
  }

  Process& process_;
  std::uint64_t at_;
  std::uint64_t end_;
  std::uint64_t window_begin_ = 0;
  std::uint64_t window_end_ = 0;
  bool is_good_ = true;
  std::byte window_[kWindowBytes];
};

}  // namespace strata::runtime
