// Leads the calls of every library to the hooks, through the slots that the loader fills for each function a library
// imports. Code is never changed. A slot's old value is kept and put back. A slot that another tool has filled is left
// alone. No hook is ever unloaded, so a call that is inside one may finish whenever it likes.
#include "heap.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define SLOT_CALL R_X86_64_JUMP_SLOT
#define SLOT_DATA R_X86_64_GLOB_DAT
#define SLOT_WORD R_X86_64_64
#elif defined(__aarch64__)
#define SLOT_CALL R_AARCH64_JUMP_SLOT
#define SLOT_DATA R_AARCH64_GLOB_DAT
#define SLOT_WORD R_AARCH64_ABS64
#else
#error "the compiled core is for x86-64 and aarch64"
#endif

#define MOST_LIBRARIES 4096
#define MOST_SLOTS 16384

typedef struct {
    uintptr_t at, value;
} Slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Slot *slots;  // of our own making, from mmap: nothing here may call malloc
static size_t slot_count;
static uintptr_t *seen;  // program headers of the libraries that were looked at
static size_t seen_count;
static uint64_t *noted;  // keys of the libraries that the tables name
static size_t noted_count;
static unsigned long long loads, unloads;  // the loader's counts at the latest look
static uintptr_t own_base, malloc_base;
static bool restoring;

void slots_lock(void) { pthread_mutex_lock(&lock); }
void slots_unlock(void) { pthread_mutex_unlock(&lock); }

static uintptr_t old_value(uintptr_t at) {
    for (size_t each = slot_count; each-- > 0;)
        if (slots[each].at == at) return slots[each].value;
    return 0;
}

static void write_slot(uintptr_t at, uintptr_t value, bool read_only) {
    uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE), page = at & ~(page_size - 1);
    if (read_only && mprotect((void *)page, page_size, PROT_READ | PROT_WRITE)) return;
    __atomic_store_n((uintptr_t *)at, value, __ATOMIC_RELEASE);
    if (read_only) mprotect((void *)page, page_size, PROT_READ);
}

typedef struct {
    uintptr_t base, low, high;      // of the library's segments
    uintptr_t sealed_low, sealed_high;  // the slots that the loader has made read-only
    const void *frame_table;        // its .eh_frame_hdr, or NULL
    uint32_t build;                 // the first bytes of its build ID
    const ElfW(Sym) * symbols;
    const char *strings;
} Image;

static const Hooked *hooked_by_name(const char *name) {
    for (size_t at = 0; at < hooked_count; at++)
        if (name[0] == hooked_functions[at].name[0] && !strcmp(name, hooked_functions[at].name))
            return &hooked_functions[at];
    return NULL;
}

static void visit_slot(const Image *image, uintptr_t at, uint32_t type, const Hooked *hooked) {
    uintptr_t value = __atomic_load_n((uintptr_t *)at, __ATOMIC_ACQUIRE), hook = (uintptr_t)hooked->hook;
    uintptr_t real = (uintptr_t)*hooked->real;
    bool read_only = at >= image->sealed_low && at < image->sealed_high;
    if (restoring) {
        uintptr_t old = value == hook ? old_value(at) : 0;
        if (value == hook) write_slot(at, old ? old : real, read_only);
        return;
    }
    if (value == hook || !real) return;
    bool not_bound_yet = value >= image->low && value < image->high;  // leads to the loader, through the library itself
    if (value != real && !not_bound_yet) {
        if (type != SLOT_WORD) file_header()->foreign++;  // a pointer in data may have been set to anything
        return;
    }
    size_t place = slot_count;
    if (unloads)  // a library that is back where it was
        for (place = 0; place < slot_count && slots[place].at != at;) place++;
    if (place == MOST_SLOTS) return;
    if (place == slot_count) slot_count++;
    slots[place] = (Slot){at, value};
    write_slot(at, hook, read_only);
    file_header()->patched++;
}

static void visit_relocations(const Image *image, const ElfW(Rela) * table, size_t bytes) {
    for (size_t at = 0; at < bytes / sizeof *table; at++) {
        uint32_t type = (uint32_t)ELF64_R_TYPE(table[at].r_info);
        if (type != SLOT_CALL && type != SLOT_DATA && type != SLOT_WORD) continue;
        if (type == SLOT_WORD && table[at].r_addend) continue;
        const ElfW(Sym) *symbol = &image->symbols[ELF64_R_SYM(table[at].r_info)];
        if (symbol->st_shndx != SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT) continue;
        const Hooked *hooked = hooked_by_name(image->strings + symbol->st_name);
        if (hooked) visit_slot(image, image->base + table[at].r_offset, type, hooked);
    }
}

static void note_library(const Image *image, const char *path) {
    char program[4096];
    if (!*path) {
        ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
        if (length <= 0) return;
        program[length] = 0;
        path = program;
    }
    uint64_t key = image->low ^ image->high << 1;
    for (const char *at = path; *at; at++) key = (key ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    for (size_t at = 0; at < noted_count; at++)
        if (noted[at] == key) return;  // it was unloaded, and is back
    if (noted_count == MOST_LIBRARIES) return;
    noted[noted_count++] = key;
    tables_add_library(image->low, image->high, image->build, path);
}

static uint32_t build_of(const char *note, const char *end) {
    while (note + sizeof(ElfW(Nhdr)) < end) {
        const ElfW(Nhdr) *head = (const void *)note;
        const char *name = note + sizeof *head, *contents = name + ((head->n_namesz + 3) & ~3u);
        uint32_t build;
        if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && !memcmp(name, "GNU", 4) &&
            head->n_descsz >= sizeof build) {
            memcpy(&build, contents, sizeof build);
            return build;
        }
        note = contents + ((head->n_descsz + 3) & ~3u);
    }
    return 0;
}

static bool seen_before(uintptr_t headers) {
    for (size_t at = 0; at < seen_count; at++)
        if (seen[at] == headers) return true;
    if (seen_count < MOST_LIBRARIES) seen[seen_count++] = headers;
    return false;
}

static int visit_library(struct dl_phdr_info *info, size_t size, void *first) {
    (void)size;
    if (*(bool *)first) {
        *(bool *)first = false;
        if (!restoring && info->dlpi_adds == loads && info->dlpi_subs == unloads) return 1;
        if (restoring || info->dlpi_subs != unloads) {  // another library may be where one was
            seen_count = 0;
            tables_lock();
            native_stack_forget_libraries();
            tables_unlock();
        }
        loads = info->dlpi_adds;
        unloads = info->dlpi_subs;
    }
    const char *name = strrchr(info->dlpi_name, '/') ? strrchr(info->dlpi_name, '/') + 1 : info->dlpi_name;
    bool is_loader = !strncmp(name, "ld-linux", 8) || !strncmp(name, "ld-musl", 7);
    if (!strncmp(name, "linux-vdso", 10)) return 0;
    if (!restoring && seen_before((uintptr_t)info->dlpi_phdr)) return 0;
    Image image = {.base = info->dlpi_addr, .low = UINTPTR_MAX};
    const ElfW(Dyn) *dynamic = NULL;
    for (int at = 0; at < info->dlpi_phnum; at++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[at];
        uintptr_t low = image.base + header->p_vaddr, high = low + header->p_memsz;
        if (header->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)low;
        if (header->p_type == PT_GNU_EH_FRAME) image.frame_table = (const void *)low;
        if (header->p_type == PT_NOTE && !image.build) image.build = build_of((const char *)low, (const char *)high);
        if (header->p_type == PT_GNU_RELRO) image.sealed_low = low, image.sealed_high = high;
        if (header->p_type == PT_LOAD) {
            if (low < image.low) image.low = low;
            if (high > image.high) image.high = high;
        }
    }
    if (!restoring) {
        note_library(&image, info->dlpi_name);
        tables_lock();
        native_stack_add_library(image.low, image.high, image.frame_table);
        tables_unlock();
    }
    if (!dynamic || is_loader) return 0;
    uintptr_t new_operator = (uintptr_t)hooks_operator();
    if (new_operator >= image.low && new_operator < image.high && new_operator != 0)
        operators_low = image.low, operators_high = image.high;
    if (own_base >= image.low && own_base < image.high) return 0;
    // What an allocator maps, it gives out in pieces that are counted one by one.
    if (malloc_base >= image.low && malloc_base < image.high) return 0;
    uintptr_t tables[2] = {0, 0};
    size_t sizes[2] = {0, 0};
    for (; dynamic->d_tag != DT_NULL; dynamic++) switch (dynamic->d_tag) {
            case DT_SYMTAB: image.symbols = (const void *)dynamic->d_un.d_ptr; break;
            case DT_STRTAB: image.strings = (const void *)dynamic->d_un.d_ptr; break;
            case DT_RELA: tables[0] = dynamic->d_un.d_ptr; break;
            case DT_RELASZ: sizes[0] = dynamic->d_un.d_val; break;
            case DT_JMPREL: tables[1] = dynamic->d_un.d_ptr; break;
            case DT_PLTRELSZ: sizes[1] = dynamic->d_un.d_val; break;
            default: break;
        }
    if ((uintptr_t)image.symbols < image.low || (uintptr_t)image.strings < image.low) return 0;
    for (int at = 0; at < 2; at++)
        if (tables[at] >= image.low) visit_relocations(&image, (const ElfW(Rela) *)tables[at], sizes[at]);
    return 0;
}

static bool make_room(void) {
    if (slots) return true;
    size_t size = MOST_SLOTS * sizeof *slots + MOST_LIBRARIES * (sizeof *seen + sizeof *noted);
    void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return false;
    slots = room;
    seen = (uintptr_t *)(slots + MOST_SLOTS);
    noted = (uint64_t *)(seen + MOST_LIBRARIES);
    own_base = (uintptr_t)&hooked_functions;
    malloc_base = (uintptr_t)hooks_malloc_library();
    return true;
}

static bool visit_all(bool restore, bool wait) {
    Thread *thread = &current_thread;
    bool inside = thread->inside, first = true;
    if (!wait && pthread_mutex_trylock(&lock)) return false;
    thread->inside = true;
    if (wait) slots_lock();
    bool room = make_room();
    if (room) {
        restoring = restore;
        dl_iterate_phdr(visit_library, &first);
        if (restore) slot_count = seen_count = noted_count = loads = unloads = 0;
        restoring = false;
    }
    slots_unlock();
    thread->inside = inside;
    return room;
}

void slots_patch(void) { visit_all(false, true); }
bool slots_try_patch(void) { return visit_all(false, false); }
void slots_restore(void) { visit_all(true, true); }
