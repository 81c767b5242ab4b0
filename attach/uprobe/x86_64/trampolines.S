// Where hooked code arrives. Both trampolines build a struct pt_regs on the stack, call a function of dispatch.cc with it, and put back every register and
// flag. Vector registers are left alone: nothing that runs below touches them.

// PtRegs, by offset (attach/engine.h).
#define R15 0
#define R14 8
#define R13 16
#define R12 24
#define BP 32
#define BX 40
#define R11 48
#define R10 56
#define R9 64
#define R8 72
#define AX 80
#define CX 88
#define DX 96
#define SI 104
#define DI 112
#define ORIG_AX 120
#define IP 128
#define CS 136
#define FLAGS 144
#define SP 152
#define SS 160
#define REGS_SIZE 168

#define USER_CS 0x33
#define USER_SS 0x2b
#define FLAG_DF 0x400
#define FLAGS_SLOW 0x40500  // AC, DF, TF: only popf can put these back
#define FLAG_OF_BIT 11

#define RED_ZONE 128

// From a stack pointer below which all is free, makes PtRegs at rsp with one word above it, and fills in what both trampolines know alike.
.macro SAVE_REGISTERS
        leaq    -(REGS_SIZE - SP)(%rsp), %rsp
        pushfq
        leaq    -FLAGS(%rsp), %rsp
        movq    %r15, R15(%rsp)
        movq    %r14, R14(%rsp)
        movq    %r13, R13(%rsp)
        movq    %r12, R12(%rsp)
        movq    %rbp, BP(%rsp)
        movq    %rbx, BX(%rsp)
        movq    %r11, R11(%rsp)
        movq    %r10, R10(%rsp)
        movq    %r9, R9(%rsp)
        movq    %r8, R8(%rsp)
        movq    %rax, AX(%rsp)
        movq    %rcx, CX(%rsp)
        movq    %rdx, DX(%rsp)
        movq    %rsi, SI(%rsp)
        movq    %rdi, DI(%rsp)
        movq    $-1, ORIG_AX(%rsp)
        movq    $USER_CS, CS(%rsp)
        movq    $USER_SS, SS(%rsp)
.endm

// Calls \function on an aligned stack, with the direction flag clear as C expects it. rbx holds the PtRegs' address across the call.
.macro CALL_ALIGNED function
        movq    %rsp, %rbx
        testl   $FLAG_DF, FLAGS(%rsp)
        jnz     8f
9:      andq    $-16, %rsp
        call    \function
        movq    %rbx, %rsp
        .subsection 1
8:      cld
        jmp     9b
        .previous
.endm

// The registers that a C function may have changed, and the flags. popf takes 20 cycles or more, so it is left to flags that need it.
.macro RESTORE_REGISTERS
        movl    FLAGS(%rsp), %edx
        testl   $FLAGS_SLOW, %edx
        jnz     8f
        btl     $FLAG_OF_BIT, %edx
        setc    %al
        movb    %dl, %ah
        addb    $0x7f, %al
        sahf
9:      movq    BX(%rsp), %rbx
        movq    R11(%rsp), %r11
        movq    R10(%rsp), %r10
        movq    R9(%rsp), %r9
        movq    R8(%rsp), %r8
        movq    AX(%rsp), %rax
        movq    CX(%rsp), %rcx
        movq    DX(%rsp), %rdx
        movq    SI(%rsp), %rsi
        movq    DI(%rsp), %rdi
        .subsection 1
8:      pushq   FLAGS(%rsp)
        popfq
        jmp     9b
        .previous
.endm

        .text

// Called by a stub, which has stepped over the red zone: (rsp) is the return address into the stub. `ip` is left to the callee.
        .globl  strata_uprobe_entry
        .hidden strata_uprobe_entry
        .type   strata_uprobe_entry, @function
        .p2align 6
strata_uprobe_entry:
        SAVE_REGISTERS
        leaq    (REGS_SIZE + 8 + RED_ZONE)(%rsp), %rax
        movq    REGS_SIZE(%rsp), %rdi
        movq    %rsp, %rsi
        movq    %rax, SP(%rsp)
        CALL_ALIGNED strata_uprobe_dispatch
        testb   %al, %al
        jnz     7f
        RESTORE_REGISTERS
        leaq    REGS_SIZE(%rsp), %rsp
        ret
// The function returns at once: rax is what PtRegs says, the stack as its caller left it.
7:      RESTORE_REGISTERS
        movq    SP(%rsp), %rsp
        ret
        .size   strata_uprobe_entry, . - strata_uprobe_entry

// What a function with a return probe comes back to: rsp is just above the slot that held the return address. The word above PtRegs is that slot, and
// gets the original address back.
.macro RETURN_TRAMPOLINE
        leaq    -8(%rsp), %rsp
        SAVE_REGISTERS
        leaq    REGS_SIZE(%rsp), %rdi
        leaq    8(%rdi), %rax
        movq    %rsp, %rsi
        movq    %rax, SP(%rsp)
        CALL_ALIGNED strata_uretprobe_dispatch
        movq    IP(%rsp), %rax
        movq    %rax, REGS_SIZE(%rsp)
        RESTORE_REGISTERS
.endm

// Unwind information for a place that stands in memory as a return address: exceptions, backtrace and debuggers go on in the caller of the hooked function.
// The frame is empty: its CFA is the slot S that held the return address (distinct from the CFAs of both neighbours, by which libgcc tells frames apart),
// and the stack pointer is again S + 8. The original address lies in the slot's ReturnEntry (return_table.h), whose place a DWARF expression computes. The
// expression starts with S; S holds the label's address, and TABLE_SLOT bytes before the label lies the distance to the table's pointer, so that nothing here
// needs a relocation. The information covers what stands before the label, since unwinders look up the byte before a return address.
#define CFA_EXPRESSION 0x10
#define CFA_VAL_OFFSET_SF 0x15
#define COLUMN_STACK_POINTER 7
#define COLUMN_RETURN_ADDRESS 16
#define OP_DEREF 0x06
#define OP_CONST1U 0x08
#define OP_CONST2U 0x0a
#define OP_DUP 0x12
#define OP_OVER 0x14
#define OP_SWAP 0x16
#define OP_AND 0x1a
#define OP_MINUS 0x1c
#define OP_PLUS 0x22
#define OP_SHL 0x24
#define OP_SHR 0x25
#define OP_LIT3 0x33
#define OP_LIT4 0x34
#define OP_DEREF_SIZE 0x94
#define TABLE_SLOT 16  // from the table's distance to the label
#define EXPRESSION_SIZE 40

.macro RETURN_UNWIND_INFORMATION
        .cfi_def_cfa %rsp, -8
        .cfi_escape CFA_VAL_OFFSET_SF, COLUMN_STACK_POINTER, 0x7f  // CFA - 8 * -1
        .cfi_escape CFA_EXPRESSION, COLUMN_RETURN_ADDRESS, EXPRESSION_SIZE, \
                OP_DUP, OP_DEREF, OP_CONST1U, TABLE_SLOT, OP_MINUS, OP_DUP, OP_DEREF_SIZE, 4, OP_PLUS, OP_DEREF, \
                OP_OVER, OP_CONST1U, 32, OP_SHR, OP_LIT3, OP_SHL, OP_PLUS, OP_DEREF, \
                OP_OVER, OP_CONST1U, 16, OP_SHR, OP_CONST2U, 0xff, 0xff, OP_AND, OP_LIT3, OP_SHL, OP_PLUS, OP_DEREF, \
                OP_SWAP, OP_LIT3, OP_SHR, OP_CONST2U, 0xff, 0x1f, OP_AND, OP_LIT4, OP_SHL, OP_PLUS
.endm

// Jumped to by a stub, with the stack as at the function's start: calls the displaced code, whose address lies two words below, in place of the caller.
// Call and return are in pairs for the processor's predictor, so that neither the function's return nor the one below is mispredicted.
        .p2align 6
        .long   strata_return_table - .
        .skip   TABLE_SLOT - 4 - 9
        .globl  strata_uretprobe_launch
        .hidden strata_uretprobe_launch
        .type   strata_uretprobe_launch, @function
strata_uretprobe_launch:
        leaq    8(%rsp), %rsp
        .cfi_startproc
        RETURN_UNWIND_INFORMATION
        call    *-24(%rsp)
        .cfi_endproc
        .globl  strata_uretprobe_launched
        .hidden strata_uretprobe_launched
strata_uretprobe_launched:
        .if     strata_uretprobe_launched - strata_uretprobe_launch - 9
        .error  "the table's slot is not where the unwind information says"
        .endif
        RETURN_TRAMPOLINE
        leaq    REGS_SIZE(%rsp), %rsp
        ret
        .size   strata_uretprobe_launch, . - strata_uretprobe_launch

// The same where the stub could not launch: the return address in memory was replaced. Jumps, since a return would take the predictor out of step.
        .p2align 6
        .long   strata_return_table - .
        .skip   TABLE_SLOT - 4 - 1
        .cfi_startproc
        RETURN_UNWIND_INFORMATION
        nop
        .cfi_endproc
        .globl  strata_uretprobe_return
        .hidden strata_uretprobe_return
        .type   strata_uretprobe_return, @function
strata_uretprobe_return:
        RETURN_TRAMPOLINE
        leaq    (REGS_SIZE + 8)(%rsp), %rsp
        jmp     *-8(%rsp)
        .size   strata_uretprobe_return, . - strata_uretprobe_return

        .section .note.GNU-stack, "", @progbits
