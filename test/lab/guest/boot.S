# Entry point of the lab's guest: a multiboot header, a stack, the descriptor tables for interrupts,
# and the timer's interrupt handler. Everything else is in guest.c. Code, stack and variables share
# one page on purpose: see guest.ld. Source: Multiboot Specification 0.6.96, 3.1 (header) and 3.2
# (machine state at entry).

        .set MAGIC, 0x1BADB002
        .set FLAGS, 0x00010000          # the address fields below are valid

        .section .multiboot, "a"
        .align 4
header: .long MAGIC, FLAGS, -(MAGIC + FLAGS)
        .long header, _load_start, _load_end, _bss_end, _start

        .text
        .globl _start
_start: movl $_stack_top, %esp
        pushl %ebx                      # the multiboot information
        lgdt gdt_pointer
        ljmp $8, $1f
1:      movw $16, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        lidt idt_pointer
        call guest_main                 # never returns

        .globl timer_interrupt
timer_interrupt:
        pushl %eax
        movl %cr0, %eax                 # see forget_pages_at_hand in guest.c
        xorl $0x10000, %eax
        movl %eax, %cr0
        incl ticks
        movb $0x20, %al                 # end of interrupt
        outb %al, $0x20
        popl %eax
        iret

        .data
        .align 8
gdt:    .quad 0
        .quad 0x00CF9A000000FFFF        # 8: flat code
        .quad 0x00CF92000000FFFF        # 16: flat data
gdt_pointer:
        .word 23
        .long gdt
idt_pointer:
        .word 0x21 * 8 - 1
        .long idt

        .bss
        .globl idt, ticks
        .align 8
idt:    .skip 0x21 * 8
ticks:  .skip 4
        .align 16
        .skip 1024
_stack_top:

        .section .note.GNU-stack, "", @progbits
