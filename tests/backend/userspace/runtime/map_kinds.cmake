# Kinds of maps beyond arrays and hashes, seen from below: crashes, hostile peers, many threads.
strata_test(NAME runtime_kinds_test
  SOURCES session_fixture.cc killed_at.cc queue_stack_test.cc bloom_filter_test.cc lpm_trie_test.cc ring_producers_test.cc perf_ring_test.cc stack_trace_test.cc user_ring_crash_test.cc kind_geometry_test.cc
  LINK ${runtime} strata::isa Threads::Threads)
