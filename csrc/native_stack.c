// The C and C++ frames of the calling thread, up to the interpreter's loop, whose frames python_stack.c reads.
//
// On x86-64, compilers keep no frame pointers; the rules for unwinding a function are in the tables that libraries have
// for C++ exceptions (.eh_frame; the DWARF and x86-64 ABI documents describe them). libgcc's _Unwind_Backtrace reads the
// same tables, but takes locks that the program may hold, and is several times as slow. The rule of a return address is
// kept here, as most addresses come again and again. On aarch64 compilers do keep frame pointers.
//
// All of it is guarded by the lock of the tables. Nothing beyond the stack and the libraries' own tables is read.
#include "heap.h"

#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>

#define MOST_LIBRARIES 4096
#define DEEPEST_STACK (UINT64_C(1) << 30)

#if defined(__has_feature)
#define UNCHECKED __attribute__((no_sanitize("address", "undefined")))
#else
#define UNCHECKED __attribute__((no_sanitize_address, no_sanitize_undefined))
#endif

typedef struct {
    uintptr_t low, high;
    const uint8_t *table;  // its .eh_frame_hdr
} Library;

static Library libraries[MOST_LIBRARIES];
static size_t library_count;
static uintptr_t loop_low, loop_high;  // the interpreter's loop
static uintptr_t main_stack_end;

static const Library *library_at(uintptr_t address) {
    for (size_t at = library_count; at-- > 0;)
        if (address >= libraries[at].low && address < libraries[at].high) return &libraries[at];
    return NULL;
}

// ---- The tables of a library

typedef struct {
    const uint8_t *at, *end;
} Reader;

static uint64_t read_unsigned(Reader *reader, size_t bytes) {
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < bytes) {
        reader->at = reader->end;
        return 0;
    }
    memcpy(&value, reader->at, bytes);  // little-endian, as both architectures are
    reader->at += bytes;
    return value;
}

static uint64_t read_leb(Reader *reader, bool is_signed) {
    uint64_t value = 0;
    for (unsigned shift = 0; reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        if (shift < 64) value |= (uint64_t)(byte & 127) << shift;
        if (byte & 128) continue;
        if (is_signed && byte & 64 && shift + 7 < 64) value |= ~UINT64_C(0) << (shift + 7);
        break;
    }
    return value;
}

static uint64_t read_pointer(Reader *reader, uint8_t encoding) {
    uintptr_t place = (uintptr_t)reader->at;
    uint64_t value;
    switch (encoding & 15) {
        case 1: value = read_leb(reader, false); break;
        case 2: value = read_unsigned(reader, 2); break;
        case 3: value = read_unsigned(reader, 4); break;
        case 9: value = read_leb(reader, true); break;
        case 10: value = (uint64_t)(int16_t)read_unsigned(reader, 2); break;
        case 11: value = (uint64_t)(int32_t)read_unsigned(reader, 4); break;
        default: value = read_unsigned(reader, 8); break;
    }
    return (encoding & 0x70) == 0x10 ? value + place : value;
}

typedef struct {
    Reader first, then;  // instructions: those of all functions of a kind, and the function's own
    uintptr_t low, high;
    uint64_t code_unit;
    int64_t data_unit;
    uint64_t return_register;
} Function;

// Opens an entry; false at the end of the section.
static bool open_entry(const Library *library, const uint8_t *at, Reader *entry) {
    if ((uintptr_t)at < library->low || (uintptr_t)at + 8 > library->high) return false;
    *entry = (Reader){at, at + 4};
    uint64_t length = read_unsigned(entry, 4);
    entry->end = entry->at + length;
    return length >= 4 && length < 1u << 24 && (uintptr_t)entry->end <= library->high;
}

static bool read_function(const Library *library, const uint8_t *at, Function *function) {
    Reader own, common;
    if (!open_entry(library, at, &own)) return false;
    const uint8_t *back = own.at;
    if (!open_entry(library, back - read_unsigned(&own, 4), &common)) return false;
    read_unsigned(&common, 5);  // the kind of the entry, and a version
    const char *letter = (const char *)common.at;
    size_t length = strnlen(letter, (size_t)(common.end - common.at));
    common.at += length + 1;
    if (common.at >= common.end || (length && *letter != 'z')) return false;
    function->code_unit = read_leb(&common, false);
    function->data_unit = (int64_t)read_leb(&common, true);
    function->return_register = read_leb(&common, false);  // a byte in version 1, and below 128
    uint8_t encoding = 0;
    if (length) {
        uint64_t size = read_leb(&common, false);
        if (size > (uint64_t)(common.end - common.at)) return false;
        Reader extra = {common.at, common.at + size};
        common.at = extra.end;
        for (letter++; *letter; letter++) switch (*letter) {
                case 'R': encoding = (uint8_t)read_unsigned(&extra, 1); break;
                case 'L': read_unsigned(&extra, 1); break;
                case 'P': read_pointer(&extra, (uint8_t)read_unsigned(&extra, 1)); break;
                case 'S': return false;  // the frame of a signal
                default: break;
            }
    }
    function->low = read_pointer(&own, encoding);
    function->high = function->low + read_pointer(&own, encoding & 15);
    if (length) {
        uint64_t size = read_leb(&own, false);
        if (size > (uint64_t)(own.end - own.at)) return false;
        own.at += size;
    }
    function->first = common;
    function->then = own;
    return true;
}

static bool find_function(const Library *library, uintptr_t address, Function *function) {
    Reader head = {library->table, library->table + 16};
    if (!library->table || read_unsigned(&head, 1) != 1) return false;
    uint8_t frame = (uint8_t)read_unsigned(&head, 1), count_form = (uint8_t)read_unsigned(&head, 1);
    if (read_unsigned(&head, 1) != 0x3b) return false;  // pairs of offsets from here, sorted, as all linkers write them
    read_pointer(&head, frame);
    uint64_t count = read_pointer(&head, count_form);
    const int32_t(*rows)[2] = (const void *)head.at;
    if ((uintptr_t)(rows + count) > library->high) return false;
    int64_t offset = (int64_t)(address - (uintptr_t)library->table);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (rows[middle][0] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low && read_function(library, library->table + rows[low - 1][1], function) && address >= function->low &&
           address < function->high;
}

static uintptr_t stack_end(uintptr_t low) {
    uintptr_t self = (uintptr_t)pthread_self();  // lies behind the stack of a thread that is not the first
    if (low < self && self - low < DEEPEST_STACK) return self;
    return low < main_stack_end && main_stack_end - low < DEEPEST_STACK ? main_stack_end : 0;
}

UNCHECKED static bool read_stack(uintptr_t at, uintptr_t low, uintptr_t high, uintptr_t *value) {
    if (at < low || at > high - sizeof *value || at % sizeof *value) return false;
    *value = *(const volatile uintptr_t *)at;
    return true;
}

#if defined(__x86_64__)

enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, R15 = 15, RETURN = 16, REGISTERS = 17 };
#define MOST_RULES 4096
#define MOST_REMEMBERED 8
#define UNTOUCHED INT32_MIN

// How to unwind from one address to the caller.
typedef struct {
    uintptr_t address;
    int32_t offset;             // the caller's stack pointer is that register's value plus this
    int32_t saved[REGISTERS];  // where registers are saved, relative to the caller's stack pointer
    uint8_t base;               // the register
    bool indirect;              // the sum is where the caller's stack pointer is saved, less `more`
    bool last;                  // there is no caller
} Rule;

static Rule rules[MOST_RULES];

static bool save(Rule *rule, uint64_t number, int64_t offset) {
    if (number >= REGISTERS) return true;  // of no interest
    if (offset < INT32_MIN / 2 || offset > INT32_MAX / 2) return false;
    rule->saved[number] = (int32_t)offset;
    return true;
}

static bool set_base(Rule *rule, uint64_t number, int64_t offset) {
    if (number >= REGISTERS || offset < INT32_MIN / 2 || offset > INT32_MAX / 2) return false;
    rule->base = (uint8_t)number;
    rule->offset = (int32_t)offset;
    rule->indirect = false;
    return true;
}

// A function that aligns its stack saves the caller's stack pointer: *(register + offset) is the one form there is.
static bool set_indirect_base(Rule *rule, Reader *expression) {
    uint64_t operation = read_unsigned(expression, 1);
    int64_t offset = (int64_t)read_leb(expression, true);
    bool ends = read_unsigned(expression, 1) == 0x06 && expression->at == expression->end;  // DW_OP_deref
    if (operation < 0x70 || operation > 0x8f || !ends || !set_base(rule, operation - 0x70, offset)) return false;
    rule->indirect = true;
    return true;
}

// Runs instructions until they are beyond the address. False for an instruction that is not known here.
static bool run(const Function *function, Reader code, const Rule *initial, uintptr_t until, Rule *rule) {
    Rule remembered[MOST_REMEMBERED];
    size_t depth = 0;
    uintptr_t at = function->low;
    while (code.at < code.end) {
        uint8_t operation = *code.at++, low = operation & 63;
        uint64_t number;
        switch (operation >> 6) {
            case 1: at += low * function->code_unit; break;
            case 2:
                if (!save(rule, low, (int64_t)read_leb(&code, false) * function->data_unit)) return false;
                break;
            case 3:
                if (low < REGISTERS) rule->saved[low] = initial->saved[low];
                break;
            default: switch (low) {
                    case 0x00: break;
                    case 0x02: at += read_unsigned(&code, 1) * function->code_unit; break;
                    case 0x03: at += read_unsigned(&code, 2) * function->code_unit; break;
                    case 0x04: at += read_unsigned(&code, 4) * function->code_unit; break;
                    case 0x05:
                        number = read_leb(&code, false);
                        if (!save(rule, number, (int64_t)read_leb(&code, false) * function->data_unit)) return false;
                        break;
                    case 0x11:
                        number = read_leb(&code, false);
                        if (!save(rule, number, (int64_t)read_leb(&code, true) * function->data_unit)) return false;
                        break;
                    case 0x06:
                        number = read_leb(&code, false);
                        if (number < REGISTERS) rule->saved[number] = initial->saved[number];
                        break;
                    case 0x07:  // undefined
                        number = read_leb(&code, false);
                        if (number == RETURN) rule->last = true;
                        break;
                    case 0x08:  // as it was
                        number = read_leb(&code, false);
                        if (number < REGISTERS) rule->saved[number] = UNTOUCHED;
                        break;
                    case 0x0a:
                        if (depth == MOST_REMEMBERED) return false;
                        remembered[depth++] = *rule;
                        break;
                    case 0x0b:
                        if (!depth) return false;
                        *rule = remembered[--depth];
                        break;
                    case 0x0c:
                        number = read_leb(&code, false);
                        if (!set_base(rule, number, (int64_t)read_leb(&code, false))) return false;
                        break;
                    case 0x0d:
                        if (!set_base(rule, read_leb(&code, false), rule->offset)) return false;
                        break;
                    case 0x0e:
                        if (!set_base(rule, rule->base, (int64_t)read_leb(&code, false))) return false;
                        break;
                    case 0x0f: {
                        uint64_t size = read_leb(&code, false);
                        if (size > (uint64_t)(code.end - code.at)) return false;
                        Reader expression = {code.at, code.at + size};
                        code.at += size;
                        if (!set_indirect_base(rule, &expression)) return false;
                        break;
                    }
                    case 0x10: {  // a register whose place an expression gives: beside an aligned stack, register + offset
                        number = read_leb(&code, false);
                        uint64_t size = read_leb(&code, false);
                        if (size > (uint64_t)(code.end - code.at)) return false;
                        Reader expression = {code.at, code.at + size};
                        code.at += size;
                        uint64_t base = read_unsigned(&expression, 1);
                        int64_t offset = (int64_t)read_leb(&expression, true);
                        if (number >= REGISTERS) break;
                        if (base != 0x70 + RBP || expression.at != expression.end || offset % 8) return false;
                        if (!save(rule, number, offset)) return false;
                        rule->saved[number] |= 1;  // relative to rbp, not to the caller's stack pointer
                        break;
                    }
                    case 0x2e: read_leb(&code, false); break;  // DW_CFA_GNU_args_size
                    default: return false;
                }
        }
        if (at > until) return true;
    }
    return true;
}

static const Rule *rule_at(uintptr_t address) {
    Rule *rule = &rules[address * UINT64_C(0x9E3779B97F4A7C15) >> 52];
    if (rule->address == address) return rule;
    const Library *library = library_at(address);
    Function function;
    Rule found = {.last = true};
    for (int at = 0; at < REGISTERS; at++) found.saved[at] = UNTOUCHED;
    if (library && find_function(library, address, &function) && function.return_register == RETURN) {
        found.last = false;
        Rule initial = found;
        found.last = !run(&function, function.first, &initial, UINTPTR_MAX, &found);
        initial = found;
        if (!found.last && !run(&function, function.then, &initial, address, &found)) found.last = true;
    }
    found.address = address;
    *rule = found;
    return rule;
}

#define CAPTURE(registers)                                                                                  \
    __asm__ volatile(                                                                                       \
        "movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\tmovq %%r12, 96(%0)\n\t"          \
        "movq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\tmovq %%r15, 120(%0)\n\tleaq 1(%%rip), %%rax\n\t"     \
        "nop\n\tmovq %%rax, 128(%0)"                                                                        \
        :                                                                                                   \
        : "r"(registers)                                                                                    \
        : "rax", "memory")

// Replaces the registers by those of the caller; false if there is none, or the tables do not tell.
static bool leave(uintptr_t *registers, uintptr_t high) {
    const Rule *rule = rule_at(registers[RETURN] - 1);  // the call, and not what follows it
    uintptr_t low = registers[RSP], caller = registers[rule->base] + (uintptr_t)(intptr_t)rule->offset, frame = registers[RBP];
    if (rule->last || (rule->indirect && !read_stack(caller, low, high, &caller))) return false;
    if (caller <= low || caller > high) return false;
    for (int at = 0; at < REGISTERS; at++) {
        int32_t saved = rule->saved[at];
        if (saved == UNTOUCHED) continue;
        uintptr_t from = saved & 1 ? frame + (uintptr_t)(intptr_t)(saved & ~1) : caller + (uintptr_t)(intptr_t)saved;
        if (!read_stack(from, low, high, &registers[at])) return false;
    }
    registers[RSP] = caller;
    return rule->saved[RETURN] != UNTOUCHED;
}

UNCHECKED static size_t walk(uint64_t *frames, size_t most, uintptr_t own_low, uintptr_t own_high) {
    uintptr_t registers[REGISTERS] = {0};
    size_t count = 0;
    CAPTURE(registers);
    uintptr_t high = stack_end(registers[RSP]);
    while (count < most && high && leave(registers, high)) {
        uintptr_t address = registers[RETURN];
        if (!address || (address >= loop_low && address < loop_high)) break;
        if (count || address < own_low || address >= own_high) frames[count++] = address;
    }
    return count;
}

static void forget_rules(void) { memset(rules, 0, sizeof rules); }

#else

UNCHECKED static size_t walk(uint64_t *frames, size_t most, uintptr_t own_low, uintptr_t own_high) {
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0), high = stack_end(frame);
    size_t count = 0;
    while (count < most && high) {
        uintptr_t outer, address;
        if (!read_stack(frame, frame, high, &outer) || !read_stack(frame + sizeof outer, frame, high, &address)) break;
        address &= (UINT64_C(1) << 48) - 1;  // the rest may be a signature
        if (!library_at(address) || (address >= loop_low && address < loop_high)) break;
        if (count || address < own_low || address >= own_high) frames[count++] = address;
        if (outer <= frame) break;
        frame = outer;
    }
    return count;
}

static void forget_rules(void) {}

#endif

void native_stack_add_library(uintptr_t low, uintptr_t high, const void *table) {
    if (library_count < MOST_LIBRARIES) libraries[library_count++] = (Library){low, high, table};
}

void native_stack_forget_libraries(void) {
    if (library_count) forget_rules();
    library_count = 0;
}

size_t native_stack(uint64_t *frames, size_t most) {
    if (!main_stack_end) {
        main_stack_end = getauxval(AT_EXECFN) & ~(uintptr_t)7;  // the kernel puts this text behind the stack
        uintptr_t loop = (uintptr_t)_PyEval_EvalFrameDefault;
        const Library *library = library_at(loop);
        Function function;
        if (library && find_function(library, loop, &function)) loop_low = function.low, loop_high = function.high;
    }
    const Library *own = library_at((uintptr_t)native_stack);
    return own ? walk(frames, most, own->low, own->high) : 0;
}
