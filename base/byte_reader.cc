#include "strata/base/byte_reader.h"

#include <fmt/format.h>

namespace strata {

Error ByteReader::Malformed(std::string_view message) const {
  if (where_.empty()) return Error(ErrorCode::kMalformed, fmt::format("offset {}: {}", offset_, message));
  return Error(ErrorCode::kMalformed, fmt::format("{}: offset {}: {}", where_, offset_, message));
}

Error ByteReader::Truncated(std::uint64_t wanted, std::string_view what) const {
  return Malformed(fmt::format("{}: needs {} bytes, {} are left", what, wanted, remaining()));
}

Result<void> ByteReader::Seek(std::uint64_t offset, std::string_view what) {
  if (offset > bytes_.size()) {
    return Malformed(fmt::format("{}: offset {} is past the end at {}", what, offset, bytes_.size()));
  }
  offset_ = static_cast<std::size_t>(offset);
  return {};
}

Result<void> ByteReader::Skip(std::uint64_t count, std::string_view what) {
  if (count > remaining()) return Truncated(count, what);
  offset_ += static_cast<std::size_t>(count);
  return {};
}

Result<std::span<const std::byte>> ByteReader::ReadBytes(std::uint64_t count, std::string_view what) {
  if (count > remaining()) return Truncated(count, what);
  const auto bytes = bytes_.subspan(offset_, static_cast<std::size_t>(count));
  offset_ += bytes.size();
  return bytes;
}

Result<ByteReader> ByteReader::Slice(std::uint64_t offset, std::uint64_t size, std::string_view what) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    return Malformed(fmt::format("{}: [{}, +{}) is outside of {} bytes", what, offset, size, bytes_.size()));
  }
  return ByteReader(bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)),
                    where_.empty() ? std::string(what) : fmt::format("{}: {}", where_, what), order_);
}

Result<std::string_view> ByteReader::StringAt(std::uint64_t offset, std::string_view what) const {
  if (offset >= bytes_.size()) {
    return Malformed(fmt::format("{}: string offset {} is past the end at {}", what, offset, bytes_.size()));
  }
  const auto* start = reinterpret_cast<const char*>(bytes_.data()) + offset;
  const std::size_t room = bytes_.size() - static_cast<std::size_t>(offset);
  const auto* end = static_cast<const char*>(std::memchr(start, 0, room));
  if (end == nullptr) return Malformed(fmt::format("{}: string at {} has no end", what, offset));
  return std::string_view(start, static_cast<std::size_t>(end - start));
}

}  // namespace strata
