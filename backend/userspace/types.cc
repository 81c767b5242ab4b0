// BTF objects: the types of a collection, for whoever opens its maps and programs later.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "objects.h"

namespace strata::userspace {
namespace {

using runtime::TypesHeader;

constexpr std::uint64_t kLargestFile = 256 << 20;

Result<void> WriteAt(int fd, const void* bytes, std::size_t size, off_t offset, const std::string& what) {
  if (::pwrite(fd, bytes, size, offset) == static_cast<ssize_t>(size)) return {};
  return Error::FromErrno(errno == 0 ? EIO : errno, what + ": writing its file");
}

Error Malformed(const std::string& what) {
  return Error(ErrorCode::kMalformed, what + ": its file is damaged", EBADMSG);
}

Result<TypesHeader> ReadHeader(int fd, std::uint32_t id, const std::string& what) {
  TypesHeader header;
  struct stat status {};
  if (::fstat(fd, &status) != 0 || ::pread(fd, &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header)))
    return Malformed(what);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (header.magic != static_cast<std::uint32_t>(runtime::FileMagic::kTypes) ||
      header.version != runtime::kLayoutVersion || header.id != id || header.file_size != size || size > kLargestFile ||
      header.bytes_offset > size || header.bytes_size > size - header.bytes_offset)
    return Malformed(what);
  return header;
}

}  // namespace

Result<std::shared_ptr<BackendTypes>> UserspaceTypes::Load(SharedPtr shared, std::span<const std::byte> bytes) {
  auto types = STRATA_TRY(btf::Btf::Parse({bytes.begin(), bytes.end()}));
  Session& session = *shared->session;
  TypesHeader header{};
  header.magic = static_cast<std::uint32_t>(runtime::FileMagic::kTypes);
  header.version = runtime::kLayoutVersion;
  header.id = session.NewId();
  header.created_by_uid = ::geteuid();
  header.bytes_offset = sizeof(header);
  header.bytes_size = static_cast<std::uint32_t>(bytes.size());
  header.file_size = sizeof(header) + bytes.size();
  const std::string what = TextOf({ObjectKind::kTypes, header.id});
  UniqueFd fd = STRATA_TRY(session.MakeFile(header.file_size, what));
  STRATA_TRY(WriteAt(fd.get(), &header, sizeof(header), 0, what));
  STRATA_TRY(WriteAt(fd.get(), bytes.data(), bytes.size(), header.bytes_offset, what));
  ObjectFile file = STRATA_TRY(session.Publish(std::move(fd), FileNameOf({ObjectKind::kTypes, header.id}), what));
  return std::shared_ptr<BackendTypes>(
      new UserspaceTypes(std::move(shared), std::move(file), header.id, std::move(types)));
}

UserspaceTypes::~UserspaceTypes() { shared_->session->Close(std::move(file_)); }

Result<std::shared_ptr<const btf::Btf>> ReadTypes(const Session& session, std::uint32_t id) {
  const ObjectId object{ObjectKind::kTypes, id};
  const ObjectFile file = STRATA_TRY(session.OpenHeld(FileNameOf(object), TextOf(object), O_RDONLY));
  const TypesHeader header = STRATA_TRY(ReadHeader(file.fd.get(), id, TextOf(object)));
  std::vector<std::byte> bytes(header.bytes_size);
  if (::pread(file.fd.get(), bytes.data(), bytes.size(), header.bytes_offset) != static_cast<ssize_t>(bytes.size()))
    return Malformed(TextOf(object));
  return btf::Btf::Parse(std::move(bytes), TextOf(object));
}

Result<TypesInfo> ReadTypesInfo(const Session& session, const std::string& name) {
  const std::uint32_t id = ObjectOfFile(name).value_or(ObjectId{}).id;
  const UniqueFd fd(::openat(session.folder_fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return Error::FromErrno(errno, name);
  const TypesHeader header = STRATA_TRY(ReadHeader(fd.get(), id, name));
  return TypesInfo{header.id, "", header.bytes_size, false};
}

}  // namespace strata::userspace
