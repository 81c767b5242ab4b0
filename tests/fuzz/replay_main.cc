// Runs a fuzz target without libFuzzer: NAME [--rounds N] [--seed S] FILE|FOLDER... feeds each file, then N mutations
// of them. Round i depends on seed and i only. A crash leaves its input in "fuzz-finding" of the working folder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Options {
  std::uint64_t rounds = 0;
  std::uint64_t seed = 1;
  std::vector<std::string> paths;
};

// What runs now, for the handler.
const Bytes* current_input = nullptr;

// A sanitizer's report ends in abort() too (abort_on_error, or its own handler first).
void KeepInput(int signal_number) {
  const int file = ::open("fuzz-finding", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0 && current_input != nullptr) {
    const auto written = ::write(file, current_input->data(), current_input->size());
    ::close(file);
    static_cast<void>(written);
  }
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

bool ReadOptions(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    std::uint64_t* const value = argument == "--rounds" ? &options.rounds
                                 : argument == "--seed" ? &options.seed
                                                        : nullptr;
    if (value == nullptr) {
      if (argument.starts_with("--")) return false;
      options.paths.push_back(argument);
      continue;
    }
    if (++i == argc) return false;
    char* end = nullptr;
    *value = std::strtoull(argv[i], &end, 0);
    if (end == argv[i] || *end != '\0') return false;
  }
  return !options.paths.empty();
}

Bytes ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

std::vector<Bytes> ReadInputs(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> inputs;
  for (const auto& file : files) inputs.push_back(ReadFile(file));
  return inputs;
}

std::uint32_t Interesting(std::uint64_t choice) {
  constexpr std::uint32_t kValues[] = {0,          1,          2,          8,      0x7f, 0x80, 0xff, 0x7fff,
                                       0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 64,   4096, 20,   0xfffffff8};
  return kValues[choice % std::size(kValues)];
}

// One of: a changed byte, a changed word, a word from elsewhere, bytes removed, the end cut off.
void Mutate(Bytes& input, std::mt19937_64& random) {
  if (input.size() < 8) {
    input.push_back(static_cast<std::uint8_t>(random()));
    return;
  }
  const std::size_t at = random() % (input.size() - 4);
  const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random() % 5) {
    case 0:
      input[at] = static_cast<std::uint8_t>(random());
      return;
    case 1: {
      const std::uint32_t word = Interesting(random());
      std::memcpy(input.data() + at, &word, sizeof(word));
      return;
    }
    case 2:
      std::memmove(input.data() + at, input.data() + random() % (input.size() - 4), 4);
      return;
    case 3:
      input.erase(position,
                  position + static_cast<std::ptrdiff_t>(1 + random() % std::min<std::size_t>(8, input.size() - at)));
      return;
    default:
      input.resize(at);
  }
}

void Run(const Bytes& input) {
  current_input = &input;
  // Exactly as long as the input, so that a sanitizer sees a read past its end.
  const Bytes exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  current_input = nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!ReadOptions(argc, argv, options)) {
    std::fprintf(stderr, "usage: %s [--rounds N] [--seed S] FILE|FOLDER...\n", argv[0]);
    return 2;
  }
  for (const int signal_number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(signal_number, KeepInput);
  const std::vector<Bytes> inputs = ReadInputs(options.paths);
  if (inputs.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[0]);
    return 1;
  }
  for (const Bytes& input : inputs) Run(input);
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    std::mt19937_64 random(options.seed + round);
    Bytes input = inputs[random() % inputs.size()];
    for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) Mutate(input, random);
    Run(input);
  }
  std::printf("%zu inputs and %llu mutations from seed %llu: no finding\n", inputs.size(),
              static_cast<unsigned long long>(options.rounds), static_cast<unsigned long long>(options.seed));
  return 0;
}
