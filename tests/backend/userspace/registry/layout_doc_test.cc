// docs/registry.md says where each field lies: the page and the headers must agree, and no byte may be left out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "strata/backend/userspace/runtime/layout.h"

namespace strata::runtime {
namespace {

struct Field {
  std::size_t offset;
  std::size_t size;
  std::string name;
  bool operator==(const Field&) const = default;
};
using Table = std::vector<Field>;

void PrintTo(const Field& field, std::ostream* out) {
  *out << "| " << field.offset << " | " << field.size << " | `" << field.name << "` | |";
}

// The rows "| offset | size | `field` | ... |" below each heading "### Name".
std::map<std::string, Table> ReadTables() {
  std::map<std::string, Table> tables;
  std::ifstream document(STRATA_REGISTRY_DOC);
  std::string heading;
  for (std::string line; std::getline(document, line);) {
    if (line.starts_with("### ")) heading = line.substr(4);
    if (!line.starts_with("| ") || line.size() < 3 || std::isdigit(static_cast<unsigned char>(line[2])) == 0) continue;
    std::istringstream cells(line);
    Field field{};
    char bar = 0;
    cells >> bar >> field.offset >> bar >> field.size >> bar >> field.name;
    field.name = field.name.substr(1, field.name.size() - 2);
    tables[heading].push_back(field);
  }
  return tables;
}

// clang-format off
#define FIELD(structure, field) {offsetof(structure, field), sizeof(structure::field), #field}
const std::map<std::string, std::pair<std::size_t, Table>>& Structures() {
  static const std::map<std::string, std::pair<std::size_t, Table>> structures = {
      {"SlotWord", {sizeof(SlotWord), {
       FIELD(SlotWord, owner),
       FIELD(SlotWord, reserved)}}},
      {"RootHeader", {sizeof(RootHeader), {
       FIELD(RootHeader, magic),
       FIELD(RootHeader, version),
       FIELD(RootHeader, next_id),
       FIELD(RootHeader, generation),
       FIELD(RootHeader, slot_count),
       FIELD(RootHeader, slots_offset),
       FIELD(RootHeader, file_size),
       FIELD(RootHeader, instance_generation),
       FIELD(RootHeader, stats_flags)}}},
      {"InnerMap", {sizeof(InnerMap), {
       FIELD(InnerMap, type),
       FIELD(InnerMap, key_size),
       FIELD(InnerMap, value_size),
       FIELD(InnerMap, max_entries),
       FIELD(InnerMap, flags),
       FIELD(InnerMap, spin_lock_offset),
       FIELD(InnerMap, timer_offset)}}},
      {"MapHeader", {sizeof(MapHeader), {
       FIELD(MapHeader, magic),
       FIELD(MapHeader, version),
       FIELD(MapHeader, id),
       FIELD(MapHeader, type),
       FIELD(MapHeader, key_size),
       FIELD(MapHeader, value_size),
       FIELD(MapHeader, max_entries),
       FIELD(MapHeader, flags),
       FIELD(MapHeader, map_extra),
       FIELD(MapHeader, value_stride),
       FIELD(MapHeader, slot_count),
       FIELD(MapHeader, slot_stride),
       FIELD(MapHeader, data_size),
       FIELD(MapHeader, table_offset),
       FIELD(MapHeader, table_size),
       FIELD(MapHeader, file_size),
       FIELD(MapHeader, hash_seed),
       FIELD(MapHeader, frozen),
       FIELD(MapHeader, wake_word),
       FIELD(MapHeader, waiting),
       FIELD(MapHeader, entry_count),
       FIELD(MapHeader, dropped),
       FIELD(MapHeader, key_type_id),
       FIELD(MapHeader, value_type_id),
       FIELD(MapHeader, btf_id),
       FIELD(MapHeader, spin_lock_offset),
       FIELD(MapHeader, timer_offset),
       FIELD(MapHeader, reserved),
       FIELD(MapHeader, inner),
       FIELD(MapHeader, name), FIELD(MapHeader, reserved2),
       FIELD(MapHeader, kind_state)}}},
      {"TraceRecord", {sizeof(TraceRecord), {
       FIELD(TraceRecord, time_ns),
       FIELD(TraceRecord, pid),
       FIELD(TraceRecord, tid),
       FIELD(TraceRecord, comm)}}},
      {"ImageRelocation", {sizeof(ImageRelocation), {
       FIELD(ImageRelocation, offset),
       FIELD(ImageRelocation, kind),
       FIELD(ImageRelocation, reserved),
       FIELD(ImageRelocation, index),
       FIELD(ImageRelocation, reserved2),
       FIELD(ImageRelocation, addend)}}},
      {"ProgramMap", {sizeof(ProgramMap), {
       FIELD(ProgramMap, id),
       FIELD(ProgramMap, type),
       FIELD(ProgramMap, key_size),
       FIELD(ProgramMap, value_size),
       FIELD(ProgramMap, max_entries),
       FIELD(ProgramMap, flags),
       FIELD(ProgramMap, value_stride),
       FIELD(ProgramMap, slot_count),
       FIELD(ProgramMap, slot_stride)}}},
      {"ProgramHeader", {sizeof(ProgramHeader), {
       FIELD(ProgramHeader, magic),
       FIELD(ProgramHeader, version),
       FIELD(ProgramHeader, image_abi),
       FIELD(ProgramHeader, id),
       FIELD(ProgramHeader, type),
       FIELD(ProgramHeader, flags),
       FIELD(ProgramHeader, file_size),
       FIELD(ProgramHeader, load_time_ns),
       FIELD(ProgramHeader, instructions_offset),
       FIELD(ProgramHeader, instruction_count),
       FIELD(ProgramHeader, image_offset),
       FIELD(ProgramHeader, image_size),
       FIELD(ProgramHeader, entry_offset),
       FIELD(ProgramHeader, callback_offset),
       FIELD(ProgramHeader, relocations_offset),
       FIELD(ProgramHeader, relocation_count),
       FIELD(ProgramHeader, maps_offset),
       FIELD(ProgramHeader, map_count),
       FIELD(ProgramHeader, tag),
       FIELD(ProgramHeader, name),
       FIELD(ProgramHeader, license),
       FIELD(ProgramHeader, btf_id),
       FIELD(ProgramHeader, created_by_uid),
       FIELD(ProgramHeader, func_info_offset),
       FIELD(ProgramHeader, func_info_count),
       FIELD(ProgramHeader, line_info_offset),
       FIELD(ProgramHeader, line_info_count),
       FIELD(ProgramHeader, task_layout_offset),
       FIELD(ProgramHeader, task_layout_size),
       FIELD(ProgramHeader, functions_offset),
       FIELD(ProgramHeader, function_count),
       FIELD(ProgramHeader, attach_type),
       FIELD(ProgramHeader, disabled),
       FIELD(ProgramHeader, import_count),
       FIELD(ProgramHeader, imports_offset),
       FIELD(ProgramHeader, tail_entry_offset),
       FIELD(ProgramHeader, reserved),
       FIELD(ProgramHeader, run_count),
       FIELD(ProgramHeader, run_ticks),
       FIELD(ProgramHeader, missed_count)}}},
      {"ProgramFunction", {sizeof(ProgramFunction), {
       FIELD(ProgramFunction, instruction),
       FIELD(ProgramFunction, image_offset)}}},
      {"ProgramImport", {sizeof(ProgramImport), {
       FIELD(ProgramImport, name)}}},
      {"FunctionRecord", {sizeof(FunctionRecord), {
       FIELD(FunctionRecord, instruction),
       FIELD(FunctionRecord, type_id)}}},
      {"LineRecord", {sizeof(LineRecord), {
       FIELD(LineRecord, instruction),
       FIELD(LineRecord, file_name_offset),
       FIELD(LineRecord, line_offset),
       FIELD(LineRecord, line_and_column)}}},
      {"TypesHeader", {sizeof(TypesHeader), {
       FIELD(TypesHeader, magic),
       FIELD(TypesHeader, version),
       FIELD(TypesHeader, id),
       FIELD(TypesHeader, created_by_uid),
       FIELD(TypesHeader, file_size),
       FIELD(TypesHeader, bytes_offset),
       FIELD(TypesHeader, bytes_size)}}},
      {"StatsRecord", {sizeof(StatsRecord), {
       FIELD(StatsRecord, magic),
       FIELD(StatsRecord, version),
       FIELD(StatsRecord, flags),
       FIELD(StatsRecord, reserved)}}},
      {"SharingRecord", {sizeof(SharingRecord), {
       FIELD(SharingRecord, magic), FIELD(SharingRecord, version), FIELD(SharingRecord, with), FIELD(SharingRecord, id),
       FIELD(SharingRecord, maps_are_read_only), FIELD(SharingRecord, reserved)}}},
      {"LinkCounters", {sizeof(LinkCounters), {
       FIELD(LinkCounters, run_count),
       FIELD(LinkCounters, run_ticks),
       FIELD(LinkCounters, missed_count),
       FIELD(LinkCounters, reserved)}}},
      {"LinkHeader", {sizeof(LinkHeader), {
       FIELD(LinkHeader, magic),
       FIELD(LinkHeader, version),
       FIELD(LinkHeader, id),
       FIELD(LinkHeader, program_id),
       FIELD(LinkHeader, pid),
       FIELD(LinkHeader, flags),
       FIELD(LinkHeader, cookie),
       FIELD(LinkHeader, file_size),
       FIELD(LinkHeader, enabled),
       FIELD(LinkHeader, counters_count),
       FIELD(LinkHeader, counters_offset),
       FIELD(LinkHeader, config_offset),
       FIELD(LinkHeader, config_size),
       FIELD(LinkHeader, path_offset),
       FIELD(LinkHeader, path_size),
       FIELD(LinkHeader, plan_offset),
       FIELD(LinkHeader, plan_size), FIELD(LinkHeader, reserved),
       FIELD(LinkHeader, file_device),
       FIELD(LinkHeader, file_inode),
       FIELD(LinkHeader, kind),
       FIELD(LinkHeader, is_summed),
       FIELD(LinkHeader, reserved2)}}},
      {"HostFunctionRecord", {sizeof(HostFunctionRecord), {
       FIELD(HostFunctionRecord, magic),
       FIELD(HostFunctionRecord, version),
       FIELD(HostFunctionRecord, signature),
       FIELD(HostFunctionRecord, name)}}},
      {"InstanceRecord", {sizeof(InstanceRecord), {
       FIELD(InstanceRecord, magic),
       FIELD(InstanceRecord, version),
       FIELD(InstanceRecord, link_id),
       FIELD(InstanceRecord, pid),
       FIELD(InstanceRecord, state),
       FIELD(InstanceRecord, error),
       FIELD(InstanceRecord, reason),
       FIELD(InstanceRecord, site_count)}}},
  };
  return structures;
}
#undef FIELD
// clang-format on

TEST(RegistryDoc, EveryFieldIsDescribedAtItsPlace) {
  const auto tables = ReadTables();
  for (const auto& [name, structure] : Structures()) {
    const auto table = tables.find(name);
    ASSERT_NE(table, tables.end()) << "no table of " << name;
    EXPECT_THAT(table->second, ::testing::ElementsAreArray(structure.second)) << name;
  }
  EXPECT_EQ(tables.size(), Structures().size());
}

TEST(RegistryDoc, NoByteIsLeftOut) {
  for (const auto& [name, structure] : Structures()) {
    std::size_t next = 0;
    for (const Field& field : structure.second) {
      EXPECT_EQ(field.offset, next) << name << "." << field.name << ": a field before it is missing";
      next = field.offset + field.size;
    }
    EXPECT_EQ(next, structure.first) << name;
  }
}

}  // namespace
}  // namespace strata::runtime
