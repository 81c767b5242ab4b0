#include "attach_program.h"

#include <fmt/format.h>

#include <cerrno>
#include <vector>

#include "program.h"
#include "strata/base/similar_name.h"
#include "strata/btf/btf.h"

namespace strata::kernel {
namespace {

Result<std::vector<std::byte>> ReadTypes(const Context& context, std::uint32_t id) {
  const std::string what = fmt::format("BTF {}", id);
  const FdOrErrno types = context.OpenById(Command::kBtfOpenById, id);
  if (!types) return BpfError(types.sys_errno, what + ": opening it");
  BtfInfoRecord size;
  if (const int error = context.Info(types.fd.get(), size); error != 0) return BpfError(error, what);
  std::vector<std::byte> bytes(size.btf_size);
  BtfInfoRecord record;
  record.btf = AddressOf(bytes.data());
  record.btf_size = size.btf_size;
  if (const int error = context.Info(types.fd.get(), record); error != 0) return BpfError(error, what);
  return bytes;
}

std::string SimilarFunction(const btf::Btf& types, std::string_view name) {
  SimilarName similar(name);
  for (std::uint32_t id = 1; id < types.type_count(); ++id) {
    if (types.KindOf(btf::TypeId{id}) == btf::Kind::kFunc) similar.Offer(types.NameOf(btf::TypeId{id}));
  }
  return similar.Hint();
}

}  // namespace

Result<std::uint32_t> FindFunctionType(const Context& context, int fd, const std::string& function) {
  ProgramInfoRecord record;
  if (const int error = context.Info(fd, record); error != 0) return BpfError(error, "reading its info");
  if (record.btf_id == 0) {
    return Error(ErrorCode::kNotSupported, "has no BTF, its functions cannot be hooked; compile it with -g", EINVAL);
  }
  const auto types = STRATA_TRY(btf::Btf::Parse(STRATA_TRY(ReadTypes(context, record.btf_id))));
  const auto id = types->FindByName(function, btf::Kind::kFunc);
  if (id) return id->value;
  return Error(ErrorCode::kNotFound,
               fmt::format("has no function \"{}\"{}", function, SimilarFunction(*types, function)), ENOENT);
}

Result<LinkedProgram> WithHookedFunction(const Context& context, const LinkedProgram& program) {
  const auto* hooked = dynamic_cast<const KernelProgram*>(program.attach_program.get());
  if (hooked == nullptr) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("program {}: hooks a program of another backend", program.name), EINVAL);
  }
  LinkedProgram found = program;
  found.attach_btf_id =
      STRATA_TRY(FindFunctionType(context, hooked->fd(), program.attach_function)
                     .Context(fmt::format("program {}: hooks program {}, which", program.name, hooked->info().name)));
  return found;
}

}  // namespace strata::kernel
