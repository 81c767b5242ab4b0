// Probes of BTF kinds and of what is no kind of object.
#include <fcntl.h>

#include <cerrno>
#include <vector>

#include "feature_prober.h"
#include "probe_program.h"
#include "strata/btf/builder.h"
#include "strata/isa/builder.h"

namespace strata::kernel {
namespace {

using isa::Builder;
using isa::kR0;
using isa::kR1;

constexpr std::uint32_t kKtimeGetCoarseNs = 160;  // came with the accounting to cgroups (Linux 5.11)
constexpr std::uint32_t kGetAttachCookie = 174;

FeatureAnswer TryCode(const ProbeTools& tools, Builder builder) {
  const auto code = std::move(builder).Build();
  if (!code) return {Support::kInconclusive, code.error().message()};
  const ProbeLoad load = LoadProbe(tools, ProgramType::kSocketFilter, AttachType::kNone, *code, 0);
  return AnswerOf(tools, load.sys_errno, "loading a program that uses it");
}

FeatureAnswer BoundedLoops(const ProbeTools& tools) {
  Builder code;
  const isa::Label again = code.NewLabel();
  code.Mov(kR0, 10).Bind(again).Sub(kR0, 1).JumpIf(isa::Condition::kNotEqual, kR0, 0, again).Exit();
  return TryCode(tools, std::move(code));
}

FeatureAnswer LargeProgram(const ProbeTools& tools) {
  constexpr int kMostOfOldKernels = 4096;
  Builder code;
  for (int i = 0; i < kMostOfOldKernels; ++i) code.Mov(kR0, 1);
  return TryCode(tools, std::move(code.Exit()));
}

FeatureAnswer Token(const ProbeTools& tools) {
  TwoNumbersAttr attr{0, 0xffffffff};  // no descriptor
  const int error = tools.context.Open(Command::kTokenCreate, attr).sys_errno;
  return error == EBADF ? FeatureAnswer{Support::kYes, {}} : AnswerOf(tools, error, "creating one");
}

FeatureAnswer LogTrueSize(const ProbeTools& tools) {
  const ProbeLoad load = LoadProbe(tools, ProgramType::kSocketFilter);
  if (load.sys_errno != 0) return {Support::kInconclusive, "loading a program: " + ErrnoText(load.sys_errno)};
  if (load.log_true_size != 0) return {Support::kYes, {}};
  return {Support::kNo, "a load with a log leaves it 0"};
}

FeatureAnswer NameOfMap(const ProbeTools& tools, std::string_view name) {
  MapCreateAttr attr;
  attr.map_type = static_cast<std::uint32_t>(MapType::kArray);
  attr.key_size = attr.value_size = 4;
  attr.max_entries = 1;
  attr.map_name = ObjectName(name);
  return AnswerOf(tools, tools.context.Open(Command::kMapCreate, attr).sys_errno, "creating a map with one");
}

FeatureAnswer GlobalData(const ProbeTools& tools) {
  MapCreateAttr attr;
  attr.map_type = static_cast<std::uint32_t>(MapType::kArray);
  attr.key_size = 4;
  attr.value_size = 32;
  attr.max_entries = 1;
  const FdOrErrno map = tools.context.Open(Command::kMapCreate, attr);
  if (!map) return {Support::kInconclusive, "creating a map: " + ErrnoText(map.sys_errno)};
  Builder code;
  code.Append(
      {.opcode = 0x18, .dst = 1, .src = static_cast<std::uint8_t>(isa::PseudoLoad::kMapValue), .imm = map.fd.get()});
  code.Append({.imm = 16}).Store(isa::Size::k64, kR1, 0, 42).Mov(kR0, 0).Exit();
  return TryCode(tools, std::move(code));
}

FeatureAnswer Statistics(const ProbeTools& tools) {
  TwoNumbersAttr run_time{};
  return AnswerOf(tools, tools.context.Open(Command::kEnableStats, run_time).sys_errno, "enabling them");
}

// One type of each kind, as the last of a BTF that has what it refers to.
Result<std::vector<std::byte>> TypesWith(btf::Kind kind) {
  btf::Builder b;
  const btf::TypeId number = STRATA_TRY(b.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}));
  const btf::EnumValue values[] = {{.name = "one", .value = 1}};
  const auto named = [&]() -> Result<btf::Type> {
    switch (kind) {
      case btf::Kind::kUnknown:
        return Error(ErrorCode::kInvalidArgument, "void is no type");
      case btf::Kind::kInt:
        return btf::Type(btf::Int{.name = "long", .size_bytes = 8, .bits = 64, .is_signed = true});
      case btf::Kind::kPointer:
        return btf::Type(btf::Pointer{number});
      case btf::Kind::kArray:
        return btf::Type(btf::Array{number, number, 2});
      case btf::Kind::kStruct:
        return btf::Type(btf::Struct{.name = "s", .size_bytes = 0, .members = {}});
      case btf::Kind::kUnion:
        return btf::Type(btf::Union{.name = "u", .size_bytes = 0, .members = {}});
      case btf::Kind::kEnum:
        return btf::Type(btf::Enum{"e", 4, false, btf::RecordList<btf::EnumValue>(values)});
      case btf::Kind::kForward:
        return btf::Type(btf::Forward{"f", false});
      case btf::Kind::kTypedef:
        return btf::Type(btf::Typedef{"t", number});
      case btf::Kind::kVolatile:
        return btf::Type(btf::Volatile{number});
      case btf::Kind::kConst:
        return btf::Type(btf::Const{number});
      case btf::Kind::kRestrict:
        return btf::Type(btf::Restrict { STRATA_TRY(b.Add(btf::Pointer{number})) });
      case btf::Kind::kFunc:
        return btf::Type(btf::Func {
          "fn", STRATA_TRY(b.Add(btf::FuncProto{number, {}}))
          , btf::Linkage::kStatic
        });
      case btf::Kind::kFuncProto:
        return btf::Type(btf::FuncProto{number, {}});
      case btf::Kind::kVar:
        return btf::Type(btf::Var{"v", number, btf::Linkage::kStatic});
      case btf::Kind::kDataSec: {
        const btf::TypeId variable = STRATA_TRY(b.Add(btf::Var{"v", number, btf::Linkage::kStatic}));
        const btf::SectionVariable variables[] = {{variable, 0, 4}};
        STRATA_TRY(b.Add(btf::DataSec{".data", 4, btf::RecordList<btf::SectionVariable>(variables)}));
        return btf::Type(btf::Const{number});
      }
      case btf::Kind::kFloat:
        return btf::Type(btf::Float{"float", 4});
      case btf::Kind::kDeclTag:
        return btf::Type(btf::DeclTag {
          "tag", STRATA_TRY(b.Add(btf::Typedef{"t", number}))
          , -1
        });
      case btf::Kind::kTypeTag:
        return btf::Type(btf::TypeTag{"tag", number});
      case btf::Kind::kEnum64:
        return btf::Type(btf::Enum64{"e", 8, false, btf::RecordList<btf::EnumValue>(values)});
    }
    return Error(ErrorCode::kInvalidArgument, "no such kind");
  };
  STRATA_TRY(b.Add(STRATA_TRY(named())));
  return b.Build();
}

}  // namespace

FeatureAnswer ProbeBtfKind(const ProbeTools& tools, btf::Kind kind) {
  const auto types = TypesWith(kind);
  if (!types) return {Support::kInconclusive, types.error().message()};
  BtfLoadAttr attr;
  attr.btf = AddressOf(types->data());
  attr.btf_size = static_cast<std::uint32_t>(types->size());
  return AnswerOf(tools, tools.context.Open(Command::kBtfLoad, attr).sys_errno, "loading BTF with one");
}

FeatureAnswer ProbeAbility(const ProbeTools& tools, Ability ability) {
  switch (ability) {
    case Ability::kBoundedLoops:
      return BoundedLoops(tools);
    case Ability::kLargeProgram:
      return LargeProgram(tools);
    case Ability::kAttachCookie:
      return ProbeHelper(tools, {kGetAttachCookie, ProgramType::kTracepoint});
    case Ability::kToken:
      return Token(tools);
    case Ability::kLogTrueSize:
      return LogTrueSize(tools);
    case Ability::kProgramName:
      return NameOfMap(tools, "name");
    case Ability::kDotInName:
      return NameOfMap(tools, "na.me");
    case Ability::kGlobalData:
      return GlobalData(tools);
    case Ability::kMemcgAccounting:
      return ProbeHelper(tools, {kKtimeGetCoarseNs, ProgramType::kSocketFilter});
    case Ability::kProgramStatistics:
      return Statistics(tools);
  }
  return {};
}

}  // namespace strata::kernel
