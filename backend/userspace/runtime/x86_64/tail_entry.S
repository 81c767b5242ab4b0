// Where compiled code enters an interpreted program by a tail call (TailEntry in run_context.h): the context is in rdi, the run in r12, the C caller's
// r12 at rsp. Goes on at the program's entry for C callers.

// run_context.h and program_instance.h assert these.
#define RUN_PROGRAM 64
#define PROGRAM_ENTRY 0

        .text
        .globl  strata_tail_entry
        .hidden strata_tail_entry
        .type   strata_tail_entry, @function
        .p2align 4
strata_tail_entry:
        movq    %r12, %rsi
        popq    %r12
        movq    RUN_PROGRAM(%rsi), %rax
        jmp     *PROGRAM_ENTRY(%rax)
        .size   strata_tail_entry, . - strata_tail_entry

        .section .note.GNU-stack, "", @progbits
