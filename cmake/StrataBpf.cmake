# bpf_object(OUT_VAR SOURCE [NAME name] [COMPILER clang] [CPU v1|v2|v3|v4] [FLAGS ...])
#
# Compiles a *.bpf.c with clang to BUILD/bpf/<folder>/<name>.bpf.o, with BTF, and puts that path into OUT_VAR. Depend on the file, or on the target bpf_objects.
find_program(STRATA_BPF_CLANG NAMES clang-14 clang REQUIRED)
if(NOT TARGET bpf_objects)
  add_custom_target(bpf_objects ALL)
endif()
function(bpf_object out source)
  cmake_parse_arguments(ARG "" "CPU;NAME;COMPILER" "FLAGS" ${ARGN})
  if(NOT ARG_CPU)
    set(ARG_CPU v3)
  endif()
  if(NOT ARG_COMPILER)
    set(ARG_COMPILER ${STRATA_BPF_CLANG})
  endif()
  cmake_path(ABSOLUTE_PATH source OUTPUT_VARIABLE source_path)
  file(RELATIVE_PATH folder ${STRATA_ROOT} ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT ARG_NAME)
    cmake_path(GET source STEM ARG_NAME)
  endif()
  set(object ${CMAKE_BINARY_DIR}/bpf/${folder}/${ARG_NAME}.bpf.o)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bpf/${folder})
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${ARG_COMPILER} -target bpf -mcpu=${ARG_CPU} -g -O2 -Wall -Werror -D__TARGET_ARCH_x86
            -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -fdebug-prefix-map=${STRATA_ROOT}=. ${ARG_FLAGS}
            -MD -MF ${object}.d -c ${source_path} -o ${object}
    DEPENDS ${source_path} DEPFILE ${object}.d VERBATIM)
  string(MAKE_C_IDENTIFIER "bpf_${folder}_${ARG_NAME}" target)
  add_custom_target(${target} DEPENDS ${object})
  add_dependencies(bpf_objects ${target})
  set(${out} ${object} PARENT_SCOPE)
endfunction()

# strata_use_bpf_objects(TARGET OBJECT...): the target gets each object's path as the macro STRATA_BPF_<NAME>, and is built after it.
function(strata_use_bpf_objects target)
  foreach(object IN LISTS ARGN)
    cmake_path(GET object FILENAME file)
    string(REPLACE ".bpf.o" "" stem ${file})
    string(TOUPPER ${stem} upper)
    string(MAKE_C_IDENTIFIER ${upper} macro)
    target_compile_definitions(${target} PRIVATE STRATA_BPF_${macro}="${object}")
  endforeach()
  if(ARGN)
    add_dependencies(${target} bpf_objects)
  endif()
endfunction()
