#include "strata/btf/string_table.h"

#include <functional>
#include <utility>

namespace strata::btf {
namespace {

constexpr std::size_t kFirstSlots = 64;

}  // namespace

StringTable::StringTable(std::shared_ptr<const Btf> base) : base_(std::move(base)), slots_(kFirstSlots) {
  if (base_ == nullptr) {
    own_.push_back('\0');
  } else {
    AddBase();
  }
}

void StringTable::AddBase() {
  for (const Btf* types = base_.get(); types != nullptr; types = types->base().get()) {
    if (first_own_ == 0)
      first_own_ = types->first_string_offset() + static_cast<std::uint32_t>(types->strings().size());
    const std::string_view strings = types->strings();
    for (std::size_t start = 0; start < strings.size();) {
      const std::size_t end = strings.find('\0', start);
      if (end == std::string_view::npos) break;
      if (end > start) Insert(types->first_string_offset() + static_cast<std::uint32_t>(start));
      start = end + 1;
    }
  }
}

std::string_view StringTable::At(std::uint32_t offset) const {
  if (offset < first_own_) {
    const auto text = base_->StringAt(offset);
    return text ? *text : std::string_view();
  }
  const std::size_t start = offset - first_own_;
  return start < own_.size() ? std::string_view(own_.data() + start) : std::string_view();
}

std::uint32_t* StringTable::SlotOf(std::string_view text) {
  std::size_t i = std::hash<std::string_view>()(text) & (slots_.size() - 1);
  while (slots_[i] != 0 && At(slots_[i]) != text) i = (i + 1) & (slots_.size() - 1);
  return &slots_[i];
}

void StringTable::Grow() {
  std::vector<std::uint32_t> old(slots_.size() * 2);
  old.swap(slots_);
  for (const std::uint32_t offset : old) {
    if (offset != 0) *SlotOf(At(offset)) = offset;
  }
}

void StringTable::Insert(std::uint32_t offset) {
  if ((used_ + 1) * 4 > slots_.size() * 3) Grow();
  std::uint32_t* slot = SlotOf(At(offset));
  if (*slot != 0) return;  // a base with the same string twice
  *slot = offset;
  ++used_;
}

std::uint32_t StringTable::Add(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  if (text.empty()) return 0;
  if (const std::uint32_t offset = *SlotOf(text); offset != 0) return offset;
  const auto offset = first_own_ + static_cast<std::uint32_t>(own_.size());
  own_.append(text);
  own_.push_back('\0');
  Insert(offset);
  return offset;
}

}  // namespace strata::btf
