#include "strata/spec/context_arguments.h"

#include <map>
#include <optional>
#include <set>

#include "strata/btf/builder.h"

namespace strata {
namespace {

constexpr std::string_view kTag = "arg:ctx";

struct ContextRow {
  ProgramType program_type;
  std::string_view name;
};

constexpr ContextRow kContexts[] = {
    {ProgramType::kSocketFilter, "__sk_buff"},
    {ProgramType::kKprobe, "bpf_user_pt_regs_t"},
    {ProgramType::kSchedCls, "__sk_buff"},
    {ProgramType::kSchedAct, "__sk_buff"},
    {ProgramType::kXdp, "xdp_md"},
    {ProgramType::kPerfEvent, "bpf_perf_event_data"},
    {ProgramType::kCgroupSkb, "__sk_buff"},
    {ProgramType::kCgroupSock, "bpf_sock"},
    {ProgramType::kLwtIn, "__sk_buff"},
    {ProgramType::kLwtOut, "__sk_buff"},
    {ProgramType::kLwtXmit, "__sk_buff"},
    {ProgramType::kSockOps, "bpf_sock_ops"},
    {ProgramType::kSkSkb, "__sk_buff"},
    {ProgramType::kCgroupDevice, "bpf_cgroup_dev_ctx"},
    {ProgramType::kSkMsg, "sk_msg_md"},
    {ProgramType::kRawTracepoint, "bpf_raw_tracepoint_args"},
    {ProgramType::kCgroupSockAddr, "bpf_sock_addr"},
    {ProgramType::kLwtSeg6Local, "__sk_buff"},
    {ProgramType::kSkReusePort, "sk_reuseport_md"},
    {ProgramType::kFlowDissector, "__sk_buff"},
    {ProgramType::kCgroupSysctl, "bpf_sysctl"},
    {ProgramType::kRawTracepointWritable, "bpf_raw_tracepoint_args"},
    {ProgramType::kCgroupSockOpt, "bpf_sockopt"},
    {ProgramType::kSkLookup, "bpf_sk_lookup"},
    {ProgramType::kNetfilter, "bpf_nf_ctx"},
};

bool IsRawTracepoint(ProgramType type) {
  return type == ProgramType::kRawTracepoint || type == ProgramType::kRawTracepointWritable;
}

// What the argument points to, without typedefs and qualifiers; nothing for what is no pointer.
std::optional<btf::TypeId> Pointee(const btf::Btf& types, btf::TypeId argument) {
  const auto resolved = types.Resolve(argument);
  if (!resolved) return std::nullopt;
  const auto pointer = types.Get<btf::Pointer>(*resolved);
  if (!pointer) return std::nullopt;
  const auto target = types.Resolve(pointer->target);
  return target ? std::optional(*target) : std::nullopt;
}

// Only types that a user writes for "the context" are replaced; anything else is left for the verifier to judge.
bool StandsForContext(const btf::Btf& types, btf::TypeId argument, ProgramType program_type) {
  const auto pointee = Pointee(types, argument);
  if (!pointee) return false;
  if (!*pointee) return true;
  const bool is_struct = types.KindOf(*pointee) == btf::Kind::kStruct;
  if (program_type == ProgramType::kKprobe || program_type == ProgramType::kPerfEvent) {
    return is_struct && types.NameOf(*pointee) == "pt_regs";
  }
  const auto number = types.Get<btf::Int>(*pointee);
  return IsRawTracepoint(program_type) && number && number->size_bytes == 8;
}

class ContextFixer {
 public:
  explicit ContextFixer(const CollectionSpec& collection) : collection_(collection), types_(*collection.types) {}

  Result<ContextFixUp> Run() {
    FindTagged();
    if (tagged_.empty()) return ContextFixUp{collection_.types, {}};
    STRATA_TRY(builder_.Copy(types_));
    std::set<ProgramType> program_types;
    for (const auto& [name, program] : collection_.programs) program_types.insert(program.type_of_program);
    for (const ProgramType type : program_types) STRATA_TRY(FixFor(type));
    fixed_.types = fixed_.functions.empty() ? collection_.types : STRATA_TRY(builder_.BuildTypes(collection_.name));
    return std::move(fixed_);
  }

 private:
  void FindTagged() {
    for (std::uint32_t id = 1; id < types_.type_count(); ++id) {
      if (types_.KindOf(btf::TypeId{id}) != btf::Kind::kDeclTag || types_.NameOf(btf::TypeId{id}) != kTag) continue;
      const auto tag = types_.Get<btf::DeclTag>(btf::TypeId{id});
      const auto function = types_.Get<btf::Func>(tag->target);
      if (tag->component < 0 || !function || function->linkage != btf::Linkage::kGlobal) continue;
      tagged_[tag->target].insert(static_cast<std::uint32_t>(tag->component));
    }
  }

  Result<void> FixFor(ProgramType program_type) {
    const std::string_view name = ContextTypeName(program_type);
    if (name.empty()) return {};
    std::optional<btf::TypeId> context;
    for (const auto& [id, arguments] : tagged_) {
      const auto function = STRATA_TRY(types_.Get<btf::Func>(id));
      const auto prototype = STRATA_TRY(types_.Get<btf::FuncProto>(function.prototype));
      std::vector<btf::Parameter> parameters(prototype.parameters.begin(), prototype.parameters.end());
      bool is_changed = false;
      for (const std::uint32_t index : arguments) {
        if (index >= parameters.size() || !StandsForContext(types_, parameters[index].type, program_type)) continue;
        if (!context) context = STRATA_TRY(AddContext(name));
        parameters[index].type = *context;
        is_changed = true;
      }
      if (!is_changed) continue;
      const auto new_prototype =
          STRATA_TRY(builder_.Add(btf::FuncProto{prototype.result, btf::RecordList<btf::Parameter>(parameters)}));
      const auto replacement = STRATA_TRY(builder_.Add(btf::Func{function.name, new_prototype, function.linkage}));
      fixed_.functions.push_back(ContextFunction{program_type, id, replacement});
    }
    return {};
  }

  // A pointer to a struct of that name: its members play no part.
  Result<btf::TypeId> AddContext(std::string_view name) {
    const auto structure = STRATA_TRY(builder_.Add(btf::Struct{name, 0, {}}));
    return builder_.Add(btf::Pointer{structure});
  }

  const CollectionSpec& collection_;
  const btf::Btf& types_;
  btf::Builder builder_;
  std::map<btf::TypeId, std::set<std::uint32_t>> tagged_;  // arguments by FUNC
  ContextFixUp fixed_;
};

}  // namespace

std::string_view ContextTypeName(ProgramType type) {
  for (const ContextRow& row : kContexts) {
    if (row.program_type == type) return row.name;
  }
  return {};
}

Result<ContextFixUp> FixUpContextArguments(const CollectionSpec& collection) {
  if (collection.types == nullptr) return ContextFixUp{};
  return ContextFixer(collection).Run();
}

}  // namespace strata
