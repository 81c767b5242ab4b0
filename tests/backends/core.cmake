# CO-RE: one object of programs, many objects that are only there for their types. Newer compilers know more relocations.
bpf_object(core_cases ../data/core/cases.bpf.c)
find_program(STRATA_NEW_BPF_CLANG NAMES clang-22 clang-19 clang-18 clang-17 clang-16 clang-15)
set(core_new_cases "")
if(STRATA_NEW_BPF_CLANG)
  bpf_object(core_new_cases ../data/core/cases.bpf.c NAME core_new_cases COMPILER ${STRATA_NEW_BPF_CLANG} CPU v3)
endif()
foreach(target
    AMBIGUOUS ARRAYS ARRAYS_FLEXIBLE ARRAYS_LARGER ARRAYS_NONE ARRAYS_OF_OTHERS ARRAYS_SHALLOW ARRAYS_SMALL ARRAYS_ZERO_NOT_LAST
    AUTOSIZE_LARGER AUTOSIZE_SAME AUTOSIZE_SIGNED AUTOSIZE_SMALLER BITFIELDS BITFIELDS_AND_INTS BITFIELDS_JUST_FIT BITFIELDS_OTHER_SIZES
    BITFIELDS_TOO_WIDE ENUMS ENUMS64 ENUMS64_MISSING ENUMS64_OTHERS ENUMS_MISSING ENUMS_OTHERS ENUM_UNSIGNED EXISTENCE EXISTENCE_MINIMAL
    EXISTENCE_OTHER_TYPES FLAVORS FLAVORS_MOVED FLAVORS_NO_FIELD INTS INTS_BOOL INTS_OTHER_SIGN MISC MODS MODS_TYPEDEFS NESTING
    NESTING_AMBIGUOUS NESTING_ANONYMOUS NESTING_ARRAY_CONTAINER NESTING_ARRAY_FIELD NESTING_FLAVOURS NESTING_MOVED NESTING_NO_CONTAINER
    NESTING_NO_FIELD NESTING_NO_STRUCT NESTING_NO_TYPE NESTING_POINTER NESTING_UNION PRIMITIVES PRIMITIVES_NO_ENUM PRIMITIVES_NO_INT
    PRIMITIVES_NO_POINTER PRIMITIVES_OTHERS PTR_AS_ARR PTR_AS_ARR_LARGER SIZES SIZES_AMBIGUOUS SIZES_OTHERS TYPES TYPES_OTHERS TYPES_PADDED)
  set(compiler ${STRATA_BPF_CLANG})
  if(target MATCHES "ENUM(S64|_UNSIGNED)" AND STRATA_NEW_BPF_CLANG)
    set(compiler ${STRATA_NEW_BPF_CLANG})
  endif()
  bpf_object(object ../data/core/targets.bpf.c NAME core_${target} COMPILER ${compiler} FLAGS -D${target})
endforeach()
strata_test(NAME core_relocation_test
            SOURCES core_relocation_test.cc fixture.cc targets.cc
            LINK strata::root Threads::Threads
            BPF ${core_cases})
target_compile_definitions(core_relocation_test PRIVATE
                           STRATA_CORE_TARGETS="${CMAKE_BINARY_DIR}/bpf/tests/backends" STRATA_CORE_NEW_CASES="${core_new_cases}")
add_dependencies(core_relocation_test strata_agent)
