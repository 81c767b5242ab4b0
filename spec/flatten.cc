#include "strata/spec/flatten.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "strata/isa/opcode.h"

namespace strata {
namespace {

// The kernel's limit (BPF_COMPLEXITY_LIMIT_INSNS); also keeps indices far from overflow.
constexpr std::size_t kMaxInstructions = 1'000'000;

bool IsFunctionReference(const Reference& reference) {
  return reference.kind == ReferenceKind::kFunctionCall || reference.kind == ReferenceKind::kFunctionAddress;
}

class Flattener {
 public:
  explicit Flattener(const CollectionSpec& collection) : collection_(collection) {}

  Result<FlatProgram> Run(const ProgramSpec& program) {
    STRATA_TRY(AppendReachable(program));
    STRATA_TRY(ResolveFunctions());
    return std::move(flat_);
  }

 private:
  // A function on the way from the program to where we are, and the next of its references to look at.
  struct Visit {
    const FunctionSpec* function;
    std::size_t next_reference = 0;
  };

  struct PendingCall {
    isa::InsnIndex index;
    ReferenceKind kind;
    const FunctionSpec* callee;
  };

  // Each subprogram is appended where its first call is met, and its own calls are followed at once. The path is kept
  // by hand: an object can chain more functions than a stack has room for.
  Result<void> AppendReachable(const ProgramSpec& program) {
    STRATA_TRY(Append(program));
    std::vector<Visit> path = {Visit{&program}};
    while (!path.empty()) {
      Visit& visit = path.back();
      if (visit.next_reference == visit.function->references.size()) {
        path.pop_back();
        continue;
      }
      const FunctionSpec& caller = *visit.function;
      const Reference& reference = caller.references[visit.next_reference++];
      if (!IsFunctionReference(reference)) continue;
      const FunctionSpec* const callee = Find(reference.symbol, program);
      if (callee == nullptr) {
        return Error(ErrorCode::kNotFound, fmt::format("{}: refers to function {}, which is not defined",
                                                       Place(caller, reference), reference.symbol));
      }
      const isa::InsnIndex index{starts_.at(&caller) + reference.index.value};
      calls_.push_back(PendingCall{index, reference.kind, callee});
      if (starts_.contains(callee)) continue;
      STRATA_TRY(Append(*callee));
      path.push_back(Visit{callee});
    }
    return {};
  }

  static std::string Place(const FunctionSpec& function, const Reference& reference) {
    return fmt::format("function {}: instruction {}", function.name, reference.index.value);
  }

  // Null where it is not defined.
  const FunctionSpec* Find(std::string_view name, const ProgramSpec& program) const {
    if (const auto found = collection_.functions.find(name); found != collection_.functions.end()) {
      return &found->second;
    }
    // The program may be an edited copy: it calls itself, not the one in the collection.
    if (name == program.name) return &program;
    const auto found = collection_.programs.find(name);
    return found != collection_.programs.end() ? &found->second : nullptr;
  }

  Result<void> Append(const FunctionSpec& function) {
    const auto start = static_cast<std::uint32_t>(flat_.instructions.size());
    if (function.instructions.size() > kMaxInstructions - start) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("function {}: the program has more than {} instructions",
                                                            function.name, kMaxInstructions));
    }
    if (!function.unusable.empty()) {
      return Error(ErrorCode::kNotSupported, fmt::format("function {}: {}", function.name, function.unusable));
    }
    starts_.emplace(&function, start);
    flat_.functions.push_back(FunctionStart{isa::InsnIndex{start}, function.type, function.name});
    AppendCode(function);
    MakeRoom(flat_.line_infos, function.line_infos.size());
    MakeRoom(flat_.references, function.references.size());
    for (const Reference& reference : function.references) {
      if (reference.index.value >= function.instructions.size()) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("{}: is past the end of the function", Place(function, reference)));
      }
      if (!IsFunctionReference(reference)) AppendMoved(flat_.references, reference, start);
    }
    for (const btf::LineInfo info : function.line_infos) AppendMoved(flat_.line_infos, info, start);
    for (const btf::CoreRelocation& relocation : function.core_relocations) {
      AppendMoved(flat_.core_relocations, relocation, start);
    }
    return {};
  }

  // The first one's list is the start of the whole.
  void AppendCode(const FunctionSpec& function) {
    std::vector<isa::Instruction> code = function.CanonicalCode();
    if (flat_.instructions.empty()) {
      flat_.instructions = std::move(code);
    } else {
      flat_.instructions.insert(flat_.instructions.end(), code.begin(), code.end());
    }
  }

  // For the program and about as much of subprograms; more of them make more.
  template <typename Entry>
  static void MakeRoom(std::vector<Entry>& table, std::size_t count) {
    if (table.empty()) table.reserve(2 * count);
  }

  template <typename Entry>
  static void AppendMoved(std::vector<Entry>& table, const Entry& entry, std::uint32_t start) {
    table.push_back(entry);
    table.back().index.value += start;
  }

  Result<void> ResolveFunctions() {
    for (const PendingCall& call : calls_) {
      isa::Instruction& instruction = flat_.instructions[call.index.value];
      const bool is_call = call.kind == ReferenceKind::kFunctionCall;
      const isa::Opcode expected = is_call ? isa::Opcode::kCall : isa::Opcode::kLoadImm64;
      if (instruction.opcode != static_cast<std::uint8_t>(expected)) {
        return Error(ErrorCode::kInvalidArgument,
                     fmt::format("instruction {} refers to function {} and is no {}", call.index.value,
                                 call.callee->name, is_call ? "call" : "64-bit load"));
      }
      const std::int64_t target = std::int64_t{starts_.at(call.callee)};
      instruction.src = is_call ? static_cast<std::uint8_t>(isa::PseudoCall::kFunction)
                                : static_cast<std::uint8_t>(isa::PseudoLoad::kFunction);
      instruction.imm = static_cast<std::int32_t>(target - call.index.value - 1);
    }
    return {};
  }

  const CollectionSpec& collection_;
  FlatProgram flat_;
  std::map<const FunctionSpec*, std::uint32_t> starts_;
  std::vector<PendingCall> calls_;
};

}  // namespace

Result<FlatProgram> Flatten(const CollectionSpec& collection, const ProgramSpec& program) {
  return Flattener(collection).Run(program);
}

}  // namespace strata
