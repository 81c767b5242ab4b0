// The kernel's BTF, by ours and by libbpf in turn:
//   open_and_find         open /sys/kernel/btf/vmlinux and find one struct by name; time, and memory that stays in use
//   open_and_decode_all   open it and read every type with its name, and every record with name, type and offset
// Each is measured in a forked child of its own, as programs do it once: no earlier round has left free memory behind.
// Time is the least of all rounds. Memory is by how much RssAnon grows from before the opening to after the lookup,
// with the BTF still open: it counts what either takes from the heap or maps for itself, and not pages of the kernel's
// own BTF, which are there once for all who map them.
#include <bpf/btf.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "figures.h"
#include "strata/btf/btf.h"

namespace {

using strata::bench::Comparison;
using strata::btf::Btf;
using strata::btf::Kind;
using strata::btf::TypeId;
using Clock = std::chrono::steady_clock;

constexpr char kVmlinux[] = "/sys/kernel/btf/vmlinux";
constexpr char kWanted[] = "task_struct";

// What the other side read, so that no read is optimised away.
volatile std::uint64_t g_sink;

void OpenAndFind() {
  const auto types = Btf::Open(kVmlinux).value();
  g_sink = types->FindByName(kWanted, Kind::kStruct).value().value;
}

void OpenAndFindByLibbpf() {
  auto* types = btf__parse(kVmlinux, nullptr);
  g_sink = static_cast<std::uint64_t>(btf__find_by_name_kind(types, kWanted, BTF_KIND_STRUCT));
  btf__free(types);
}

// Sums up every field that a type and its records have.
class Sum {
 public:
  std::uint64_t value = 0;

  template <typename Type>
  void operator()(const Type& type) {
    if constexpr (requires { type.name; }) value += type.name.empty() ? 0 : static_cast<unsigned char>(type.name[0]);
    if constexpr (requires { type.type; }) value += type.type.value;
    if constexpr (requires { type.target; }) value += type.target.value;
    if constexpr (requires { type.bit_offset; }) value += type.bit_offset;
    if constexpr (requires { type.value; }) value += static_cast<std::uint64_t>(type.value);
    if constexpr (requires { type.members; }) AddAll(type.members);
    if constexpr (requires { type.values; }) AddAll(type.values);
    if constexpr (requires { type.parameters; }) AddAll(type.parameters);
    if constexpr (requires { type.variables; }) AddAll(type.variables);
  }

 private:
  template <typename Records>
  void AddAll(const Records& records) {
    for (const auto& record : records) (*this)(record);
  }
};

void DecodeAll() {
  const auto types = Btf::Open(kVmlinux).value();
  Sum sum;
  for (TypeId id{1}; id.value < types->type_count(); ++id.value) std::visit(sum, types->TypeById(id).value());
  g_sink = sum.value;
}

std::uint64_t FirstLetter(const struct btf* types, std::uint32_t offset) {
  return static_cast<unsigned char>(btf__name_by_offset(types, offset)[0]);
}

std::uint64_t SumByLibbpf(const struct btf* types, const btf_type* type) {
  std::uint64_t sum = FirstLetter(types, type->name_off) + type->type;
  const auto count = btf_vlen(type);
  for (std::uint32_t i = 0; i < count && btf_is_composite(type); ++i) {
    const auto* member = btf_members(type) + i;
    sum += FirstLetter(types, member->name_off) + member->type + btf_member_bit_offset(type, i);
  }
  for (std::uint32_t i = 0; i < count && btf_is_enum(type); ++i) {
    sum += FirstLetter(types, btf_enum(type)[i].name_off) + static_cast<std::uint64_t>(btf_enum(type)[i].val);
  }
  for (std::uint32_t i = 0; i < count && btf_is_enum64(type); ++i) {
    sum += FirstLetter(types, btf_enum64(type)[i].name_off) + btf_enum64_value(btf_enum64(type) + i);
  }
  for (std::uint32_t i = 0; i < count && btf_is_func_proto(type); ++i) {
    sum += FirstLetter(types, btf_params(type)[i].name_off) + btf_params(type)[i].type;
  }
  for (std::uint32_t i = 0; i < count && btf_is_datasec(type); ++i) sum += btf_var_secinfos(type)[i].type;
  return sum;
}

void DecodeAllByLibbpf() {
  auto* types = btf__parse(kVmlinux, nullptr);
  std::uint64_t sum = 0;
  for (std::uint32_t id = 1; id < btf__type_cnt(types); ++id) sum += SumByLibbpf(types, btf__type_by_id(types, id));
  g_sink = sum;
  btf__free(types);
}

double Microseconds(void (*run)()) {
  const auto start = Clock::now();
  run();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double AnonymousKib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "RssAnon:") continue;
    double kib = 0;
    status >> kib;
    return kib;
  }
  return 0;
}

template <typename Open>
double HeldKib(Open open) {
  AnonymousKib();  // what reading the file takes is not counted
  ::malloc_trim(0);
  const double before = AnonymousKib();
  [[maybe_unused]] const auto held = open();
  ::malloc_trim(0);
  return AnonymousKib() - before;
}

// What `measure` returns in a child.
template <typename Measure>
double InChild(Measure measure) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    const double value = measure();
    ::_exit(::write(pipe_ends[1], &value, sizeof(value)) == sizeof(value) ? 0 : 1);
  }
  double value = 0;
  ::close(pipe_ends[1]);
  const bool is_read = ::read(pipe_ends[0], &value, sizeof(value)) == sizeof(value);
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!is_read || status != 0) std::abort();
  return value;
}

double ChildMicroseconds(void (*run)()) {
  return InChild([run] { return Microseconds(run); });
}

template <typename Open>
double ChildKib(Open open) {
  return InChild([open] { return HeldKib(open); });
}

struct Measured {
  double ours = std::numeric_limits<double>::max();
  double libbpf = std::numeric_limits<double>::max();

  void Add(double ours_now, double libbpf_now) {
    ours = std::min(ours, ours_now);
    libbpf = std::min(libbpf, libbpf_now);
  }
};

void Print(bool figures, const std::string& name, std::string_view unit, const Measured& measured) {
  if (!figures) {
    fmt::print("{:<32} {:>10.0f} {:>10.0f} {} {:>6.2f}\n", name, measured.ours, measured.libbpf, unit,
               measured.ours / measured.libbpf);
    return;
  }
  Comparison comparison;
  comparison.libbpf = measured.libbpf;
  strata::bench::PrintFigure(name, measured.ours, comparison);
  strata::bench::PrintFigure(name + "_over_libbpf", measured.ours / measured.libbpf);
}

int Run(bool figures) {
  if (::access(kVmlinux, R_OK) != 0) {
    fmt::print(stderr, "btf_bench: {} cannot be read\n", kVmlinux);
    return 1;
  }
  const int rounds = figures ? 50 : 200;
  Measured find;
  Measured memory;
  Measured decode;
  for (int round = 0; round < rounds; ++round) {
    find.Add(ChildMicroseconds(OpenAndFind), ChildMicroseconds(OpenAndFindByLibbpf));
    decode.Add(ChildMicroseconds(DecodeAll), ChildMicroseconds(DecodeAllByLibbpf));
  }
  for (int round = 0; round < 5; ++round) {
    memory.Add(ChildKib([] {
                 auto types = Btf::Open(kVmlinux).value();
                 g_sink = types->FindByName(kWanted, Kind::kStruct).value().value;
                 return types;
               }),
               ChildKib([] {
                 auto* types = btf__parse(kVmlinux, nullptr);
                 g_sink = static_cast<std::uint64_t>(btf__find_by_name_kind(types, kWanted, BTF_KIND_STRUCT));
                 return types;
               }));
  }
  if (!figures) fmt::print("{:<32} {:>10} {:>10}\n", "", "ours", "libbpf");
  Print(figures, "btf.open_and_find.time", "us ", find);
  Print(figures, "btf.open_and_find.memory", "KiB", memory);
  Print(figures, "btf.open_and_decode_all.time", "us ", decode);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return strata::bench::RunMain(argc, argv, Run); }
