// Copies that may meet memory that is not there. Each instruction that may fault has a row in the table at the end; HandleFault (fault_table.cc) sends a
// thread that faulted there on to the row's recovery. System V calling convention, general registers only.

#define EFAULT 14

// The next instruction may fault; the thread then goes on at \recovery.
.macro MAY_FAULT recovery
        .pushsection .rodata.strata_faults, "a", @progbits
        .long   99f - .
        .long   \recovery - .
        .popsection
99:
.endm

        .section .rodata.strata_faults, "a", @progbits
        .p2align 3
        .globl  strata_fault_rows
        .hidden strata_fault_rows
strata_fault_rows:

        .text

// long strata_guarded_copy(void* to, const void* from, size_t size_bytes): 0 or -EFAULT, with an unspecified part copied. Either side may fault.
        .globl  strata_guarded_copy
        .hidden strata_guarded_copy
        .type   strata_guarded_copy, @function
        .p2align 5
strata_guarded_copy:
        cmpq    $8, %rdx
        jb      .Lshort
        cmpq    $256, %rdx
        jae     .Llong
        // Words from the front, and one that ends where the memory ends.
        leaq    -8(%rdx), %rcx
        xorl    %eax, %eax
        jmp     2f
1:
        MAY_FAULT .Lfault
        movq    (%rsi,%rax), %r8
        MAY_FAULT .Lfault
        movq    %r8, (%rdi,%rax)
        addq    $8, %rax
2:      cmpq    %rcx, %rax
        jb      1b
        MAY_FAULT .Lfault
        movq    (%rsi,%rcx), %r8
        MAY_FAULT .Lfault
        movq    %r8, (%rdi,%rcx)
        xorl    %eax, %eax
        ret
.Llong:
        movq    %rdx, %rcx
        MAY_FAULT .Lfault
        rep movsb
        xorl    %eax, %eax
        ret
.Lshort:
        testb   $4, %dl
        jz      1f
        MAY_FAULT .Lfault
        movl    (%rsi), %eax
        MAY_FAULT .Lfault
        movl    %eax, (%rdi)
        addq    $4, %rsi
        addq    $4, %rdi
1:      testb   $2, %dl
        jz      2f
        MAY_FAULT .Lfault
        movzwl  (%rsi), %eax
        MAY_FAULT .Lfault
        movw    %ax, (%rdi)
        addq    $2, %rsi
        addq    $2, %rdi
2:      testb   $1, %dl
        jz      3f
        MAY_FAULT .Lfault
        movzbl  (%rsi), %eax
        MAY_FAULT .Lfault
        movb    %al, (%rdi)
3:      xorl    %eax, %eax
        ret
.Lfault:
        movq    $-EFAULT, %rax
        ret
        .size   strata_guarded_copy, . - strata_guarded_copy

// long strata_guarded_copy_string(char* to, const char* from, size_t size_bytes): copies up to and with the NUL and returns the characters before it;
// size_bytes when there is no NUL among them; -EFAULT. Word by word, as the kernel's do_strncpy_from_user: the word with the NUL is written with zeros behind
// it. A word that cannot be read is read byte by byte, since the string may end before what is not there.
        .globl  strata_guarded_copy_string
        .hidden strata_guarded_copy_string
        .type   strata_guarded_copy_string, @function
        .p2align 5
strata_guarded_copy_string:
        xorl    %eax, %eax
        movabsq $0x0101010101010101, %r8
        movabsq $0x8080808080808080, %r9
1:      cmpq    $8, %rdx
        jb      .Lbytes
        MAY_FAULT .Lbytes
        movq    (%rsi,%rax), %rcx
        // The lowest set bit of r10 is the top bit of the first byte that is zero.
        movq    %rcx, %r10
        movq    %rcx, %r11
        subq    %r8, %r10
        notq    %r11
        andq    %r11, %r10
        andq    %r9, %r10
        jnz     2f
        movq    %rcx, (%rdi,%rax)
        addq    $8, %rax
        subq    $8, %rdx
        jmp     1b
2:      movq    %rcx, %r11
        bsfq    %r10, %rcx
        andl    $0x38, %ecx
        movl    $1, %r10d
        shlq    %cl, %r10
        subq    $1, %r10
        andq    %r10, %r11
        movq    %r11, (%rdi,%rax)
        shrl    $3, %ecx
        addq    %rcx, %rax
        ret
.Lbytes:
        testq   %rdx, %rdx
        jz      3f
        MAY_FAULT .Lfault_string
        movzbl  (%rsi,%rax), %ecx
        movb    %cl, (%rdi,%rax)
        testb   %cl, %cl
        jz      3f
        addq    $1, %rax
        subq    $1, %rdx
        jmp     .Lbytes
3:      ret
.Lfault_string:
        movq    $-EFAULT, %rax
        ret
        .size   strata_guarded_copy_string, . - strata_guarded_copy_string

// Where signal handlers return to. Debuggers and unwinders know a signal's frame by these very bytes.
        .p2align 4
        nop
        .globl  strata_signal_return
        .hidden strata_signal_return
        .type   strata_signal_return, @function
strata_signal_return:
        movq    $15, %rax
        syscall
        .size   strata_signal_return, . - strata_signal_return

        .section .rodata.strata_faults, "a", @progbits
        .globl  strata_fault_rows_end
        .hidden strata_fault_rows_end
strata_fault_rows_end:

        .section .note.GNU-stack, "", @progbits
