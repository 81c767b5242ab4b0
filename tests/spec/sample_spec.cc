#include "sample_spec.h"

#include "strata/btf/builder.h"
#include "strata/isa/builder.h"

namespace strata::test {
namespace {

struct SampleTypes {
  btf::TypeId number;
  btf::TypeId pair;
  std::uint32_t file = 0;
  std::uint32_t first_line = 0;
  std::uint32_t second_line = 0;
  std::shared_ptr<const btf::Btf> types;
};

SampleTypes MakeTypes() {
  SampleTypes sample;
  btf::Builder builder;
  sample.number = builder.Add(btf::Int{.name = "int", .size_bytes = 4, .bits = 32, .is_signed = true}).value();
  const btf::Member members[] = {{.name = "a", .type = sample.number},
                                 {.name = "b", .type = sample.number, .bit_offset = 32}};
  sample.pair = builder.Add(btf::Struct{"pair", 8, btf::RecordList<btf::Member>(members)}).value();
  sample.file = builder.AddString("/src/sample.bpf.c");
  sample.first_line = builder.AddString("  int *count = &counts;");
  sample.second_line = builder.AddString("\treturn add(pair->b);");
  sample.types = builder.BuildTypes().value();
  return sample;
}

std::vector<isa::Instruction> MainCode() {
  isa::Builder code;
  const isa::Label done = code.NewLabel();
  code.LoadImm64(isa::kR1, 0).Append({.opcode = 0x85, .src = 1, .imm = -1});
  code.Load(isa::Size::k32, isa::kR2, isa::kR1, 4).JumpIf(isa::Condition::kEqual, isa::kR2, 0, done);
  code.LoadImm64(isa::kR3, 0).Bind(done).LoadImm64(isa::kR4, 0);
  return std::move(code).Build().value();
}

void AddMaps(const SampleTypes& types, CollectionSpec& spec) {
  MapSpec& counts = spec.maps["counts"];
  counts.name = "counts";
  counts.type = MapType::kHash;
  counts.key_size = 4;
  counts.value_size = 8;
  counts.max_entries = 64;
  counts.flags = map_flags::kNoPrealloc;
  counts.pinning = PinType::kByName;
  counts.key_type = types.number;
  counts.tags = {"log2_hist"};
  MapSpec& data = spec.maps[".data"];
  data.name = "sample.data";
  data.type = MapType::kArray;
  data.key_size = 4;
  data.value_size = 8;
  data.max_entries = 1;
  data.is_data_section = true;
  data.contents = {std::byte{42}, {}, {}, {}, {}, {}, {}, {}};
}

void AddPrograms(const SampleTypes& types, CollectionSpec& spec) {
  ProgramSpec& main = spec.programs["main"];
  main.name = "main";
  main.section_name = "fentry/do_nothing";
  main.instructions = MainCode();
  main.references = {{.index = {0}, .kind = ReferenceKind::kMap, .symbol = "counts"},
                     {.index = {2}, .kind = ReferenceKind::kFunctionCall, .symbol = "add"},
                     {.index = {5}, .kind = ReferenceKind::kMapValue, .symbol = ".data", .addend = 1},
                     {.index = {7}, .kind = ReferenceKind::kKsym, .is_weak = true, .symbol = "jiffies"}};
  main.line_infos = {{{0}, types.file, types.first_line, 12 << 10}, {{2}, types.file, types.second_line, 13 << 10}};
  main.core_relocations = {{.index = {3}, .type = types.pair, .access = "0:1", .kind = 0}};
  main.type_of_program = ProgramType::kTracing;
  main.attach_type = AttachType::kTraceFentry;
  main.attach_to = "do_nothing";
  main.is_sleepable = true;
  main.license = "GPL";
  main.kernel_version = 0x060102;
  FunctionSpec& add = spec.functions["add"];
  add.name = "add";
  add.section_name = ".text";
  add.instructions = std::move(isa::Builder().Call(5).Exit()).Build().value();
  add.is_static = true;
}

}  // namespace

CollectionSpec SampleSpec() {
  const SampleTypes types = MakeTypes();
  CollectionSpec spec;
  spec.name = "sample";
  spec.byte_order = std::endian::little;
  spec.types = types.types;
  AddMaps(types, spec);
  AddPrograms(types, spec);
  spec.variables["limit"] = {.name = "limit",
                             .map_name = ".data",
                             .offset_bytes = 0,
                             .type = types.number,
                             .is_constant = false,
                             .value = {std::byte{42}, {}, {}, {}}};
  spec.variables["untyped"] = {.name = "untyped",
                               .map_name = ".data",
                               .offset_bytes = 4,
                               .type = {},
                               .is_constant = false,
                               .value = {{}, {}, {}, {}}};
  ExternSpec& frequency = spec.externs["CONFIG_HZ"];
  frequency.name = "CONFIG_HZ";
  frequency.type = types.number;
  frequency.size_bytes = 4;
  ExternSpec& jiffies = spec.externs["jiffies"];
  jiffies.name = "jiffies";
  jiffies.kind = ExternKind::kAddress;
  jiffies.is_weak = true;
  return spec;
}

}  // namespace strata::test
