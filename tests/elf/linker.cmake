# The static linker's own test, with the objects it links.
foreach(name main helper third)
  bpf_object(link_${name} ../data/link/${name}.bpf.c NAME link_${name})
  list(APPEND link_objects ${link_${name}})
endforeach()
foreach(name main helper)
  bpf_object(object ../data/link/${name}.bpf.c NAME link_${name}_big_endian FLAGS -target bpfeb)
  list(APPEND link_objects ${object})
endforeach()
foreach(conflict second_definition other_type other_map other_section other_prototype other_license)
  string(TOUPPER ${conflict} macro)
  bpf_object(object ../data/link/conflicts.bpf.c NAME link_${conflict} FLAGS -D${macro})
  list(APPEND link_objects ${object})
endforeach()

strata_test(NAME elf_linker_test SOURCES linker_test.cc LINK strata::elf strata::test_elf
            BPF ${link_objects} ${programs} ${programs_big_endian} ${maps} ${core} ${values})
