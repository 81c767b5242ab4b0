#include "strata/btf/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "encode.h"
#include "layout.h"
#include "strata/base/byte_reader.h"

namespace strata::btf {
namespace {

Error Invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

// The bytes of a BTF file, word by word.
class FileWriter {
 public:
  FileWriter(std::endian order, std::size_t size) : swap_(order != std::endian::native) { bytes_.reserve(size); }

  template <typename T>
  void Put(T value) {
    if (swap_) value = SwapBytes(value);
    Append(&value, sizeof(value));
  }
  void Append(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  std::vector<std::byte> bytes() && { return std::move(bytes_); }

 private:
  bool swap_;
  std::vector<std::byte> bytes_;
};

}  // namespace

void IdMap::Set(TypeId source, TypeId copy) {
  if (source.value >= ids_.size()) ids_.resize(source.value + 1);
  ids_[source.value] = copy;
}

Builder::Builder(std::shared_ptr<const Btf> base) : base_(std::move(base)), strings_(base_) {
  if (base_ != nullptr) first_id_ = base_->type_count();
}

Result<TypeId> Builder::Add(const Type& type) { return AddWords(STRATA_TRY(EncodeType(type, strings_))); }

Result<TypeId> Builder::AddWords(std::span<const std::uint32_t> words) {
  const bool has_kind = words.size() >= kExtraWord && KindNumber(words[kInfoWord]) != 0 &&
                        KindNumber(words[kInfoWord]) < kKindCount && words.size() == WordCount(words[kInfoWord]);
  if (!has_kind) return Invalid(fmt::format("{} words are no BTF type", words.size()));
  const TypeId id = next_id();
  starts_.push_back(words_.size());
  words_.insert(words_.end(), words.begin(), words.end());
  return id;
}

Result<void> Builder::Set(TypeId id, const Type& type) {
  if (!IsOwn(id)) return Error(ErrorCode::kNotFound, fmt::format("BTF builder: there is no type {}", id.value));
  const auto words = STRATA_TRY(EncodeType(type, strings_));
  std::size_t& start = starts_[id.value - first_id_];
  if (words.size() > Words(id).size()) {
    start = words_.size();
    words_.resize(words_.size() + words.size());
  }
  std::copy(words.begin(), words.end(), words_.begin() + static_cast<std::ptrdiff_t>(start));
  return {};
}

std::span<const std::uint32_t> Builder::Words(TypeId id) const {
  if (!IsOwn(id)) return {};
  const std::size_t start = starts_[id.value - first_id_];
  return std::span(words_).subspan(start, WordCount(words_[start + kInfoWord]));
}

std::span<std::uint32_t> Builder::MutableWords(TypeId id) {
  const auto words = Words(id);
  return {const_cast<std::uint32_t*>(words.data()), words.size()};
}

Kind Builder::KindOf(TypeId id) const {
  if (id.value < first_id_) return base_ == nullptr ? Kind::kUnknown : base_->KindOf(id);
  const auto words = Words(id);
  return words.empty() ? Kind::kUnknown : KindOfInfo(words[kInfoWord]);
}

std::string_view Builder::NameOf(TypeId id) const {
  if (id.value < first_id_) return base_ == nullptr ? std::string_view() : base_->NameOf(id);
  const auto words = Words(id);
  return words.empty() ? std::string_view() : strings_.At(words[kNameWord]);
}

Result<std::uint32_t> Builder::CopyString(const Btf& source, std::uint32_t offset) {
  return strings_.Add(STRATA_TRY(source.StringAt(offset)));
}

// The words of a type with its names moved to this builder's strings; ids are still the source's.
Result<void> Builder::CopyWords(const Btf& source, TypeId id, std::vector<std::uint32_t>* words) {
  source.ReadWords(id, words);
  Result<void> done;
  ForEachName(*words, [&](std::uint32_t& name) {
    const auto copy = CopyString(source, name);
    if (!copy) done = Error(copy.error()).WithContext(fmt::format("type {}", id.value));
    if (copy) name = *copy;
  });
  ForEachReference(*words, [&](const std::uint32_t& reference) {
    if (reference >= source.type_count()) {
      done = Error(ErrorCode::kMalformed, fmt::format("{}: type {} refers to type {}, the last is {}", source.where(),
                                                      id.value, reference, source.type_count() - 1));
    }
  });
  return done;
}

Result<IdMap> Builder::Copy(const Btf& source) {
  const bool shares_base = base_ != nullptr && source.base() == base_;
  const std::uint32_t first = shares_base ? first_id_ : 1;
  IdMap copied;
  for (std::uint32_t id = 1; id < first; ++id) copied.Set(TypeId{id}, TypeId{id});
  const TypeId start = next_id();
  for (std::uint32_t id = first; id < source.type_count(); ++id) {
    copied.Set(TypeId{id}, TypeId{start.value + (id - first)});
  }
  std::vector<std::uint32_t> words;
  for (std::uint32_t id = first; id < source.type_count(); ++id) {
    STRATA_TRY(CopyWords(source, TypeId{id}, &words));
    ForEachReference(words, [&](std::uint32_t& reference) { reference = copied[TypeId{reference}].value; });
    STRATA_TRY(AddWords(words));
  }
  return copied;
}

Result<TypeId> Builder::CopyTree(const Btf& source, TypeId root, IdMap* copied) {
  if (root.value >= source.type_count()) return source.TypeById(root).error();
  const bool shares_base = base_ != nullptr && source.base() == base_;
  // Types get their ids when they are first met, and are appended in that order.
  std::vector<TypeId> met;
  const TypeId start = next_id();
  const auto id_of = [&](TypeId id) {
    if (id == kVoid || (shares_base && id.value < first_id_)) return id;
    if (const TypeId copy = (*copied)[id]; copy != kVoid) return copy;
    const TypeId copy{start.value + static_cast<std::uint32_t>(met.size())};
    met.push_back(id);
    copied->Set(id, copy);
    return copy;
  };
  const TypeId root_copy = id_of(root);
  std::vector<std::uint32_t> words;
  for (std::size_t next = 0; next < met.size(); ++next) {
    STRATA_TRY(CopyWords(source, met[next], &words));
    ForEachReference(words, [&](std::uint32_t& reference) { reference = id_of(TypeId{reference}).value; });
    STRATA_TRY(AddWords(words));
  }
  return root_copy;
}

Result<std::vector<std::byte>> Builder::Build(std::endian order) const {
  std::size_t type_words = 0;
  for (TypeId id{first_id_}; id < next_id(); ++id.value) {
    const auto words = Words(id);
    type_words += words.size();
    Result<void> checked;
    ForEachReference(words, [&](std::uint32_t reference) {
      if (reference < next_id().value) return;
      checked = Invalid(fmt::format("BTF builder: type {} ({} {}) refers to type {}, which was not added", id.value,
                                    KindName(KindOf(id)), NameOf(id), reference));
    });
    STRATA_TRY(checked);
  }
  const std::size_t size = kHeaderSize + type_words * 4 + strings_.bytes().size();
  if (size > std::numeric_limits<std::uint32_t>::max()) return Invalid("BTF builder: more than 4 GiB");

  FileWriter writer(order, size);
  const auto types_size = static_cast<std::uint32_t>(type_words * 4);
  writer.Put(kMagic);
  writer.Put(kVersion);
  writer.Put(std::uint8_t{0});  // flags
  writer.Put(kHeaderSize);
  writer.Put(std::uint32_t{0});  // the types follow the header
  writer.Put(types_size);
  writer.Put(types_size);  // the strings follow the types
  writer.Put(static_cast<std::uint32_t>(strings_.bytes().size()));
  for (TypeId id{first_id_}; id < next_id(); ++id.value) {
    for (const std::uint32_t word : Words(id)) writer.Put(word);
  }
  writer.Append(strings_.bytes().data(), strings_.bytes().size());
  return std::move(writer).bytes();
}

Result<std::shared_ptr<const Btf>> Builder::BuildTypes(std::string_view where) const {
  return Btf::Parse(STRATA_TRY(Build()), where, base_);
}

}  // namespace strata::btf
