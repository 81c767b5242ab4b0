// Knows its own half of the types; right.bpf.c has the other one.
struct other;
struct shared {
  struct shared *next;
  struct other *other;
  int values[4];
};
struct left_only {
  struct shared shared;
  long n;
};
enum level { LOW, HIGH = 7 };
int total;
enum level level;
struct left_only kept;
__attribute__((section("socket"), used)) int left(struct shared *context) { return context->values[1] + total; }
char _license[] __attribute__((section("license"))) = "GPL";
