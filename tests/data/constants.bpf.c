// Constants that the compiler puts into sections of its own choice, and sections that the source names.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct wide {
  long a, b;
};

int custom_data SEC(".data.custom") = 3;
const volatile int custom_constant SEC(".rodata.custom") = 4;
int custom_zero SEC(".bss.custom");
static int one_static = 5;
int in_bss[4];

SEC("uprobe")
int uses_strings(void* ctx) {
  char text[8];
  if (bpf_probe_read_kernel_str(text, sizeof(text), ctx) < 0) return 0;
  return bpf_strncmp(text, sizeof(text), "needle") + bpf_strncmp(text, sizeof(text), "hay");
}

SEC("uprobe")
int uses_sections(void* ctx) {
  static int counted = 6;
  counted++;
  one_static++;
  in_bss[2]++;
  custom_zero++;
  return custom_data + custom_constant + counted + one_static;
}

SEC("uprobe")
int uses_also(void* ctx) {
  static int counted = 7;
  counted += 2;
  return counted;
}

char LICENSE[] SEC("license") = "GPL";
