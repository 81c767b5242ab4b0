// Knows its own half of the types; left.bpf.c has the other one.
struct shared;
struct other {
  struct shared *back;
  int n;
};
struct shared {
  struct shared *next;
  struct other *other;
  int values[4];
};
enum level { LOW, HIGH = 7 };
int total;
enum level level;
struct other kept;
__attribute__((section("socket"), used)) int right(struct shared *context) { return context->other->n + total; }
char _license[] __attribute__((section("license"))) = "GPL";
