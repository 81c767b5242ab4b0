// Every object of tests/data/differential, by every clang that is there, loaded by libbpf and by us into this kernel:
// what the kernel then has must be the same.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdarg>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "strata/object/prepare/prepare.h"
#include "strata/strata.h"

namespace strata {
namespace {

// What a program or map is to the kernel, in words, so that a difference names its field. Left out, because we do it
// differently on purpose: libbpf ties constants to every program (BPF_PROG_BIND_MAP), and makes data sections mappable
// only where a variable is not static.
using Facts = std::map<std::string, std::string>;

struct Loaded {
  std::string error;
  std::map<std::string, Facts> programs;  // by full name
  std::map<std::string, Facts> maps;      // by the kernel's name, with a number where several share one
};

std::string Hex(const unsigned char* bytes, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

Facts ProgramFacts(int fd) {
  bpf_prog_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return {};
  return {{"tag", Hex(info.tag, sizeof(info.tag))},
          {"type", std::to_string(info.type)},
          {"name", info.name},
          {"xlated_size", std::to_string(info.xlated_prog_len)},
          {"functions", std::to_string(info.nr_func_info)},
          {"lines", std::to_string(info.nr_line_info)},
          {"attach_btf_id", std::to_string(info.attach_btf_id)},
          {"gpl_compatible", std::to_string(info.gpl_compatible)}};
}

bool IsDataSection(std::string_view name) {
  return name.find(".data") != name.npos || name.find(".rodata") != name.npos || name.find(".bss") != name.npos;
}

Facts MapFacts(int fd) {
  bpf_map_info info{};
  __u32 size = sizeof(info);
  if (::bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return {};
  return {{"type", std::to_string(info.type)},
          {"key_size", std::to_string(info.key_size)},
          {"value_size", std::to_string(info.value_size)},
          {"max_entries", std::to_string(info.max_entries)},
          {"flags", fmt::format("{:#x}", IsDataSection(info.name) ? info.map_flags & ~BPF_F_MMAPABLE : info.map_flags)},
          {"map_extra", std::to_string(info.map_extra)},
          {"name", info.name},
          {"has_key_type", info.btf_key_type_id != 0 ? "yes" : "no"},
          {"has_value_type", info.btf_value_type_id != 0 ? "yes" : "no"},
          {"struct_ops_type", std::to_string(info.btf_vmlinux_value_type_id)}};
}

void AddMap(std::map<std::string, Facts>& maps, int fd) {
  Facts facts = MapFacts(fd);
  std::string key = facts["name"];
  while (maps.contains(key)) key += "'";
  maps.emplace(std::move(key), std::move(facts));
}

thread_local std::string libbpf_log;
int KeepLog(libbpf_print_level level, const char* format, va_list arguments) {
  char line[1024];
  if (level != LIBBPF_DEBUG) {
    std::vsnprintf(line, sizeof(line), format, arguments);
    libbpf_log += line;
  }
  return 0;
}

struct CloseObject {
  void operator()(bpf_object* object) const { ::bpf_object__close(object); }
};

Loaded LoadByLibbpf(const std::string& path) {
  Loaded loaded;
  libbpf_log.clear();
  ::libbpf_set_print(KeepLog);
  const std::unique_ptr<bpf_object, CloseObject> object(::bpf_object__open_file(path.c_str(), nullptr));
  if (object == nullptr || ::bpf_object__load(object.get()) != 0) {
    loaded.error = "libbpf: " + libbpf_log;
    return loaded;
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) {
    if (::bpf_program__fd(program) < 0) continue;
    loaded.programs.emplace(::bpf_program__name(program), ProgramFacts(::bpf_program__fd(program)));
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    if (::bpf_map__fd(map) >= 0) AddMap(loaded.maps, ::bpf_map__fd(map));
  }
  return loaded;
}

Loaded LoadByUs(const std::shared_ptr<Backend>& backend, const std::string& path) {
  Loaded loaded;
  const auto objects = LoadCollection(backend, path);
  if (!objects) {
    loaded.error = "strata: " + objects.error().message() + "\n" + objects.error().log();
    return loaded;
  }
  for (const auto& [name, program] : objects->programs()) {
    const UniqueFd fd(::bpf_prog_get_fd_by_id(program.info().id));
    loaded.programs.emplace(name, ProgramFacts(fd.get()));
  }
  for (const auto& [name, map] : objects->maps()) {
    const UniqueFd fd(::bpf_map_get_fd_by_id(map.info().id));
    AddMap(loaded.maps, fd.get());
  }
  return loaded;
}

struct Object {
  std::string name;  // "clang_19_callbacks"
  std::string path;
};

std::vector<Object> Objects() {
  std::vector<Object> objects;
  std::stringstream paths(STRATA_DIFFERENTIAL_OBJECTS);
  for (std::string path; std::getline(paths, path, ',');) {
    const std::string file = path.substr(path.rfind('/') + 1);
    objects.push_back({file.substr(0, file.find('.')), path});
  }
  return objects;
}

void PrintTo(const Object& object, std::ostream* out) { *out << object.path; }

class Libbpf : public testing::TestWithParam<Object> {
 protected:
  void SetUp() override {
    auto backend = OpenBackend("kernel");
    if (!backend && backend.error().code() == ErrorCode::kPermissionDenied) {
      GTEST_SKIP() << "lacks the right to use bpf(2): " << backend.error().message();
    }
    ASSERT_TRUE(backend) << backend.error().message();
    backend_ = *std::move(backend);
  }
  std::shared_ptr<Backend> backend_;
};

TEST_P(Libbpf, LeavesTheSameInTheKernel) {
  const Loaded expected = LoadByLibbpf(GetParam().path);
  ASSERT_EQ(expected.error, "");
  const Loaded actual = LoadByUs(backend_, GetParam().path);
  ASSERT_EQ(actual.error, "");
  EXPECT_FALSE(actual.programs.empty());
  EXPECT_EQ(actual.programs, expected.programs);
  EXPECT_EQ(actual.maps, expected.maps);
}

TEST_P(Libbpf, TagsAreThoseWeCompute) {
  auto objects = LoadCollection(backend_, GetParam().path);
  ASSERT_TRUE(objects) << objects.error().message() << objects.error().log();
  const MapResolver resolve = [&](std::string_view name) -> Result<std::shared_ptr<BackendMap>> {
    return STRATA_TRY(objects->FindMap(name))
    ->backend_map();
  };
  ProgramPreparer preparer(objects->spec(), backend_->kernel(), {});
  const isa::TagHash hash = isa::TagHashOf(backend_->kernel().Version().value());
  for (const auto& [name, program] : objects->programs()) {
    const auto linked = preparer.Prepare(program.spec(), resolve);
    ASSERT_TRUE(linked) << linked.error().message();
    EXPECT_EQ(TagOf(*linked, hash), program.info().tag) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Objects, Libbpf, testing::ValuesIn(Objects()),
                         [](const testing::TestParamInfo<Object>& object) { return object.param.name; });

// The set is as large and as varied as the promise says.
TEST(DifferentialSet, HasSixtyProgramsOfManyTypes) {
  std::set<std::string> programs;
  std::set<ProgramType> types;
  std::set<MapType> maps;
  for (const Object& object : Objects()) {
    const auto spec = LoadCollectionSpec(object.path);
    ASSERT_TRUE(spec) << spec.error().message();
    for (const auto& [name, program] : spec->programs) {
      programs.insert(spec->name.substr(spec->name.rfind('_') + 1) + "/" + name);
      types.insert(program.type_of_program);
    }
    for (const auto& [name, map] : spec->maps) maps.insert(map.type);
  }
  EXPECT_GE(programs.size(), 120U);
  EXPECT_GE(types.size(), 25U);
  EXPECT_GE(maps.size(), 25U);
}

}  // namespace
}  // namespace strata
