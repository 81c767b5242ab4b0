// Formats and numbers in text.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

enum { ROOM = 96 };

struct printed {
  __s64 length;
  char text[ROOM];
};

// Each format with the same arguments as in text_helpers_test.cc, where what it must print stands beside it.
__u64 arguments[12];
struct printed answers[48];

// clang-format off
#define FORMATS(F) \
  F(0, "plain text") F(1, "100%%") F(2, "%d|%d") F(3, "%u") F(4, "%x|%X") F(5, "%ld|%lld") F(6, "%lu|%llx") F(7, "%i") \
  F(8, "%5d|%-5d|%05d") F(9, "%+d|% d|%+u") F(10, "%-05d|%0-5d|") F(11, "%20lx|%-20lx|%020lx") F(12, "%c%c") F(13, "%3c|%-3c|") \
  F(14, "%s") F(15, "%10s|%-10s|%05s") F(16, "%pks") F(17, "%pus.") F(18, "%20pus|%-20pus|") F(19, "%px") F(20, "%20px|%-20px|") \
  F(21, "%ps|%pS|%pB") F(22, "%30ps|") F(23, "%pI4|%pi4") F(24, "%pI6") F(25, "%pi6") F(26, "%20pI4|") F(27, "%pI4abc|%pxyz|") \
  F(28, "%s, %s; %s") F(29, "%d %s %lx %c %s") F(30, "%1000d") F(31, "") F(32, "%s%%%d%%") F(33, "\t\n\v\f\r") F(34, "%x%%") \
  F(35, "%0 +-5d|")
// clang-format on

#define PRINT(number, format)                                                                        \
  SEC("syscall")                                                                                     \
  int print_##number(void* ctx) {                                                                    \
    static const char text[] = format;                                                               \
    answers[number].length =                                                                         \
        bpf_snprintf(answers[number].text, sizeof(answers[number].text), text, arguments, sizeof(arguments)); \
    return 0;                                                                                        \
  }
FORMATS(PRINT)

struct request {
  char text[40];
  __u32 size;
  __u32 reserved;
  __u64 flags;
};
struct request request;
struct {
  __s64 result;
  __s64 value;
} answer;

SEC("syscall")
int parse_long(void* ctx) {
  __u32 size = request.size;
  long value = -77;
  if (size == 0 || size > sizeof(request.text)) return 1;
  answer.result = bpf_strtol(request.text, size, request.flags, &value);
  answer.value = value;
  return 0;
}

SEC("syscall")
int parse_unsigned_long(void* ctx) {
  __u32 size = request.size;
  unsigned long value = 77;
  if (size == 0 || size > sizeof(request.text)) return 1;
  answer.result = bpf_strtoul(request.text, size, request.flags, &value);
  answer.value = value;
  return 0;
}

SEC("syscall")
int compare(void* ctx) {
  __u32 size = request.size;
  static const char other[] = "some text";
  if (size == 0 || size > sizeof(request.text)) return 1;
  answer.result = bpf_strncmp(request.text, size, other);
  return 0;
}

SEC("syscall")
int print_small(void* ctx) {
  static const char text[] = "%d and %s";
  __u32 size = request.size;
  if (size > 16) return 1;
  answers[0].length = bpf_snprintf(answers[0].text, size, text, arguments, 16);
  return 0;
}

SEC("syscall")
int print_bad_arguments(void* ctx) {
  static const char text[] = "plain";
  answer.result = bpf_trace_vprintk(text, sizeof(text), arguments, 12);
  answer.value = bpf_snprintf(answers[0].text, 16, text, 0, 0);
  return 0;
}

// Formats that are looked at only when the program runs.
SEC("syscall")
int trace(void* ctx) {
  __u32 size = request.size;
  if (size == 0 || size > sizeof(request.text)) return 1;
  answer.result = bpf_trace_printk(request.text, size, arguments[0], arguments[1], arguments[2]);
  answer.value = bpf_trace_vprintk(request.text, size, arguments, sizeof(arguments));
  return 0;
}

SEC("syscall")
int branches(void* ctx) {
  answer.result = bpf_get_branch_snapshot(answers[0].text, sizeof(answers[0].text), 0);
  answer.value = bpf_get_branch_snapshot(answers[0].text, sizeof(answers[0].text), 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
