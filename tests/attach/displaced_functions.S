// Functions whose first bytes (or the bytes at <name>_site) are one of each form that the planner rewrites. Each returns a value that only the right
// execution gives; the test knows it.

.macro FUNCTION name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
.endm

.macro END name
        .globl  \name\()_end
        .hidden \name\()_end
\name\()_end:
        .size   \name, . - \name
.endm

.macro SITE name
        .globl  \name\()_site
        .hidden \name\()_site
\name\()_site:
.endm

        .text

// rdi + 1000
FUNCTION rip_load
        movq    thousand(%rip), %rax
        addq    %rdi, %rax
        ret
END rip_load

// rdi == 0 ? 7 : 9
FUNCTION rip_compare_immediate
        cmpl    $1000, thousand(%rip)
        jne     1f
        movl    $7, %eax
        movl    $9, %ecx
        testq   %rdi, %rdi
        cmovnz  %rcx, %rax
        ret
1:      movl    $-1, %eax
        ret
END rip_compare_immediate

// rdi == 0 ? 5 : 6
FUNCTION short_branch
        testl   %edi, %edi
        je      1f
        xorl    %eax, %eax
        addl    $6, %eax
        ret
1:      movl    $5, %eax
        ret
END short_branch

// rdi == 0 ? 5 : 6, by a branch of 32 bits in the second place
FUNCTION near_branch
        testl   %edi, %edi
        {disp32} je 1f
        movl    $6, %eax
        ret
1:      movl    $5, %eax
        ret
END near_branch

// rcx (fourth argument) - 1 is not zero ? 1 : 0
FUNCTION loop_branch
        loop    1f
        xorl    %eax, %eax
        nop
        ret
1:      movl    $1, %eax
        ret
END loop_branch

// rcx == 0 ? 1 : 0
FUNCTION rcx_branch
        jrcxz   1f
        xorl    %eax, %eax
        nop
        ret
1:      movl    $1, %eax
        ret
END rcx_branch

// rcx as 32 bits == 0 ? 1 : 0
FUNCTION ecx_branch
        jecxz   1f
        xorl    %eax, %eax
        ret
1:      movl    $1, %eax
        ret
END ecx_branch

// the distance from here to where the callee was told to return: 5
FUNCTION direct_call
        call    return_address
        leaq    direct_call(%rip), %rcx
        subq    %rcx, %rax
        ret
END direct_call

// 6
FUNCTION pointer_call
        call    *return_address_pointer(%rip)
        leaq    pointer_call(%rip), %rcx
        subq    %rcx, %rax
        ret
END pointer_call

// 9
FUNCTION register_call
        leaq    return_address(%rip), %rax
        call    *%rax
        leaq    register_call(%rip), %rcx
        subq    %rcx, %rax
        ret
END register_call

FUNCTION register_call_late
        leaq    return_address(%rip), %r11
        movl    %edi, %edi
SITE register_call_late
        movq    %r11, %rax
        call    *%rax
        leaq    register_call_late(%rip), %rcx
        subq    %rcx, %rax
        ret
END register_call_late

// rdi + 21
FUNCTION jump_away
        {disp32} jmp jump_target
END jump_away
FUNCTION jump_target
        leaq    21(%rdi), %rax
        ret
END jump_target

// 3: a function of three bytes with padding behind it
FUNCTION tiny
        pushq   $3
        popq    %rax
        ret
END tiny
        .p2align 4, 0x90

// rdi < rsi (signed) ? 1 : 0; the site lies between comparison and use, with flags alive
FUNCTION flags_alive
        cmpq    %rsi, %rdi
SITE flags_alive
        movl    $0, %eax
        setl    %al
        ret
END flags_alive

// carry and parity as seen behind the site: 2 * carry + parity of rdi + rsi
FUNCTION carry_alive
        movl    $0, %eax
        addq    %rsi, %rdi
SITE carry_alive
        movl    $0, %ecx
        setp    %al
        setc    %cl
        leaq    (%rax, %rcx, 2), %rax
        ret
END carry_alive

// 1 if the direction flag is still set behind the site
FUNCTION direction_alive
        std
SITE direction_alive
        movl    $0, %eax
        pushfq
        popq    %rax
        cld
        shrq    $10, %rax
        andl    $1, %eax
        ret
END direction_alive

// rdi + rsi, kept in the red zone across the site
FUNCTION red_zone
        movq    %rdi, -8(%rsp)
        movq    %rsi, -128(%rsp)
        xorl    %edi, %edi
        xorl    %esi, %esi
SITE red_zone
        movl    $0, %eax
        movq    -8(%rsp), %rax
        addq    -128(%rsp), %rax
        ret
END red_zone

// How many of the registers changed at the site: 0
FUNCTION registers_alive
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, saved_stack(%rip)
        movl    $101, %eax
        movl    $102, %ebx
        movl    $103, %ecx
        movl    $104, %edx
        movl    $105, %esi
        movl    $106, %edi
        movl    $107, %ebp
        movl    $108, %r8d
        movl    $109, %r9d
        movl    $110, %r10d
        movl    $111, %r11d
        movl    $112, %r12d
        movl    $113, %r13d
        movl    $114, %r14d
        movl    $115, %r15d
        movd    %r15d, %xmm0
        movd    %r14d, %xmm15
SITE registers_alive
        .byte   0x0f, 0x1f, 0x44, 0x00, 0x00
        .macro CHECK operand, value
        cmpq    $\value, \operand
        je      1f
        incl    wrong_registers(%rip)
1:
        .endm
        movl    $0, wrong_registers(%rip)
        CHECK   %rax, 101
        CHECK   %rbx, 102
        CHECK   %rcx, 103
        CHECK   %rdx, 104
        CHECK   %rsi, 105
        CHECK   %rdi, 106
        CHECK   %rbp, 107
        CHECK   %r8, 108
        CHECK   %r9, 109
        CHECK   %r10, 110
        CHECK   %r11, 111
        CHECK   %r12, 112
        CHECK   %r13, 113
        CHECK   %r14, 114
        CHECK   %r15, 115
        movq    %xmm0, %rax
        CHECK   %rax, 115
        movq    %xmm15, %rax
        CHECK   %rax, 114
        cmpq    %rsp, saved_stack(%rip)
        je      2f
        incl    wrong_registers(%rip)
2:      popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        movl    wrong_registers(%rip), %eax
        ret
END registers_alive

// 0, by a loop back to its own first byte: rdi rounds
FUNCTION loop_to_start
        leaq    -1(%rdi), %rdi
        nop
        testq   %rdi, %rdi
        jnz     loop_to_start
        xorl    %eax, %eax
        ret
END loop_to_start

// rdi + 1, and before that into tail_second by a jump: (rdi + 1) * 2
FUNCTION tail_first
        addq    $1, %rdi
        nop
        {disp32} jmp tail_second
END tail_first
FUNCTION tail_second
        leaq    (%rdi, %rdi), %rax
        nop
        ret
END tail_second

// rdi, after that many jumps to itself with rsi counting up
FUNCTION tail_loop
        cmpq    %rsi, %rdi
        {disp32} je 1f
        incq    %rsi
        {disp32} jmp tail_loop
1:      movq    %rsi, %rax
        ret
END tail_loop

// ax = rdi, dx = rsi, with rcx and r8 as some callers expect them to stay
FUNCTION two_results
        movq    %rdi, %rax
        movq    %rsi, %rdx
        ret
END two_results

// Calls two_results and tells if rcx, r8 and r11, which it does not use, came back unchanged: 1
FUNCTION keeps_scratch_registers
        movl    $201, %ecx
        movl    $202, %r8d
        movl    $203, %r11d
        subq    $8, %rsp
        call    two_results
        addq    $8, %rsp
        xorl    %eax, %eax
        cmpq    $201, %rcx
        jne     1f
        cmpq    $202, %r8
        jne     1f
        cmpq    $203, %r11
        jne     1f
        movl    $1, %eax
1:      ret
END keeps_scratch_registers

FUNCTION return_address
        movq    (%rsp), %rax
        ret
END return_address

        .section .data.rel.local, "aw"
        .p2align 3
thousand:
        .quad   1000
return_address_pointer:
        .quad   return_address
saved_stack:
        .quad   0
wrong_registers:
        .quad   0

        .section .note.GNU-stack, "", @progbits
