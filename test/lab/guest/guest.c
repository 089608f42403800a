/*
 * The lab's guest: a kernel that dirties memory at a set rate and counts on the serial port.
 *
 * Command line (all decimal): ws=<pages> rate=<pages/s> fill=<pages> shrink=<percent> every=<ticks>
 * after=<ticks> floor=<pages>; a tick is 10 ms. It cycles through the working set, writing one word
 * per page: the number of the lap, after checking that the previous lap's word is still there. A
 * write lost by a migration shows up in the next lap as a line "BAD <page> <found> <expected>".
 * Every 10 ticks it prints "#<count>", 8 hex digits. Paced by the PIT and hlt, so that many guests
 * fit on a core under TCG.
 */

typedef unsigned int u32;
typedef unsigned char u8;

#define TICKS_PER_SECOND 100
#define PIT_HZ 1193182
#define TICKS_PER_COUNT 10
#define COM1 0x3F8
#define FIRST_PAGE ((volatile u32 *)0x400000)
#define WORDS_PER_PAGE 1024
/* Lap numbers in memory are never 0, because QEMU sends a page of zeros as a few bytes. */
#define FIRST_LAP 1

struct multiboot_info {
  u32 flags, mem_lower, mem_upper, boot_device;
  const char *cmdline;
};

struct gate {
  unsigned short offset_low, selector;
  u8 zero, type;
  unsigned short offset_high;
};

extern struct gate idt[];
extern volatile u32 ticks;
extern void timer_interrupt(void);

static inline void outb(unsigned short port, u8 value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(unsigned short port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

/*
 * Makes QEMU notice the next write to every page. Before 9.0 its TCG, when a migration begins a
 * pass, fails to mark pages with cached translations as clean, so writes to them get lost (QEMU
 * 03bfc2188f, "physmem: Fix migration dirty bitmap coherency with TCG memory access"). Changing
 * CR0.WP, which has no effect without paging, empties TCG's translation buffer.
 */
static inline void forget_cached_pages(void) {
  u32 cr0;
  __asm__ volatile("mov %%cr0, %0; xor $0x10000, %0; mov %0, %%cr0" : "=r"(cr0) : : "memory");
}

static void put(char c) {
  forget_cached_pages();
  while (!(inb(COM1 + 5) & 0x20)) {
  }
  outb(COM1, (u8)c);
}

static void put_text(const char *text) {
  while (*text) put(*text++);
}

static void put_hex(u32 value) {
  for (int shift = 28; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
}

/* The number after `name` (which ends in "=") on the command line; 0 if absent. */
static u32 parameter(const char *line, const char *name) {
  for (; *line; line++) {
    u32 i = 0, value = 0;
    while (name[i] && line[i] == name[i]) i++;
    if (name[i]) continue;
    for (line += i; *line >= '0' && *line <= '9'; line++) value = value * 10 + (u32)(*line - '0');
    return value;
  }
  return 0;
}

static void start_timer(void) {
  u32 handler = (u32)timer_interrupt;
  idt[0x20] = (struct gate){(unsigned short)handler, 8, 0, 0x8E, (unsigned short)(handler >> 16)};
  outb(0x20, 0x11); /* Both PICs: initialize, vectors 0x20 and 0x28, cascade on 2, 8086 mode. */
  outb(0xA0, 0x11);
  outb(0x21, 0x20);
  outb(0xA1, 0x28);
  outb(0x21, 4);
  outb(0xA1, 2);
  outb(0x21, 1);
  outb(0xA1, 1);
  outb(0x21, 0xFE); /* Only the timer. */
  outb(0xA1, 0xFF);
  outb(0x43, 0x34); /* Channel 0, both bytes, rate generator. */
  outb(0x40, (PIT_HZ / TICKS_PER_SECOND) & 0xFF);
  outb(0x40, (PIT_HZ / TICKS_PER_SECOND) >> 8);
}

/*
 * Changing CR0.WP empties the TLB and has no other effect while paging is off. With no entry older
 * than the lap, every write of the lap is tracked: see guest.ld.
 */
static void flush_tlb(void) {
  u32 cr0;
  __asm__ volatile("movl %%cr0, %0; xorl $0x10000, %0; movl %0, %%cr0" : "=r"(cr0) : : "memory");
}

static void write_page(u32 page, u32 lap) {
  volatile u32 *word = FIRST_PAGE + page * WORDS_PER_PAGE;
  forget_cached_pages();
  if (*word != lap - 1) {
    put_text("BAD ");
    put_hex(page);
    put(' ');
    put_hex(*word);
    put(' ');
    put_hex(lap - 1);
    put('\n');
  }
  *word = lap;
}

void guest_main(const struct multiboot_info *info) {
  const char *line = info->cmdline;
  u32 working_set = parameter(line, " ws="), rate = parameter(line, " rate=");
  u32 filled = parameter(line, " fill="), shrink = parameter(line, " shrink=");
  u32 every = parameter(line, " every="), next_shrink = parameter(line, " after=") + every;
  u32 floor = parameter(line, " floor=");
  u32 count = 0, seen = 0, owed = 0, page = 0, lap = FIRST_LAP + 1;

  for (u32 i = 0; i < filled || i < working_set; i++) FIRST_PAGE[i * WORDS_PER_PAGE] = FIRST_LAP;
  start_timer();
  for (;;) {
    __asm__ volatile("cli");
    while (ticks == seen) __asm__ volatile("sti; hlt; cli");
    __asm__ volatile("sti");
    forget_cached_pages();
    /* Ticks missed while the host was busy are not made up: the rate is an upper bound. */
    seen = ticks;
    if (shrink && every && seen >= next_shrink) {
      next_shrink += every;
      working_set -= working_set * shrink / 100;
      if (working_set < floor) working_set = floor;
    }
    for (owed += rate; working_set && owed >= TICKS_PER_SECOND; owed -= TICKS_PER_SECOND) {
      if (page >= working_set) {
        page = 0;
        lap++;
        flush_tlb();
      }
      write_page(page++, lap);
    }
    if (!working_set) owed = 0;
    if (seen / TICKS_PER_COUNT > count) {
      count++;
      put('#');
      put_hex(count);
      put('\n');
    }
  }
}
