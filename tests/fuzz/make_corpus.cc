// Fills the corpora of the fuzz targets: strata_fuzz_corpus OBJECTS OUT. Takes every *.bpf.o below OBJECTS apart, and
// adds malformed inputs as seeds.
#include <gelf.h>
#include <libelf.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/elf_writer.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using strata::test::BtfWriter;
using strata::test::BytesOf;
using strata::test::ByteWriter;
using strata::test::ElfWriter;

// Whole kernels' types teach a fuzzer nothing that small ones do not, and slow it down.
constexpr std::size_t kMaxInput = 256 * 1024;

class Corpus {
 public:
  explicit Corpus(fs::path folder) : folder_(std::move(folder)) {}

  void Add(const std::string& target, const std::string& name, const Bytes& input) {
    if (input.size() > kMaxInput) return;
    fs::create_directories(folder_ / target);
    std::ofstream file(folder_ / target / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));
    ++count_;
  }
  std::size_t count() const { return count_; }

 private:
  fs::path folder_;
  std::size_t count_ = 0;
};

// As FuzzInput::TakePart reads it.
ByteWriter& AddPart(ByteWriter& writer, const Bytes& part) {
  return writer.Put(static_cast<std::uint32_t>(part.size())).Append(part);
}

// Contents of the sections that have a name, by it.
std::map<std::string, Bytes> Sections(Bytes& object) {
  std::map<std::string, Bytes> sections;
  Elf* elf = elf_memory(reinterpret_cast<char*>(object.data()), object.size());
  std::size_t names = 0;
  if (elf == nullptr || elf_getshdrstrndx(elf, &names) != 0) return sections;
  for (Elf_Scn* section = elf_nextscn(elf, nullptr); section != nullptr; section = elf_nextscn(elf, section)) {
    GElf_Shdr header;
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (gelf_getshdr(section, &header) == nullptr || data == nullptr || data->d_buf == nullptr) continue;
    const char* name = elf_strptr(elf, names, header.sh_name);
    const auto* start = static_cast<const std::byte*>(data->d_buf);
    const bool is_code = (header.sh_flags & SHF_EXECINSTR) != 0;
    if (name != nullptr) sections[is_code ? std::string("code ") + name : name] = Bytes(start, start + data->d_size);
  }
  elf_end(elf);
  return sections;
}

void AddObject(Corpus& corpus, const std::string& name, Bytes object) {
  corpus.Add("object", name, object);
  // Beside an empty object: what can be linked is linked.
  ByteWriter pair;
  corpus.Add("pair", name, AddPart(pair, object).Append(ElfWriter().Bytes()).bytes());
  const auto sections = Sections(object);
  for (const auto& [section, content] : sections) {
    if (!section.starts_with("code ")) continue;
    std::string file = name + section;
    for (char& c : file) c = c == '/' || c == ' ' ? '_' : c;
    corpus.Add("code", file, content);
  }
  const auto types = sections.find(".BTF");
  if (types == sections.end()) return;
  corpus.Add("btf", name, types->second);
  const auto info = sections.find(".BTF.ext");
  if (info == sections.end()) return;
  ByteWriter with_info;
  corpus.Add("btf_ext", name, AddPart(with_info, types->second).Append(info->second).bytes());
  // The object's own types as the target's: every relocation has an answer.
  ByteWriter with_target;
  AddPart(AddPart(with_target, types->second), types->second);
  corpus.Add("core", name, with_target.Append(info->second).bytes());
}

void AddMalformedTypes(Corpus& corpus) {
  corpus.Add("btf", "no-types", BtfWriter().Bytes());
  BtfWriter circle;
  circle.Type(8, "endless", 0, 1);
  corpus.Add("btf", "typedef-of-itself", circle.Bytes());
  BtfWriter arrays;
  const std::uint32_t byte = arrays.Int("char", 1);
  std::uint32_t element = byte;
  for (int depth = 0; depth < 4; ++depth) element = arrays.Type(3, "", 0, 0, {element, byte, 0xffffffff});
  corpus.Add("btf", "overflowing-array", arrays.Bytes());
  BtfWriter nested;
  nested.Type(4, "outer", 1, 8, {nested.String("inner"), 1, 0});
  corpus.Add("btf", "struct-in-itself", nested.Bytes());
  corpus.Add("btf", "truncated-header", BytesOf(std::string_view("\x9f\xeb\x01\x00\x18", 5)));
}

void AddMalformedObjects(Corpus& corpus) {
  corpus.Add("object", "no-sections", ElfWriter().Bytes());
  corpus.Add("object", "symbol-past-end", ElfWriter().Section(".maps").Symbol("m", 0, 9999).Bytes());
  const strata::isa::Instruction exit{0x95};
  const strata::isa::Instruction call{0x85, 0, 1, 0, -1};
  corpus.Add("object", "one-exit", ElfWriter().Code("xdp", "f", {exit}).Bytes());
  corpus.Add("object", "undefined-call",
             ElfWriter().Code("xdp", "f", {call, exit}).UndefinedSymbol("g").Relocation(0, "g", 10).Bytes());
  corpus.Add("object", "half-load", ElfWriter().Code("xdp", "f", {strata::isa::Instruction{0x18}}).Bytes());
}

// Notes as <sys/sdt.h> leaves them, and texts of arguments.
void AddUsdt(Corpus& corpus) {
  const std::string_view texts[] = {"-4@%edi 8@$-123 8@-16(%rbp)", "-2@counter+8(%rip) 1@%ah 4@8(,%rcx,1)", "8f@%xmm0",
                                    "4@0x10+8(%rax,%rcx,4) 8@$0x7fffffffffffffff", ""};
  ByteWriter section;
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    const std::string_view text = texts[i];
    corpus.Add("usdt", "arguments-" + std::to_string(i), BytesOf(text));
    const std::string names = std::string("provider\0name\0", 14) + std::string(text) + '\0';
    section.Put(std::uint32_t{8}).Put(static_cast<std::uint32_t>(24 + names.size())).Put(std::uint32_t{3});
    section.Append(BytesOf(std::string_view("stapsdt\0", 8)));
    section.Put(std::uint64_t{0x1000}).Put(std::uint64_t{0x2000}).Put(std::uint64_t{0}).Append(BytesOf(names));
    while (section.size() % 4 != 0) section.Put(std::uint8_t{0});
    corpus.Add("usdt", "notes-" + std::to_string(i), section.bytes());
  }
}

// For each file of a registry and each kind of map: one change, and every operation.
void AddRegistry(Corpus& corpus) {
  for (std::uint32_t choice = 0; choice < 64; ++choice) {
    ByteWriter changes;
    changes.Put(choice * 2654435761U).Put(static_cast<std::uint8_t>(choice));
    ByteWriter input;
    input.Put(choice);
    AddPart(input, changes.bytes());
    for (unsigned operation = 0; operation < 256; operation += 3) input.Put(static_cast<std::uint8_t>(operation));
    corpus.Add("registry", "file-" + std::to_string(choice), input.bytes());
  }
}

// Objects that belong together, and ones that do not.
void AddPairs(Corpus& corpus, const fs::path& objects) {
  const fs::path folder = objects / "tests" / "elf";
  const fs::path first = folder / "link_helper.bpf.o";
  if (!fs::exists(first)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("link_") || !name.ends_with(".bpf.o")) continue;
    ByteWriter pair;
    AddPart(pair, strata::test::ReadFile(first.string())).Append(strata::test::ReadFile(entry.path().string()));
    corpus.Add("pair", "helper-and-" + name, pair.bytes());
  }
}

Bytes ReadBytes(const fs::path& path) { return strata::test::ReadFile(path.string()); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s OBJECTS OUT\n", argv[0]);
    return 2;
  }
  elf_version(EV_CURRENT);
  Corpus corpus(argv[2]);
  std::size_t objects = 0;
  for (const auto& entry : fs::recursive_directory_iterator(argv[1])) {
    if (!entry.path().filename().string().ends_with(".bpf.o")) continue;
    std::string name = fs::relative(entry.path(), argv[1]).string();
    for (char& c : name) c = c == '/' ? '_' : c;
    AddObject(corpus, name, ReadBytes(entry.path()));
    ++objects;
  }
  AddPairs(corpus, argv[1]);
  AddMalformedTypes(corpus);
  AddMalformedObjects(corpus);
  AddUsdt(corpus);
  AddRegistry(corpus);
  std::printf("%zu inputs from %zu objects\n", corpus.count(), objects);
  return objects == 0 ? 1 : 0;
}
