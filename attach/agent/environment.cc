#include "environment.h"

namespace strata::attach {
namespace {

constexpr char kSession[] = "STRATA_SESSION=";
constexpr char kPreload[] = "LD_PRELOAD=";
constexpr char kLibrary[] = "libstrata-agent.so";

// Text behind `prefix`, or null when `text` does not start with it.
const char* After(const char* text, const char* prefix) {
  for (; *prefix != '\0'; ++text, ++prefix) {
    if (*text != *prefix) return nullptr;
  }
  return text;
}
char* After(char* text, const char* prefix) { return const_cast<char*>(After(const_cast<const char*>(text), prefix)); }

std::size_t LengthOf(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

// Appends and keeps `text` terminated; false where it does not fit.
class Text {
 public:
  Text(char* out, std::size_t size) : out_(out), size_(size) { out_[0] = '\0'; }
  void Append(const char* text, std::size_t length) {
    if (length >= size_ - used_) {
      fits_ = false;
      return;
    }
    for (std::size_t i = 0; i < length; ++i) out_[used_++] = text[i];
    out_[used_] = '\0';
  }
  void Append(const char* text) { Append(text, LengthOf(text)); }
  bool fits() const { return fits_; }

 private:
  char* out_;
  std::size_t size_;
  std::size_t used_ = 0;
  bool fits_ = true;
};

bool IsSeparator(char character) { return character == ':' || character == ' '; }

std::size_t ElementLength(const char* element) {
  std::size_t length = 0;
  while (element[length] != '\0' && !IsSeparator(element[length])) ++length;
  return length;
}

bool IsThisLibrary(const char* element, std::size_t length) {
  constexpr std::size_t kLength = sizeof(kLibrary) - 1;
  if (length < kLength || After(element + length - kLength, kLibrary) == nullptr) return false;
  return length == kLength || element[length - kLength - 1] == '/';
}

void CutOut(char* from, std::size_t length) {
  while ((*from = from[length]) != '\0') ++from;
}

// Takes this library out of a list of libraries; true if nothing else is left.
bool TakeLibrary(char* list, AgentSettings* out) {
  for (char* element = list; *element != '\0';) {
    const std::size_t length = ElementLength(element);
    if (!IsThisLibrary(element, length)) {
      element += length + (element[length] != '\0' ? 1 : 0);
      continue;
    }
    Text(out->agent_path, kMaxPath).Append(element, length);
    // With the separator behind it, or that before it at the list's end.
    if (element[length] != '\0') {
      CutOut(element, length + 1);
    } else {
      *(element > list ? element - 1 : element) = '\0';
    }
    break;
  }
  return *list == '\0';
}

// True if the entry was the agent's alone.
bool TakeEntry(char* entry, AgentSettings* out) {
  if (const char* session = After(entry, kSession)) {
    Text(out->session, kMaxPath).Append(session);
    return true;
  }
  char* list = After(entry, kPreload);
  return list != nullptr && *list != '\0' && TakeLibrary(list, out);
}

}  // namespace

void TakeSettings(char** environment, AgentSettings* out) noexcept {
  out->session[0] = '\0';
  out->agent_path[0] = '\0';
  char** kept = environment;
  char** entry = environment;
  for (; *entry != nullptr; ++entry) {
    if (!TakeEntry(*entry, out)) *kept++ = *entry;
  }
  while (kept != entry) *kept++ = nullptr;
}

bool AddSettings(char* const* environment, const AgentSettings& settings, ChildEnvironment* out) noexcept {
  Text session(out->session, sizeof(out->session));
  session.Append(kSession);
  session.Append(settings.session);
  Text preload(out->preload, sizeof(out->preload));
  preload.Append(kPreload);
  preload.Append(settings.agent_path);
  std::size_t count = 0;
  const char* const* entry = environment;
  for (; entry != nullptr && *entry != nullptr; ++entry) {
    if (After(*entry, kSession) != nullptr) continue;
    if (const char* list = After(*entry, kPreload)) {
      if (*list != '\0') preload.Append(":");
      preload.Append(list);
      continue;
    }
    if (count + 3 > kMaxEntries) return false;
    out->entries[count++] = *entry;
  }
  out->entries[count++] = out->preload;
  out->entries[count++] = out->session;
  out->entries[count] = nullptr;
  return session.fits() && preload.fits();
}

}  // namespace strata::attach
