#include "strata/backend/userspace/runtime/interpreter/interpreter.h"

#include "operations.h"
#include "strata/isa/opcode.h"

namespace strata::runtime {
namespace {

using isa::AtomicOp;
using isa::Instruction;
using isa::Opcode;
using u64 = std::uint64_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using i32 = std::int32_t;

constexpr i32 kTailCall = 12;  // the kernel's number of bpf_tail_call

// What run->engine_state points to while a program runs.
struct Engine {
  const InterpretedProgram* program;
  int depth;                    // frames in use
  ImageEntry target = nullptr;  // of a tail call: runs in place of the function that has just ended, ...
  u64 context = 0;              // ... with this R1
};

// Counts one backward jump or call; false when that was one too many.
bool Spend(RunContext* run) { return --run->budget >= 0; }

u64 EndRun(RunContext* run) {
  run->budget = -1;
  return 0;
}

struct Arguments {
  u64 r[5];
};

u64 RunFunction(Engine& engine, u32 start, const Arguments& arguments, RunContext* run) noexcept;

u64 Callback(u64 r1, u64 r2, u64 r3, u64 r4, u64 function, RunContext* run);

u64 EnterTarget(Engine& engine, RunContext* run) noexcept {
  const ImageEntry entry = engine.target;
  engine.target = nullptr;
  return entry(reinterpret_cast<void*>(engine.context), run);
}

// A bpf-to-bpf call or a callback: one more frame.
u64 EnterFunction(Engine& engine, u64 start, const Arguments& arguments, RunContext* run) noexcept {
  if (engine.depth >= isa::kMaxCallDepth || start >= engine.program->count) return EndRun(run);
  ++engine.depth;
  const ProgramInstance* const own = run->program;
  u64 result = RunFunction(engine, static_cast<u32>(start), arguments, run);
  if (engine.target != nullptr) {
    result = EnterTarget(engine, run);
    // It returned to this program.
    run->program = own;
    run->callback = Callback;
    run->engine_state = &engine;
  }
  --engine.depth;
  return result;
}

// A callback that may not run, or that used up the budget, returns 1: the helper's loop ends.
u64 Callback(u64 r1, u64 r2, u64 r3, u64 r4, u64 function, RunContext* run) {
  if (!Spend(run)) return 1;
  const u64 result = EnterFunction(*static_cast<Engine*>(run->engine_state), function, {{r1, r2, r3, r4, 0}}, run);
  return run->budget < 0 ? 1 : result;
}

u64 CallImport(const InterpretedProgram& program, u32 position, const u64* r, RunContext* run) noexcept {
  if (position >= program.import_count) return EndRun(run);
  const ImportedFunction& import = program.imports[position];
  if (import.function != nullptr) return import.function(r[1], r[2], r[3], r[4], r[5], run);
  return program.call_host(r[1], r[2], r[3], r[4], r[5], import.address);
}

// Calls what the instruction names; the budget is below zero when the run must end.
u64 Call(Engine& engine, u32 pc, const u64* r, RunContext* run) noexcept {
  const Instruction& insn = engine.program->instructions[pc];
  if (insn.src == static_cast<u32>(isa::PseudoCall::kFunction)) {
    if (!Spend(run)) return 0;
    return EnterFunction(engine, pc + 1 + static_cast<i64>(insn.imm), {{r[1], r[2], r[3], r[4], r[5]}}, run);
  }
  if (insn.src == static_cast<u32>(isa::PseudoCall::kKfunc)) {
    return CallImport(*engine.program, static_cast<u32>(insn.imm), r, run);
  }
  const bool is_helper = insn.src == static_cast<u32>(isa::PseudoCall::kHelper);
  const Helper helper = is_helper ? engine.program->find_helper(static_cast<u32>(insn.imm)) : nullptr;
  if (helper == nullptr) return EndRun(run);
  return helper(r[1], r[2], r[3], r[4], r[5], run);
}

bool IsTailCall(const Instruction& insn) {
  return insn.src == static_cast<u32>(isa::PseudoCall::kHelper) && insn.imm == kTailCall;
}

// What an ldimm64 loads: callbacks are named by their instruction.
u64 Immediate64(const Instruction* insn, u32 pc) {
  if (insn->src == static_cast<u32>(isa::PseudoLoad::kFunction))
    return pc + 1 + static_cast<u64>(static_cast<i64>(insn->imm));
  return static_cast<u64>(static_cast<u32>(insn[1].imm)) << 32 | static_cast<u32>(insn->imm);
}

// Where memory of the arena is in this process; 0 where it is not.
u64 ArenaMemory(const Engine& engine, u64 pointer, u64 size, RunContext* run) noexcept {
  const Helper find = engine.program->find_helper(kArenaMemoryHelper);
  if (find == nullptr || engine.program->arena == nullptr) return EndRun(run);
  return find(pointer, size, reinterpret_cast<u64>(engine.program->arena), 0, 0, run);
}

// A load whose base may lead nowhere.
template <typename T>
u64 LoadGuarded(const Engine& engine, const Instruction& insn, u64 address, RunContext* run) noexcept {
  if (insn.imm == kArenaMark) {
    const u64 found = ArenaMemory(engine, address, sizeof(T), run);
    return found == 0 ? 0 : operation::LoadFrom<T>(found);
  }
  const Helper load = engine.program->find_helper(kGuardedLoadHelper);
  return load == nullptr ? EndRun(run) : load(address, sizeof(T), 0, 0, 0, run);
}

template <typename T>
u64 Load(const Engine& engine, const Instruction& insn, u64 address, RunContext* run) noexcept {
  if (insn.imm == 0) [[likely]]
    return operation::LoadFrom<T>(address);
  return LoadGuarded<T>(engine, insn, address, run);
}

template <typename T>
void Store(const Engine& engine, u64 address, u64 value, i32 mark, RunContext* run) noexcept {
  if (mark == kArenaMark) [[unlikely]] {
    address = ArenaMemory(engine, address, sizeof(T), run);
    if (address == 0) return;
  }
  operation::StoreTo<T>(address, value);
}

template <typename T>
u64 LoadSigned(const Engine& engine, const Instruction& insn, u64 address, RunContext* run) noexcept {
  if (insn.imm == 0) [[likely]]
    return operation::LoadSignedFrom<T>(address);
  return operation::SignExtend(LoadGuarded<T>(engine, insn, address, run), sizeof(T) * 8);
}

template <typename T>
void AtomicAccess(const Engine& engine, const Instruction& insn, u64* registers, RunContext* run) noexcept {
  const auto operation = static_cast<AtomicOp>(insn.imm & ~kArenaAtomicMark);
  const u64 base = registers[operation == AtomicOp::kLoadAcquire ? insn.src : insn.dst];
  u64 address = base + static_cast<u64>(static_cast<i64>(insn.offset));
  if ((insn.imm & kArenaAtomicMark) != 0) [[unlikely]] {
    address = ArenaMemory(engine, address, sizeof(T), run);
    if (address == 0) return;
  }
  operation::Atomic<T>(insn, operation, address, registers);
}

// To what user space sees, unless it is null (cast_user).
u64 UserPointer(const InterpretedProgram& program, u64 pointer) {
  const u64 low = static_cast<u32>(pointer);
  return low == 0 ? 0 : program.arena_address >> 32 << 32 | low;
}

// The cases of one operation: 64 and 32 bits, register and immediate.
#define STRATA_ARITHMETIC(name)                                               \
  case Opcode::k##name##64Imm:                                                \
    dst = operation::name<u64>(dst, imm);                                     \
    break;                                                                    \
  case Opcode::k##name##64Reg:                                                \
    dst = operation::name<u64>(dst, src);                                     \
    break;                                                                    \
  case Opcode::k##name##32Imm:                                                \
    dst = operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(imm)); \
    break;                                                                    \
  case Opcode::k##name##32Reg:                                                \
    dst = operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(src)); \
    break

#define STRATA_DIVISION(name)                                                                   \
  case Opcode::k##name##64Imm:                                                                  \
    dst = operation::name<u64>(dst, imm, insn.offset == 1);                                     \
    break;                                                                                      \
  case Opcode::k##name##64Reg:                                                                  \
    dst = operation::name<u64>(dst, src, insn.offset == 1);                                     \
    break;                                                                                      \
  case Opcode::k##name##32Imm:                                                                  \
    dst = operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(imm), insn.offset == 1); \
    break;                                                                                      \
  case Opcode::k##name##32Reg:                                                                  \
    dst = operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(src), insn.offset == 1); \
    break

#define STRATA_BRANCH(name)                                                                         \
  case Opcode::k##name##64Imm:                                                                      \
    if (operation::name<u64>(dst, imm)) distance = insn.offset;                                     \
    break;                                                                                          \
  case Opcode::k##name##64Reg:                                                                      \
    if (operation::name<u64>(dst, src)) distance = insn.offset;                                     \
    break;                                                                                          \
  case Opcode::k##name##32Imm:                                                                      \
    if (operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(imm))) distance = insn.offset; \
    break;                                                                                          \
  case Opcode::k##name##32Reg:                                                                      \
    if (operation::name<u32>(static_cast<u32>(dst), static_cast<u32>(src))) distance = insn.offset; \
    break

#define STRATA_MEMORY(bits, type)                                \
  case Opcode::kLoad##bits:                                      \
    dst = Load<type>(engine, insn, src + displacement, run);     \
    break;                                                       \
  case Opcode::kStore##bits:                                     \
    Store<type>(engine, dst + displacement, src, insn.imm, run); \
    break;                                                       \
  case Opcode::kStoreImm##bits:                                  \
    Store<type>(engine, dst + displacement, imm, insn.src, run); \
    break;                                                       \
  case Opcode::kAtomic##bits:                                    \
    AtomicAccess<type>(engine, insn, r, run);                    \
    break

u64 RunFunction(Engine& engine, u32 start, const Arguments& arguments, RunContext* run) noexcept {
  alignas(16) unsigned char stack[isa::kStackBytes];
  u64 r[16] = {};  // as many as the field can name
  for (int i = 0; i < 5; ++i) r[i + 1] = arguments.r[i];
  r[isa::kFrameRegister] = reinterpret_cast<u64>(stack) + isa::kStackBytes;

  for (u32 pc = start; pc < engine.program->count;) {
    const Instruction& insn = engine.program->instructions[pc];
    u64& dst = r[insn.dst];
    const u64 src = r[insn.src];
    const u64 imm = static_cast<u64>(static_cast<i64>(insn.imm));
    const u64 displacement = static_cast<u64>(static_cast<i64>(insn.offset));
    i64 distance = 0;  // from the next slot

    switch (static_cast<Opcode>(insn.opcode)) {
      STRATA_ARITHMETIC(Add);
      STRATA_ARITHMETIC(Sub);
      STRATA_ARITHMETIC(Mul);
      STRATA_ARITHMETIC(Or);
      STRATA_ARITHMETIC(And);
      STRATA_ARITHMETIC(Xor);
      STRATA_ARITHMETIC(Lsh);
      STRATA_ARITHMETIC(Rsh);
      STRATA_ARITHMETIC(Arsh);
      STRATA_DIVISION(Div);
      STRATA_DIVISION(Mod);

      case Opcode::kMov64Imm:
        dst = imm;
        break;
      case Opcode::kMov32Imm:
        dst = static_cast<u32>(imm);
        break;
      case Opcode::kMov64Reg:
        if (insn.offset == 1) {
          dst = UserPointer(*engine.program, src);
        } else {
          dst = insn.offset == 0 ? src : operation::SignExtend(src, insn.offset);
        }
        break;
      case Opcode::kMov32Reg:
        dst = static_cast<u32>(insn.offset == 0 ? src : operation::SignExtend(src, insn.offset));
        break;
      case Opcode::kNeg64:
        dst = 0 - dst;
        break;
      case Opcode::kNeg32:
        dst = static_cast<u32>(0 - dst);
        break;
      case Opcode::kToLittleEndian:
        dst = operation::Truncate(dst, insn.imm);
        break;
      case Opcode::kToBigEndian:
      case Opcode::kByteSwap:
        dst = operation::SwapBytes(dst, insn.imm);
        break;

        STRATA_MEMORY(8, std::uint8_t);
        STRATA_MEMORY(16, std::uint16_t);
        STRATA_MEMORY(32, u32);
        STRATA_MEMORY(64, u64);
      case Opcode::kLoadSigned8:
        dst = LoadSigned<std::int8_t>(engine, insn, src + displacement, run);
        break;
      case Opcode::kLoadSigned16:
        dst = LoadSigned<std::int16_t>(engine, insn, src + displacement, run);
        break;
      case Opcode::kLoadSigned32:
        dst = LoadSigned<i32>(engine, insn, src + displacement, run);
        break;

        STRATA_BRANCH(Jeq);
        STRATA_BRANCH(Jgt);
        STRATA_BRANCH(Jge);
        STRATA_BRANCH(Jset);
        STRATA_BRANCH(Jne);
        STRATA_BRANCH(Jsgt);
        STRATA_BRANCH(Jsge);
        STRATA_BRANCH(Jlt);
        STRATA_BRANCH(Jle);
        STRATA_BRANCH(Jslt);
        STRATA_BRANCH(Jsle);
      case Opcode::kJa:
        distance = insn.offset;
        break;
      case Opcode::kJaLong:
        distance = insn.imm;
        break;
      case Opcode::kMayGoto:
        if (run->budget < kMayGotoReserve) distance = insn.offset;
        break;

      case Opcode::kCall:
        r[0] = Call(engine, pc, r, run);
        if (run->budget < 0) return 0;
        if (IsTailCall(insn) && r[0] != 0) {
          engine.target = *reinterpret_cast<const ImageEntry*>(r[0] + kProgramEntryOffset);
          engine.context = r[1];
          return 0;
        }
        break;
      case Opcode::kExit:
        return r[0];
      case Opcode::kLoadImm64:
        dst = Immediate64(&insn, pc);
        ++pc;
        break;

      // Packets belong to program types that this backend does not run.
      case Opcode::kLoadAbsolute8:
      case Opcode::kLoadAbsolute16:
      case Opcode::kLoadAbsolute32:
      case Opcode::kLoadIndirect8:
      case Opcode::kLoadIndirect16:
      case Opcode::kLoadIndirect32:
        return EndRun(run);
    }
    if (distance < 0 && !Spend(run)) return 0;
    pc += 1 + static_cast<u32>(distance);
  }
  return EndRun(run);
}

}  // namespace

std::uint64_t Interpret(const InterpretedProgram& program, void* context, RunContext* run) noexcept {
  return InterpretFunction(program, 0, reinterpret_cast<u64>(context), 0, 0, run);
}

std::uint64_t InterpretFunction(const InterpretedProgram& program, std::uint32_t function, std::uint64_t r1,
                                std::uint64_t r2, std::uint64_t r3, RunContext* run) noexcept {
  Engine engine{&program, 1};
  const CallbackThunk outer_callback = run->callback;
  void* const outer_state = run->engine_state;
  run->callback = Callback;
  run->engine_state = &engine;
  u64 result = RunFunction(engine, function, {{r1, r2, r3, 0, 0}}, run);
  if (engine.target != nullptr) result = EnterTarget(engine, run);
  run->callback = outer_callback;
  run->engine_state = outer_state;
  return result;
}

}  // namespace strata::runtime
